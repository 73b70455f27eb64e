// One cycle: up to the rule's learning rate and far down.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "fuselage/schedule/concepts.h"

namespace fuselage::schedule {

/// How the way from one value to another is made.
enum class Anneal : std::uint8_t { cos, linear };
constexpr std::array<std::string_view, 2> names_of(Anneal) { return {"cos", "linear"}; }

/// From 1/div_factor up to 1 at step pct_start total - 1, and down to 1/(div_factor final_div_factor) at step
/// total - 1; with three_phase back to 1/div_factor at step 2 pct_start total - 2 before. These steps need not be
/// whole. Smith and Topin 2018, as PyTorch's OneCycleLR.
struct OneCycle {
  static constexpr std::string_view
      name = "one_cycle",
      formula = "1/div_factor, 1 at pct_start total - 1, 1/(div_factor final_div_factor) at total - 1",
      summary = "up to the learning rate as given, then far down";
  std::int64_t total = 0;
  double pct_start = 0.3, div_factor = 25, final_div_factor = 1e4;
  Anneal anneal = Anneal::cos;
  bool three_phase = false;
  static void fields(auto&& field) {
    field("total", &OneCycle::total, kSteps, kTotalHelp);
    field("pct_start", &OneCycle::pct_start, kFraction, "share of the steps that go up");
    field("div_factor", &OneCycle::div_factor, kPositive, "the greatest factor by the first");
    field("final_div_factor", &OneCycle::final_div_factor, kPositive, "the first factor by the last");
    field("anneal", &OneCycle::anneal, Range{0, 1}, "half a cosine or a line");
    field("three_phase", &OneCycle::three_phase, kFraction, "down as it went up, then to the last");
  }
  FUSELAGE_HD double factor(std::int64_t step) const {
    const double low = 1 / div_factor, last = low / final_div_factor;
    if (total == 0) return low;
    const double n = static_cast<double>(total), now = static_cast<double>(step < total ? step : total - 1);
    const double top = pct_start * n - 1, back = 2 * pct_start * n - 2;
    if (now <= top) return between(low, 1, now, 0, top);
    if (!three_phase) return between(1, last, now, top, n - 1);
    return now <= back ? between(1, low, now, top, back) : between(low, last, now, back, n - 1);
  }

 private:
  FUSELAGE_HD double between(double from, double to, double now, double begin, double end) const {
    if (!(end > begin)) return to;  // a phase of one step
    const double x = (now - begin) / (end - begin);
    return anneal == Anneal::cos ? to + (from - to) * half_cosine(x) : from + (to - from) * x;
  }
};

}  // namespace fuselage::schedule
