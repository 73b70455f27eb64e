// What happens to all gradients of a step before any rule sees them: unscaled, looked at, clipped; and the loss scale.
// Written once, so the bits are the same on every device.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "fuselage/batch.h"
#include "fuselage/core/field.h"
#include "fuselage/core/math.h"

namespace fuselage {

/// What a gradient that is not finite does beside skipping its step.
enum class BadGradient { skip, stop };
constexpr std::array<std::string_view, 2> names_of(BadGradient) { return {"skip", "stop"}; }

/// Options of all gradients of an update together, in the order in which they act; 0 is none:
///   g <- g/s, s the loss scale as it stands on the device;
///   a g that is not finite now: nothing moves, and the step is counted as skipped;
///   g <- g within [-clip_value, clip_value];
///   g <- g clip_tensor/|g| where the norm of its tensor is above clip_tensor;
///   g <- g clip_norm/|all g| where the norm of all tensors is above clip_norm.
/// Tensors of frozen groups take no part. clip_value alone is no reason to look at the gradients before they are used:
/// infinity is clipped then, and NaN stays.
struct GradientOptions {
  static constexpr std::string_view name = "gradient", formula = "g/s; within clip_value; norms within clip_*",
                                    summary = "unscaling, finite check, clipping, and the loss scale";
  double clip_value = 0, clip_tensor = 0, clip_norm = 0;
  bool check_finite = false;
  BadGradient nonfinite = BadGradient::skip;  ///< stop: no later step moves anything either, until it is restarted
  /// The first loss scale; later ones stand in StepState. A step that is skipped because a gradient is not finite
  /// multiplies it by backoff, `interval` steps in a row that are made by growth, within [least_scale, greatest_scale];
  /// an interval of 0 never.
  double loss_scale = 0, growth = 2, backoff = 0.5;
  std::int64_t interval = 2000;
  double least_scale = 0x1p-100, greatest_scale = 0x1p100;

  static void fields(auto&& field) {
    field("clip_value", &GradientOptions::clip_value, kNonNegative, "greatest |g|");
    field("clip_tensor", &GradientOptions::clip_tensor, kNonNegative, "greatest norm of a tensor's gradient");
    field("clip_norm", &GradientOptions::clip_norm, kNonNegative, "greatest norm of all gradients together");
    field("check_finite", &GradientOptions::check_finite, kFraction, "skip steps whose gradient is not finite");
    field("nonfinite", &GradientOptions::nonfinite, Range{}, "what such a gradient does: skip its step, or stop");
    field("loss_scale", &GradientOptions::loss_scale, Range{0, kScale.high}, "what the loss is multiplied by at first");
    field("growth", &GradientOptions::growth, Range{1, kInfinity, false, true}, "factor after `interval` good steps");
    field("backoff", &GradientOptions::backoff, Range{0, 1, true, false}, "factor after a gradient not finite");
    field("interval", &GradientOptions::interval, Range{0, kInfinity}, "good steps before the scale grows");
    field("least_scale", &GradientOptions::least_scale, kScale, "the scale shrinks no further");
    field("greatest_scale", &GradientOptions::greatest_scale, kScale, "the scale grows no further");
  }
  /// Throws Error(bad_argument) for bounds that leave out the first scale, or a clip_value that is 0 in float.
  void check() const;

  /// Whether gradients are looked at before anything moves.
  FUSELAGE_HD bool passes() const {
    return check_finite || nonfinite == BadGradient::stop || clip_tensor > 0 || clip_norm > 0 || loss_scale > 0;
  }
  FUSELAGE_HD bool any() const { return passes() || clip_value > 0; }
  bool operator==(const GradientOptions&) const = default;

  /// What float holds, and 1 by it.
  static constexpr Range kScale{0x1p-126, 0x1p126};
};

/// "clip_norm=1,check_finite=true"; "none" or nothing: none. Throws Error(unknown_name) or Error(bad_argument).
GradientOptions parse_gradient_options(std::string_view text);
/// The other way round; empty for none.
std::string to_string(const GradientOptions& options);

/// What the device keeps of a training run between steps; lives in device memory, so that a captured graph goes on.
struct StepState {
  std::int64_t step = 0;       ///< updates that were made
  std::int64_t skipped = 0;    ///< steps whose gradient was not finite or whose labels were bad: nothing was changed
  double lr = 0;               ///< the learning rate of the first group's last update
  std::int64_t nonfinite = 0;  ///< elements of the last step's gradients that are not finite, where they are looked at
  double norm = 0;             ///< of the last update's gradients, as clip_norm finds it
  std::int64_t good = 0;       ///< updates in a row since the loss scale was changed
  float loss_scale = 0;        ///< what gradients are divided by, where there is a loss scale
  std::int32_t stopped = 0;    ///< 1: a gradient was not finite, and the policy is to stop
};

/// What multiplies a tensor's gradient, and where it ends.
struct GradientFactors {
  float unscale = 1, limit = 0, factor = 1;

  FUSELAGE_HD bool trivial() const { return unscale == 1 && limit == 0 && factor == 1; }
  template <class S>
  FUSELAGE_HD S unscaled(S g) const {
    return S(unscale) * g;
  }
  /// NaN stays NaN.
  template <class S>
  FUSELAGE_HD S limited(S g) const {
    const S high(limit), low(-limit);
    return limit > 0 ? select(g > high, high, select(g < low, low, g)) : g;
  }
  template <class S>
  FUSELAGE_HD S of(S g) const {
    return S(factor) * limited(unscaled(g));
  }
};

/// What a pass over the gradients finds.
struct GradientFindings {
  unsigned long long nonfinite = 0;  ///< elements
  double squared = 0;                ///< sum of the squares as clip_norm finds them
};

/// What is the same for all tensors, before their norms are known.
FUSELAGE_HD GradientFactors gradient_factors(const GradientOptions& o, float loss_scale) {
  return {o.loss_scale > 0 ? static_cast<float>(1 / static_cast<double>(loss_scale)) : 1.0f,
          static_cast<float>(o.clip_value), 1};
}

/// What brings a norm, given as its square, down to `greatest`; 1 for a smaller one, and where there is no greatest.
FUSELAGE_HD double clip_factor(double squared, double greatest) {
  const double norm = fuselage::sqrt(squared);
  return greatest > 0 && norm > greatest ? greatest / norm : 1;
}

/// A tensor's sum of squares after it was clipped by itself.
FUSELAGE_HD double clipped_square(const GradientOptions& o, double squared) {
  const double factor = clip_factor(squared, o.clip_tensor);
  return factor * factor * squared;
}

/// What a tensor's gradient is multiplied by: its own factor times that of all.
FUSELAGE_HD float tensor_factor(const GradientOptions& o, double squared, double of_all) {
  return static_cast<float>(clip_factor(squared, o.clip_tensor) * of_all);
}

/// What becomes of a step.
enum class StepVerdict { move, skip, overflow };

/// `found` is null where gradients were not looked at.
FUSELAGE_HD StepVerdict judge_step(const StepState& state, const LossReport* gate, const GradientFindings* found) {
  if (state.stopped) return StepVerdict::skip;
  if (gate && gate->rejected) return gate->nonfinite > 0 ? StepVerdict::overflow : StepVerdict::skip;
  return found && found->nonfinite > 0 ? StepVerdict::overflow : StepVerdict::move;
}

/// Counts a step, and moves the loss scale; `lr` is the first group's.
FUSELAGE_HD void count_step(const GradientOptions& o, StepVerdict verdict, const GradientFindings* found, double lr,
                            StepState& state) {
  if (!state.stopped) state.nonfinite = found ? static_cast<std::int64_t>(found->nonfinite) : 0;
  if (verdict == StepVerdict::move) {
    ++state.step;
    state.lr = lr;
    if (found) state.norm = fuselage::sqrt(found->squared);
  } else {
    ++state.skipped;
  }
  if (verdict == StepVerdict::overflow && o.nonfinite == BadGradient::stop) state.stopped = 1;
  if (!(o.loss_scale > 0) || verdict == StepVerdict::skip) return;
  double scale = state.loss_scale;
  if (verdict == StepVerdict::overflow) {
    state.good = 0;
    scale = greater_of(scale * o.backoff, o.least_scale);
  } else if (++state.good == o.interval) {
    state.good = 0;
    scale = lesser_of(scale * o.growth, o.greatest_scale);
  }
  state.loss_scale = static_cast<float>(scale);
}

}  // namespace fuselage
