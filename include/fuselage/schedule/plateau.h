// What observations decide: less where a value stops getting better.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "fuselage/schedule/concepts.h"

namespace fuselage::schedule {

/// What a plateau keeps between observations: device memory, 0 at first. Counts are doubles too, so that it is a row of
/// a tensor.
struct PlateauState {
  double observations = 0;   ///< until the first one, best is worse than anything and the factor 1
  double best = 0;           ///< of the observations
  double factor_then = 0;    ///< what the learning rate is multiplied by
  double bad = 0;            ///< observations since the best, without those of the cooldown
  double cooldown_left = 0;  ///< observations

  FUSELAGE_HD double factor() const { return observations > 0 ? factor_then : 1; }
};

enum class Better : std::uint8_t { min, max };
constexpr std::array<std::string_view, 2> names_of(Better) { return {"min", "max"}; }
enum class Threshold : std::uint8_t { rel, abs };
constexpr std::array<std::string_view, 2> names_of(Threshold) { return {"rel", "abs"}; }

/// An observation is better than the best so far where it is below best (1 - threshold), or best - threshold; with
/// mode=max above best (1 + threshold), or best + threshold. After more than `patience` that are not, the factor
/// becomes max(factor gamma, floor) where that takes more than `eps` from it, and the next `cooldown` observations do
/// not count as bad. A NaN is not better. As PyTorch's ReduceLROnPlateau.
struct Plateau {
  static constexpr std::string_view name = "plateau",
                                    formula =
                                        "max(floor, gamma^n), n times more than patience observations were not better",
                                    summary = "multiplied by gamma where what is observed stops getting better";
  double gamma = 0.1;
  std::int64_t patience = 10;
  double threshold = 1e-4;
  Threshold threshold_mode = Threshold::rel;
  std::int64_t cooldown = 0;
  double floor = 0, eps = 0;
  Better mode = Better::min;
  static void fields(auto&& field) {
    field("gamma", &Plateau::gamma, Range{0, 1, true, true}, "factor of a drop");
    field("patience", &Plateau::patience, kSteps, "observations that may be bad without a drop");
    field("threshold", &Plateau::threshold, kNonNegative, "by how much an observation must be better");
    field("threshold_mode", &Plateau::threshold_mode, Range{0, 1}, "as a share of the best, or as it is");
    field("cooldown", &Plateau::cooldown, kSteps, "observations after a drop that are not counted");
    field("floor", &Plateau::floor, kFraction, "the least factor");
    field("eps", &Plateau::eps, kNonNegative, "a drop that takes no more from the factor is not made");
    field("mode", &Plateau::mode, Range{0, 1}, "whether less or more is better");
  }
  /// Of a plateau that has observed nothing: see PlateauState.
  FUSELAGE_HD double factor(std::int64_t) const { return 1; }

  FUSELAGE_HD void observe(double value, PlateauState& state) const {
    double factor = state.factor();
    const double best = state.observations > 0 ? state.best : worst();
    const double bound = best == worst() ? best : least_gain(best);
    const bool better = mode == Better::min ? value < bound : value > bound;
    state.best = better ? value : best;
    state.bad = better ? 0 : state.bad + 1;
    if (state.cooldown_left > 0) {
      state.cooldown_left -= 1;
      state.bad = 0;
    }
    if (state.bad > static_cast<double>(patience)) {
      const double reduced = greater_of(factor * gamma, floor);
      if (factor - reduced > eps) factor = reduced;
      state.cooldown_left = static_cast<double>(cooldown);
      state.bad = 0;
    }
    state.factor_then = factor;
    state.observations += 1;
  }

 private:
  FUSELAGE_HD double worst() const { return mode == Better::min ? __builtin_inf() : -__builtin_inf(); }
  /// What must be passed to be better than `best`.
  FUSELAGE_HD double least_gain(double best) const {
    const double gain = mode == Better::min ? -threshold : threshold;
    return threshold_mode == Threshold::rel ? best * (1 + gain) : best + gain;
  }
};

}  // namespace fuselage::schedule
