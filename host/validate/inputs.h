// The problems of the validation: every option on every kind of shape, with inputs that are a function of the seed.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "host/validate/problem.h"

namespace fuselage::validate {

/// `base`, and `base` with each field changed to one or two other values of its range (that float holds exactly, but
/// for 0.1).
template <class T>
std::vector<T> with_each_field_changed(const T& base) {
  std::vector<T> result{base};
  detail::for_each_field<T>([&](const auto& field) {
    for (const char* text : {"0", "0.1", "0.25", "2", "true"}) {
      T changed = base;
      auto& value = changed.*field.member;
      using V = std::remove_cvref_t<decltype(value)>;
      const bool number = std::string_view(text) != "true";
      const bool wanted = std::is_same_v<V, bool>     ? !number
                          : std::is_same_v<V, double> ? number && field.name != "lr"
                                                      : number && text[1] == '\0';
      if (!wanted || !detail::read_value(text, value) || !detail::in_range(field.range, value)) continue;
      if (!(value == base.*field.member)) result.push_back(changed);
    }
  });
  return result;
}

/// Calls f with each problem of a loss whose predictions are stored as `type`; `entry` has its defaults.
void for_each_problem(const AnyLoss& entry, DType type, bool quick, std::uint64_t seed,
                      const std::function<void(const LossProblem&)>& f);

/// The same for an optimizer.
void for_each_problem(const AnyOptimizer& entry, DType type, bool quick, std::uint64_t seed,
                      const std::function<void(const StepProblem&)>& f);

}  // namespace fuselage::validate
