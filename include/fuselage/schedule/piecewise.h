// Values between given steps, held or interpolated.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuselage/schedule/concepts.h"

namespace fuselage::schedule {

/// What stands between two given values.
enum class Interpolation : std::uint8_t { none, linear, cosine };
constexpr std::array<std::string_view, 3> names_of(Interpolation) { return {"none", "linear", "cosine"}; }

/// values[i] from at[i - 1] on, values[0] from step 0 on; with an interpolation on the way to values[i + 1] at at[i].
struct Piecewise {
  static constexpr std::string_view
      name = "piecewise",
      formula = "values[i], i = #{j: at[j] <= step}; or between values[i] and values[i + 1] at at[i]",
      summary = "given values from given steps on, held or interpolated";
  Milestones at{1000, 2000};
  Numbers<double, Milestones::capacity + 1> values{1, 0.1, 0.01};
  Interpolation interpolate = Interpolation::none;
  static void fields(auto&& field) {
    field("at", &Piecewise::at, kSomeSteps, "steps at which the values after the first begin, ascending");
    field("values", &Piecewise::values, kNonNegative, "factors, one more than the steps");
    field("interpolate", &Piecewise::interpolate, Range{0, 2}, "what stands between two values");
  }
  void check() const {
    check_ascending(name, at);
    if (values.size() != at.size() + 1)
      throw Error(Errc::bad_argument, "piecewise: " + std::to_string(values.size()) + " values for " +
                                          std::to_string(at.size()) + " steps, expected one more");
  }
  FUSELAGE_HD double factor(std::int64_t step) const {
    const std::int64_t i = reached(at, step);
    if (interpolate == Interpolation::none || i == at.size()) return values[i];
    const std::int64_t begin = i > 0 ? at[i - 1] : 0;
    const double x = ratio(step - begin, at[i] - begin), from = values[i], to = values[i + 1];
    return interpolate == Interpolation::linear ? from + (to - from) * x : to + (from - to) * half_cosine(x);
  }
};

}  // namespace fuselage::schedule
