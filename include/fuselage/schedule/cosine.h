// Cosine decay after a linear warm-up.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"

namespace fuselage::schedule {

/// (step + 1)/warmup for step < warmup; then floor + (1 - floor)(1 + cos(pi x))/2 with
/// x = (step - warmup)/(total - warmup); `floor` from step total on. Loshchilov and Hutter, ICLR 2017, without
/// restarts.
struct Cosine {
  static constexpr std::string_view name = "cosine",
                                    formula = "floor + (1 - floor)(1 + cos(pi (step - warmup)/(total - warmup)))/2",
                                    summary = "linear warm-up, then half a cosine down to the floor";
  std::int64_t total = 0, warmup = 0;
  double floor = 0;
  static constexpr auto fields() {
    return std::tuple{Field{"total", &Cosine::total, Range{0, 9e15},
                            "steps until the floor; 0: a trainer's whole run, elsewhere never"},
                      Field{"warmup", &Cosine::warmup, Range{0, 9e15}, "steps of linear warm-up"},
                      Field{"floor", &Cosine::floor, kFraction, "factor at the end"}};
  }
  void check() const {
    if (total > 0 && warmup >= total)
      throw Error(Errc::bad_argument,
                  "cosine: warmup = " + std::to_string(warmup) + " leaves nothing of total = " + std::to_string(total));
  }
  FUSELAGE_HD double factor(std::int64_t step) const {
    if (total > 0 && step >= total) return floor;
    if (step < warmup) return static_cast<double>(step + 1) / static_cast<double>(warmup);
    if (total == 0) return 1;
    const double x = static_cast<double>(step - warmup) / static_cast<double>(total - warmup);
    return floor + (1 - floor) * 0.5 * (1 + cospi(x));
  }
};

}  // namespace fuselage::schedule
