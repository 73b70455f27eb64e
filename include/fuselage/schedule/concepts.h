// What a schedule is: a pure function of the step that gives what the learning rate is multiplied by. And what several
// of them are made of.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/core/numbers.h"

namespace fuselage::schedule {

/// `factor(step)` is of a step counted from 0, up to INT64_MAX. Schedules are copied to devices byte by byte.
template <class S>
concept Schedule = std::is_trivially_copyable_v<S> && requires(const S schedule, std::int64_t step) {
  { S::name } -> std::convertible_to<std::string_view>;
  { schedule.factor(step) } -> std::same_as<double>;
};

/// Numbers of steps, all of them exact in double.
inline constexpr Range kSteps{0, 9e15}, kSomeSteps{1, 9e15};

/// What is said of a field `total`.
inline constexpr const char* kTotalHelp = "steps until the end; 0: a trainer's whole run, elsewhere it never ends";

/// a/b of two numbers of steps.
FUSELAGE_HD double ratio(std::int64_t a, std::int64_t b) { return static_cast<double>(a) / static_cast<double>(b); }

/// Half a cosine from 1 at x = 0 to 0 at x = 1.
FUSELAGE_HD double half_cosine(double x) { return 0.5 * (1 + cospi(x)); }

/// Linear warm-up: (step + 1)/n, 1 from the n-th step on.
FUSELAGE_HD double warming(std::int64_t step, std::int64_t n) { return step < n ? ratio(step + 1, n) : 1; }

/// Steps at which something begins, in ascending order.
using Milestones = Numbers<std::int64_t, 16>;

/// How many of them a step has reached.
FUSELAGE_HD std::int64_t reached(const Milestones& milestones, std::int64_t step) {
  std::int64_t n = 0;
  while (n < milestones.size() && milestones[n] <= step) ++n;
  return n;
}

inline void check_ascending(std::string_view owner, const Milestones& milestones) {
  for (std::int64_t i = 1; i < milestones.size(); ++i)
    if (milestones[i] <= milestones[i - 1])
      throw Error(Errc::bad_argument, std::string(owner) + ": at[" + std::to_string(i) +
                                          "] = " + std::to_string(milestones[i]) + " is not above " +
                                          std::to_string(milestones[i - 1]) + ", the one before it");
}

}  // namespace fuselage::schedule
