// Warm-up: alone, as a factor of any schedule or before it; and with what it is the beginning of, warm-up, stable,
// decay.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuselage/schedule/concepts.h"

namespace fuselage::schedule {

/// factor start + (1 - start)(step + offset)/steps, 1 from there on.
struct Warmup {
  static constexpr std::string_view name = "warmup", formula = "min(1, start + (1 - start)(step + offset)/steps)",
                                    summary = "linear warm-up, then the learning rate as given";
  std::int64_t steps = 1000;
  double start = 0;
  std::int64_t offset = 1;
  static void fields(auto&& field) {
    field("steps", &Warmup::steps, kSteps, "until 1");
    field("start", &Warmup::start, kFraction, "where it begins");
    field("offset", &Warmup::offset, Range{0, 1}, "1: the first step is one step on the way; 0: it is at start");
  }
  FUSELAGE_HD double factor(std::int64_t step) const {
    return step >= steps - offset ? 1 : start + (1 - start) * ratio(step + offset, steps);
  }
};

/// How a decay goes from 1 to 0.
enum class Decay : std::uint8_t { linear, cosine, one_minus_sqrt };
constexpr std::array<std::string_view, 3> names_of(Decay) { return {"linear", "cosine", "1-sqrt"}; }

/// (step + 1)/warmup for step < warmup; 1; from step total - decay on floor + (1 - floor) d(x),
/// x = (step - (total - decay))/decay; floor from step total on. d(x) = 1 - x, (1 + cos(pi x))/2 or 1 - sqrt(x). Hu et
/// al. 2024 (MiniCPM), Haegele et al. 2024.
struct Wsd {
  static constexpr std::string_view name = "wsd",
                                    formula = "(step + 1)/warmup; 1; floor + (1 - floor) d((step - total)/decay + 1)",
                                    summary = "warm-up, then stable, then a decay at the end";
  std::int64_t total = 0, warmup = 0, decay = 0;
  double floor = 0;
  Decay shape = Decay::linear;
  static void fields(auto&& field) {
    field("total", &Wsd::total, kSteps, kTotalHelp);
    field("warmup", &Wsd::warmup, kSteps, "steps of linear warm-up");
    field("decay", &Wsd::decay, kSteps, "steps of the decay, in total; 0: a tenth of total");
    field("floor", &Wsd::floor, kFraction, "factor at the end");
    field("shape", &Wsd::shape, Range{0, 2}, "d(x) of the decay");
  }
  void check() const {
    if (total > 0 && (warmup > total || decaying() > total - warmup))
      throw Error(Errc::bad_argument, "wsd: warmup = " + std::to_string(warmup) + " and a decay of " +
                                          std::to_string(decaying()) +
                                          " steps are more than total = " + std::to_string(total));
  }
  FUSELAGE_HD double factor(std::int64_t step) const {
    if (total > 0 && step >= total) return floor;
    if (step < warmup) return warming(step, warmup);
    const std::int64_t begin = total - decaying();
    if (total == 0 || step <= begin) return 1;
    const double x = ratio(step - begin, total - begin);
    const double left = shape == Decay::linear   ? ratio(total - step, total - begin)
                        : shape == Decay::cosine ? half_cosine(x)
                                                 : 1 - sqrt(x);
    return floor + (1 - floor) * left;
  }

 private:
  FUSELAGE_HD std::int64_t decaying() const { return decay > 0 ? decay : total / 10; }
};

}  // namespace fuselage::schedule
