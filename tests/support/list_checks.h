// What every entry of every list must have; each complaint is a line of text, so that the checks can be checked.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "fuselage/core/catalogue.h"
#include "host/validate/changes.h"

namespace fuselage::test {

using Complaints = std::vector<std::string>;

/// Texts reach parse() and come back.
template <class List>
void check_round_trip(const typename List::Any& value, Complaints& found) {
  const std::string text = List::to_string(value);
  try {
    const auto back = List::parse(text, "entry");
    bool same = back.index() == value.index();
    for (const detail::AnyField& field : detail::entry_for(value).fields)
      same = same && field.type->equal(field.in(detail::held_by(back)), field.in(detail::held_by(value)));
    if (!same) found.push_back(text + " reads back as " + List::to_string(back));
  } catch (const Error& error) {
    found.push_back(text + ": " + error.what());
  }
}

/// Texts that the field must refuse: values next to the ends of its range that are outside, and what is no number.
inline std::vector<std::string> wrong_values(const detail::AnyField& field) {
  using detail::FieldKind, detail::value_text;
  const double infinity = std::numeric_limits<double>::infinity();
  const Range& range = field.range;
  const FieldKind kind = field.type->kind;
  if (kind == FieldKind::boolean) return {};
  std::vector<std::string> wrong{"nan", "", "word"};
  if (kind == FieldKind::real && !field.type->optional) {
    if (range.low_open || std::isfinite(range.low))
      wrong.push_back(value_text(range.low_open ? range.low : std::nextafter(range.low, -infinity)));
    if (range.high_open || std::isfinite(range.high))
      wrong.push_back(value_text(range.high_open ? range.high : std::nextafter(range.high, infinity)));
  } else if (kind == FieldKind::list) {
    wrong.insert(wrong.end(), {"1/", "/1", "1//2", "1/word", value_text(range.low - 1)});
  } else if (std::isfinite(range.low)) {
    wrong.push_back(std::to_string(static_cast<std::int64_t>(range.low) - 1));
  }
  return wrong;
}

template <class List>
void check_ranges(const detail::Entry& entry, Complaints& found) {
  for (const detail::AnyField& field : entry.fields)
    for (const std::string& text : wrong_values(field)) {
      const std::string whole = std::string(entry.name) + ":" + std::string(field.name) + "=" + text;
      try {
        List::parse(whole, "entry");
        found.push_back(whole + " is taken");
      } catch (const Error& error) {
        if (error.code() != Errc::bad_argument) found.push_back(whole + ": " + error.what());
      }
    }
}

/// All complaints about a list; every entry must be among `oracles`.
template <class List>
Complaints check_list(const std::vector<std::string>& oracles) {
  Complaints found;
  std::vector<std::string> names;
  for (const EntryInfo& info : List::describe()) {
    const auto complain = [&](const std::string& text) { found.push_back(info.name + ": " + text); };
    if (std::find(names.begin(), names.end(), info.name) != names.end()) complain("the name is there twice");
    names.push_back(info.name);
    if (info.name.empty() || info.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos)
      complain("the name is not of a-z, 0-9 and _");
    if (std::find(oracles.begin(), oracles.end(), info.name) == oracles.end()) complain("the reference lacks it");
    if (info.summary.empty()) complain("no summary");
    if (info.formula.empty()) complain("no formula");
    for (const FieldInfo& field : info.fields)
      if (field.help.empty()) complain(field.name + " has no help");
    const auto defaults = List::make(info.name, "entry");
    const detail::Entry& entry = detail::entry_for(defaults);
    for (const detail::AnyField& field : entry.fields)
      if (!field.type->in_range(field.range, field.in(entry.defaults)))
        complain(std::string(field.name) + " has a default outside its range");
    for (const auto& value : validate::with_each_field_changed(defaults)) check_round_trip<List>(value, found);
    check_ranges<List>(entry, found);
  }
  return found;
}

}  // namespace fuselage::test
