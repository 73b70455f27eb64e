// Cosine decay after a linear warm-up, once or with restarts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fuselage/schedule/concepts.h"

namespace fuselage::schedule {

/// (step + 1)/warmup for step < warmup; then floor + (1 - floor) c^power, c = (1 + cos(pi x))/2 with
/// x = (step - warmup)/(total - warmup); `floor` from step total on. Loshchilov and Hutter, ICLR 2017.
///
/// With `first`, periods follow each other after the warm-up: the first has `first` steps, each other one `growth`
/// times those of the one before, as doubles are multiplied and added; in the n-th (0-based) c is multiplied by
/// shrink^n, and x runs over the period.
struct Cosine {
  static constexpr std::string_view
      name = "cosine",
      formula = "floor + (1 - floor) c^power, c = (1 + cos(pi (step - warmup)/(total - warmup)))/2",
      summary = "linear warm-up, then half a cosine down to the floor, once or again and again";
  std::int64_t total = 0, warmup = 0;
  double floor = 0, power = 1;
  std::int64_t first = 0;
  double growth = 1, shrink = 1;
  bool swing = false;
  static void fields(auto&& field) {
    field("total", &Cosine::total, kSteps,
          "steps until the floor; 0: a trainer's whole run, elsewhere never; without end where there are restarts");
    field("warmup", &Cosine::warmup, kSteps, "steps of linear warm-up");
    field("floor", &Cosine::floor, kFraction, "factor at the end");
    field("power", &Cosine::power, kPositive, "exponent of the cosine");
    field("first", &Cosine::first, kSteps, "steps of the first period; 0: no restarts");
    field("growth", &Cosine::growth, Range{1, 1e6}, "a period's steps by those of the one before");
    field("shrink", &Cosine::shrink, kPositive, "a period's height by that of the one before");
    field("swing", &Cosine::swing, kFraction, "goes on after step total: up and down, or with its restarts");
  }
  void check() const {
    const auto refuse = [](const std::string& text) { throw Error(Errc::bad_argument, "cosine: " + text); };
    if (total > 0 && warmup >= total)
      refuse("warmup = " + std::to_string(warmup) + " leaves nothing of total = " + std::to_string(total));
    if (growth > 1 && growth < 1.01) refuse("growth = " + std::to_string(growth) + ", expected 1 or at least 1.01");
  }
  /// Whether `total` is to be taken from a run.
  bool wants_total() const { return total == 0 && first == 0; }

  FUSELAGE_HD double factor(std::int64_t step) const {
    if (total > 0 && step >= total && !swing) return floor;
    if (step < warmup) return warming(step, warmup);
    if (first > 0) return restarted(step - warmup);
    if (total == 0) return 1;
    const std::int64_t done = step - warmup, span = total - warmup;
    return at(ratio(done < span ? done : done % (2 * span), span), 1);
  }

 private:
  FUSELAGE_HD double at(double x, double height) const {
    const double c = half_cosine(x);
    return floor + (1 - floor) * height * (power == 1 ? c : pow(c, power));
  }
  FUSELAGE_HD double restarted(std::int64_t done) const {
    if (growth == 1) return at(ratio(done % first, first), pow(shrink, static_cast<double>(done / first)));
    const double now = static_cast<double>(done);
    double begin = 0, length = static_cast<double>(first), n = 0;
    for (; now >= begin + length; length *= growth, n += 1) begin += length;
    return at((now - begin) / length, pow(shrink, n));
  }
};

}  // namespace fuselage::schedule
