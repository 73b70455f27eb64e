// The text form of schedules that are made of several, and what a run makes of them.
#include <fmt/format.h>

#include <algorithm>

#include "fuselage/schedules.h"

namespace fuselage {

template struct detail::ListEntries<Schedules>;

namespace {

constexpr std::int64_t kLastBegin = 9'000'000'000'000'000;

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/// Calls f(piece) for what stands between `separator`s, trimmed.
template <class F>
void for_each_piece(std::string_view text, char separator, F&& f) {
  for (bool more = true; more;) {
    const std::size_t at = text.find(separator);
    f(trimmed(text.substr(0, at)));
    more = at != std::string_view::npos;
    if (more) text.remove_prefix(at + 1);
  }
}

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
  throw Error(Errc::bad_argument, fmt::format("schedule '{}': {}", text, why));
}

void check_order(const ScheduleSpec& spec, const std::string& text) {
  const auto& terms = spec.terms;
  if (terms.empty() || terms.size() > ScheduleSpec::kMaxTerms)
    refuse(text, fmt::format("{} terms, expected 1 to {}", terms.size(), ScheduleSpec::kMaxTerms));
  if (terms[0].from != 0) refuse(text, fmt::format("the first phase begins at step {}, expected 0", terms[0].from));
  for (std::size_t i = 1; i < terms.size(); ++i)
    if (terms[i].from < terms[i - 1].from || terms[i].from > kLastBegin)
      refuse(text,
             fmt::format("a phase begins at step {} and the one before it at {}", terms[i].from, terms[i - 1].from));
  const auto is_plateau = [](const ScheduleTerm& t) { return std::holds_alternative<schedule::Plateau>(t.entry); };
  if (std::count_if(terms.begin(), terms.end(), is_plateau) > 1) refuse(text, "two plateaus, expected one at most");
}

/// Whether an entry takes its length from a run.
template <class S>
bool wants_total(const S& entry) {
  if constexpr (requires { entry.wants_total(); })
    return entry.wants_total();
  else if constexpr (requires { entry.total; })
    return entry.total == 0;
  else
    return false;
}

}  // namespace

ScheduleSpec ScheduleSpec::parse(std::string_view text) {
  ScheduleSpec spec;
  spec.terms.clear();
  std::int64_t from = 0;
  bool step_is_next = false;
  for_each_piece(text, '|', [&](std::string_view piece) {
    if (step_is_next) {
      std::int64_t begin = 0;
      if (!detail::read_value(piece, begin) || begin <= from || begin > kLastBegin)
        refuse(text, fmt::format("'{}' is not a step above {}, at which the next phase could begin", piece, from));
      from = begin;
    } else {
      for_each_piece(piece, '*', [&](std::string_view term) {
        if (term.empty()) refuse(text, "a term is missing");
        spec.terms.push_back({Schedules::parse(term, "schedule"), from});
      });
    }
    step_is_next = !step_is_next;
  });
  if (!step_is_next) refuse(text, "ends with a step, expected a phase after it");
  spec.check();
  return spec;
}

std::string ScheduleSpec::to_string() const {
  std::string text;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    if (i > 0) text += terms[i].from == terms[i - 1].from ? " * " : fmt::format(" | {} | ", terms[i].from);
    text += Schedules::to_string(terms[i].entry);
  }
  return text;
}

void ScheduleSpec::check() const {
  check_order(*this, to_string());
  for (const ScheduleTerm& term : terms) Schedules::check(term.entry);
}

PlainSchedule::PlainSchedule(const ScheduleSpec& spec) {
  for (const ScheduleTerm& term : spec.terms) terms_[count_++] = {Plain<Schedules>(term.entry), term.from};
}

bool ScheduleSpec::has_plateau() const {
  return std::any_of(terms.begin(), terms.end(),
                     [](const ScheduleTerm& t) { return std::holds_alternative<schedule::Plateau>(t.entry); });
}

std::string_view ScheduleSpec::endless() const {
  for (const ScheduleTerm& term : terms)
    if (std::visit([](const auto& entry) { return wants_total(entry); }, term.entry))
      return Schedules::name_of(term.entry);
  return {};
}

ScheduleSpec ScheduleSpec::over(std::int64_t steps) const {
  ScheduleSpec result = *this;
  for (ScheduleTerm& term : result.terms) {
    std::int64_t end = steps;
    for (const ScheduleTerm& other : terms)
      if (other.from > term.from) end = std::min(end, other.from);
    const auto fit = [&](auto& entry) {
      if constexpr (requires { entry.total; }) {
        if (!wants_total(entry)) return;
        entry.total = end - term.from;
        try {
          if (entry.total <= 0) refuse(to_string(), "begins after the end");
          detail::check_fields(entry);
        } catch (const Error& error) {
          throw Error(error.code(), fmt::format("{}, over a run of {} steps", error.what(), steps));
        }
      }
    };
    std::visit(fit, term.entry);
  }
  return result;
}

bool ScheduleSpec::same_entries(const ScheduleSpec& other) const {
  return std::equal(terms.begin(), terms.end(), other.terms.begin(), other.terms.end(),
                    [](const ScheduleTerm& a, const ScheduleTerm& b) {
                      return a.entry.index() == b.entry.index() && a.from == b.from;
                    });
}

}  // namespace fuselage
