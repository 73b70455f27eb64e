// Decays without an end: exponential, and by the inverse of the time or of its root.
#pragma once

#include <cstdint>
#include <string_view>

#include "fuselage/schedule/concepts.h"

namespace fuselage::schedule {

/// step/every, or the whole part of it.
FUSELAGE_HD double periods(std::int64_t step, std::int64_t every, bool staircase) {
  return staircase ? static_cast<double>(step / every) : ratio(step, every);
}

/// factor gamma^((step - begin)/every), 1 before `begin`; never beyond `limit`, which is below for gamma < 1 and above
/// for gamma > 1. As PyTorch's ExponentialLR, Keras' ExponentialDecay and Optax' exponential_decay.
struct Exponential {
  static constexpr std::string_view name = "exponential", formula = "gamma^((step - begin)/every)",
                                    summary = "multiplied by gamma over every so many steps, smoothly or at once";
  double gamma = 0.999;
  std::int64_t every = 1, begin = 0;
  bool staircase = false;
  double limit = 0;
  static void fields(auto&& field) {
    field("gamma", &Exponential::gamma, kPositive, "factor of `every` steps");
    field("every", &Exponential::every, kSomeSteps, "steps");
    field("begin", &Exponential::begin, kSteps, "steps before the decay");
    field("staircase", &Exponential::staircase, kFraction, "floor of the exponent");
    field("limit", &Exponential::limit, kNonNegative, "the last value; 0: none");
  }
  FUSELAGE_HD double factor(std::int64_t step) const {
    const double f = step > begin ? pow(gamma, periods(step - begin, every, staircase)) : 1;
    if (gamma < 1) return greater_of(f, limit);
    return limit > 0 ? lesser_of(f, limit) : f;
  }
};

/// factor 1/(1 + rate step/every). As Keras' InverseTimeDecay.
struct InverseTime {
  static constexpr std::string_view name = "inverse_time", formula = "1/(1 + rate step/every)",
                                    summary = "divided by what grows as the time";
  double rate = 1;
  std::int64_t every = 1000;
  bool staircase = false;
  static void fields(auto&& field) {
    field("rate", &InverseTime::rate, kNonNegative, "what `every` steps add to the divisor");
    field("every", &InverseTime::every, kSomeSteps, "steps");
    field("staircase", &InverseTime::staircase, kFraction, "floor of step/every");
  }
  FUSELAGE_HD double factor(std::int64_t step) const { return 1 / (1 + rate * periods(step, every, staircase)); }
};

/// factor sqrt(timescale/(timescale + step)): after as many steps of warm-up, that of Vaswani et al., NeurIPS 2017.
struct InverseSqrt {
  static constexpr std::string_view name = "inverse_sqrt", formula = "sqrt(timescale/(timescale + step))",
                                    summary = "divided by the root of what grows as the time";
  std::int64_t timescale = 1000;
  static void fields(auto&& field) {
    field("timescale", &InverseSqrt::timescale, kSomeSteps, "steps until it is divided by the root of 2");
  }
  FUSELAGE_HD double factor(std::int64_t step) const {
    const double t = static_cast<double>(timescale);
    return sqrt(t / (t + static_cast<double>(step)));
  }
};

}  // namespace fuselage::schedule
