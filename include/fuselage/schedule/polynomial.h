// From one value to another over a number of steps: by a polynomial, or along a line.
#pragma once

#include <cstdint>
#include <string_view>

#include "fuselage/schedule/concepts.h"

namespace fuselage::schedule {

/// factor end + (1 - end)(1 - x)^power, x = (step - begin)/total in [0, 1]. With `cycle`, the first multiple of `total`
/// that is not before the step takes its place. As PyTorch's PolynomialLR, Keras' PolynomialDecay and Optax'
/// polynomial_schedule.
struct Polynomial {
  static constexpr std::string_view name = "polynomial", formula = "end + (1 - end)(1 - (step - begin)/total)^power",
                                    summary = "down to the end by a power of what is left";
  std::int64_t total = 0, begin = 0;
  double power = 1, end = 0;
  bool cycle = false;
  static void fields(auto&& field) {
    field("total", &Polynomial::total, kSteps, kTotalHelp);
    field("begin", &Polynomial::begin, kSteps, "steps before the decay, not in total");
    field("power", &Polynomial::power, kPositive, "exponent");
    field("end", &Polynomial::end, kNonNegative, "factor at the end");
    field("cycle", &Polynomial::cycle, kFraction, "begins again, each time over `total` more steps");
  }
  FUSELAGE_HD double factor(std::int64_t step) const {
    const std::int64_t done = step - begin;
    if (total == 0 || done <= 0) return 1;
    std::int64_t left = done < total ? total - done : 0;
    if (done > total && cycle && done % total > 0) left = total - done % total;
    if (left == 0) return end;
    const double share = static_cast<double>(left) / (static_cast<double>(done) + static_cast<double>(left));
    return end + (1 - end) * (power == 1 ? share : pow(share, power));
  }
};

/// factor start + (end - start) x, x = (step - begin)/total in [0, 1]. As PyTorch's LinearLR and Optax'
/// linear_schedule.
struct Linear {
  static constexpr std::string_view name = "linear", formula = "start + (end - start)(step - begin)/total",
                                    summary = "from start to end along a line, up or down";
  std::int64_t total = 0, begin = 0;
  double start = 1, end = 0;
  static void fields(auto&& field) {
    field("total", &Linear::total, kSteps, kTotalHelp);
    field("begin", &Linear::begin, kSteps, "steps before it, not in total");
    field("start", &Linear::start, kNonNegative, "factor at the beginning");
    field("end", &Linear::end, kNonNegative, "factor at the end");
  }
  FUSELAGE_HD double factor(std::int64_t step) const {
    const std::int64_t done = step - begin;
    if (total == 0 || done <= 0) return start;
    return done >= total ? end : start + (end - start) * ratio(done, total);
  }
};

}  // namespace fuselage::schedule
