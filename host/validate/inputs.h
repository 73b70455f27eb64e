// The problems of the validation: every option on every kind of shape, with inputs that are a function of the seed.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "host/validate/problem.h"

namespace fuselage::validate {

/// Whether every field is in its range and fits the others.
template <class T>
bool valid(const T& value) {
  try {
    detail::check_fields(value);
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// Whether `text` is a value that a field of type V is changed to: true for flags, small numbers for the others.
template <class V>
constexpr bool is_choice(std::string_view text) {
  const bool number = text != "true" && text != "false";
  if constexpr (std::is_same_v<V, bool>) return !number;
  if constexpr (std::is_same_v<V, double> || std::is_same_v<V, std::optional<double>>) return number;
  return number && text.size() == 1;
}

/// `base`, and `base` with each field changed to one or two other values of its range (that float holds exactly, but
/// for 0.1); of a range that holds none of the usual ones, to the value at its first quarter.
template <class T>
std::vector<T> with_each_field_changed(const T& base) {
  std::vector<T> result{base};
  detail::for_each_field<T>([&](const auto& field) {
    using V = typename std::remove_cvref_t<decltype(field)>::value_type;
    if (std::is_same_v<V, double> && field.name == "lr") return;
    if constexpr (detail::Choice<V>) {
      for (std::size_t i = 0; i < names_of(V{}).size(); ++i) {
        T changed = base;
        changed.*field.member = static_cast<V>(i);
        if (changed.*field.member != base.*field.member) result.push_back(changed);
      }
      return;
    }
    if constexpr (is_numbers<V>) {  // each element, so that what must be of one length stays so
      result.push_back(base);
      for (auto& x : result.back().*field.member) x = 2 * x;
      if (!valid(result.back())) result.pop_back();
      return;
    }
    const auto before = result.size();
    for (const char* text : {"0", "0.1", "0.25", "2", "true", "false"}) {
      T changed = base;
      V& value = changed.*field.member;
      if (!is_choice<V>(text) || !detail::read_value(text, value) || !detail::in_range(field.range, value)) continue;
      if (!(value == base.*field.member)) result.push_back(changed);
    }
    if constexpr (std::is_same_v<V, double>) {
      const double quarter = 0.75 * field.range.low + 0.25 * field.range.high;
      if (result.size() > before || !std::isfinite(quarter)) return;
      result.push_back(base);
      result.back().*field.member = quarter;
    }
  });
  std::erase_if(result, [](const T& value) { return !valid(value); });  // fields that do not fit each other
  return result;
}

/// Calls f with each problem of a loss whose predictions are stored as `type`; `entry` has its defaults.
void for_each_problem(const AnyLoss& entry, DType type, bool quick, std::uint64_t seed,
                      const std::function<void(const LossProblem&)>& f);

/// A problem that asks for nothing but the loss, with its defaults, as one that other libraries can be asked too: each
/// output by itself, without metrics. None of others, and of losses without outputs of their own.
std::optional<LossProblem> plain(const LossProblem& problem);

/// What distinguishes the inputs of a problem from others, put after `before`.
std::uint64_t digest(std::uint64_t before, const LossProblem& problem);

/// Calls f with each problem of an optimizer.
void for_each_problem(const AnyOptimizer& entry, DType type, bool quick, std::uint64_t seed,
                      const std::function<void(const StepProblem&)>& f);

}  // namespace fuselage::validate
