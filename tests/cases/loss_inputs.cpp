// The numbers in the inputs of losses: ordinary ones, kinks, ends of ranges, and on demand what no formula likes.
#include <algorithm>
#include <limits>

#include "tests/cases/loss_plan.h"

namespace fuselage::cases {
namespace {

enum Stream : std::uint32_t { kPredictions, kTargets, kWeights, kMasks, kClassWeights, kUpstreams, kChoices };

/// The float that `type` stores for x.
float stored(DType type, float x) {
  return dispatch(type, [&]<class T>() { return to_float(from_float<T>(x)); });
}

struct Numbers {
  const LossPlan& plan;
  Noise noise;
  Special special;
  std::int64_t cols;

  /// Whether element i is a special number: one in nine; of long rows one or two.
  bool strange(std::int64_t i) const {
    const auto every = static_cast<std::uint32_t>(plan.row ? std::max<std::int64_t>(cols, 2) : 9);
    return noise.word(kChoices, i) % every == 0;
  }

  float target(std::int64_t i) const {
    const float u = noise.unit(kTargets, i);
    if (special == Special::bad_targets && noise.word(kChoices, i) % 7 == 0)
      return std::numeric_limits<float>::quiet_NaN();
    if (plan.row) return i % 5 == 0 ? 0 : 2 * u / static_cast<float>(cols);
    if (plan.decision == Decision::sign) return u < 0.5f ? -1 : 1;
    if (plan.decision == Decision::none) return 8 * (u - 0.5f);
    return i % 4 == 0 ? 0 : i % 4 == 1 ? 1 : u;
  }

  float prediction(std::int64_t i) const {
    const float u = noise.unit(kPredictions, i), x = u - 0.5f;
    if (special == Special::not_finite && strange(i)) return not_finite(noise.word(kPredictions, i) >> 3);
    if (special == Special::extreme && noise.word(kChoices, i) % 4 == 0) return extreme(noise.word(kPredictions, i));
    if (plan.row) return logit(i / cols, u);
    switch (plan.decision) {
      case Decision::probability: return i % 16 == 3 ? 0 : i % 16 == 5 ? 1 : u;
      case Decision::logit: return x * (i % 16 == 3 ? 80.f : i % 16 == 5 ? 300.f : 8.f);
      case Decision::sign: return i % 16 == 3 ? 1 : x * 4;
      case Decision::none: break;
    }
    return i % 16 == 3 ? stored(plan.dtype, target(i)) : x * (i % 16 == 5 ? 2000.f : 8.f);
  }

  /// Rows that are moderate, wide, so wide that tails vanish, far from zero, all equal, and of few different numbers.
  static float logit(std::int64_t row, float u) {
    const float x = u - 0.5f;
    switch (row % 8) {
      case 1: return 80 * x;
      case 2: return 400 * x;
      case 3: return 1000 + 8 * x;
      case 4: return 3;
      case 5: return static_cast<float>(static_cast<int>(4 * u));
      default: return 8 * x;
    }
  }

  std::int64_t label(std::int64_t r, DType type) const {
    const std::int64_t most = type == DType::u8 ? 256 : type == DType::i8 ? 128 : std::int64_t{32768};
    if (special == Special::bad_targets && r % 3 == 1)
      return type == DType::u8 ? 255 : r % 2 == 0 && cols < most ? cols : r % 5 == 2 ? -100 : -1;
    const auto classes = static_cast<float>(type == DType::i32 || type == DType::i64 ? cols : std::min(cols, most));
    return static_cast<std::int64_t>(noise.unit(kTargets, r) * classes);
  }

  float weight(Stream stream, std::int64_t i) const {
    if (special == Special::extreme && i % 3 == 1) return i % 2 == 0 ? 1e-41f : 1e10f;
    return i % 5 == 4 ? 0 : 2 * noise.unit(stream, i);
  }
};

template <class F>
void fill(Image& image, F&& number) {
  for (std::int64_t r = 0; r < image.rows(); ++r)
    for (std::int64_t c = 0; c < image.cols(); ++c) image.set(r, c, number(r * image.cols() + c));
}

Metrics metrics_of(const Levels& levels) { return static_cast<Metrics>(levels[kMetrics]); }

LossBatch options_of(const LossPlan& plan, const Levels& levels) {
  LossBatch batch;
  batch.reduction = static_cast<Reduction>(levels[kReduction]);
  batch.bad_labels = static_cast<BadLabels>(levels[kPolicy]);
  batch.scale = levels[kScale] > 0 ? 1024 : 1;
  const Metrics asked = metrics_of(levels);
  const bool more = asked == Metrics::more || asked == Metrics::all;
  batch.metrics.accuracy = asked == Metrics::accuracy || asked == Metrics::all;
  batch.metrics.top_k = plan.row && more ? 3 : 0;
  batch.metrics.errors = !plan.row && more;
  return batch;
}

}  // namespace

LossInputs make_inputs(const LossPlan& plan, const Levels& levels, const std::string& words) {
  const auto [rows, cols] = LossPlan::level(plan.shapes, levels, kShape);
  const Numbers numbers{plan, Noise(words), static_cast<Special>(levels[kSpecial]), cols};
  const auto gradient = static_cast<Gradient>(levels[kGradient]);
  const DType target = LossPlan::level(plan.targets, levels, kTarget);
  const std::int64_t width = plan.row ? 1 : cols;
  LossInputs in;
  in.loss = LossPlan::level(plan.settings, levels, kSetting);
  in.options = options_of(plan, levels);
  in.in_place = gradient == Gradient::in_place;

  const Layout layout = LossPlan::level(plan.matrix, levels, kPredictionLayout);
  in.prediction =
      in.in_place ? Image::output(plan.dtype, rows, cols, layout) : Image::input(plan.dtype, rows, cols, layout);
  fill(in.prediction, [&](std::int64_t i) { return numbers.prediction(i); });

  in.target = Image::input(target, rows, is_label(target) ? 1 : cols,
                           LossPlan::level(plan.target_matrix, levels, kTargetLayout));
  if (is_label(target))
    for (std::int64_t r = 0; r < rows; ++r) in.target.set_label(r, 0, numbers.label(r, target));
  else
    fill(in.target, [&](std::int64_t i) { return numbers.target(i); });

  const auto vector = [&](LossFactor factor) { return LossPlan::level(plan.vector, levels, factor); };
  const auto of_outputs = [&](LossFactor factor, DType type, LossFactor layout_factor) {
    const Given given = LossPlan::level(plan.given, levels, factor);
    if (given == Given::none) return Image();
    return Image::input(type, rows, given == Given::row ? 1 : cols, vector(layout_factor));
  };
  in.weight = of_outputs(kWeight, DType::f32, kWeightLayout);
  fill(in.weight, [&](std::int64_t i) { return numbers.weight(kWeights, i); });
  in.mask = of_outputs(kMask, DType::u8, kMaskLayout);
  fill(in.mask, [&](std::int64_t i) {
    const std::uint32_t word = numbers.noise.word(kMasks, i);
    return word % 5 == 0 ? 0.0f : static_cast<float>(word >> 25 | 1u);
  });
  if (levels[kClassWeight] > 0) {
    in.class_weight = Image::input(DType::f32, 1, cols, vector(kClassWeightLayout));
    fill(in.class_weight, [&](std::int64_t i) { return numbers.weight(kClassWeights, i); });
  }
  const Upstream upstream = LossPlan::level(plan.upstream, levels, kUpstream);
  if (upstream != Upstream::none) {
    const bool one = upstream == Upstream::one;
    in.upstream = Image::input(DType::f32, one ? 1 : rows, one ? 1 : width, vector(kUpstreamLayout));
    fill(in.upstream, [&](std::int64_t i) { return 4 * numbers.noise.centred(kUpstreams, i); });
  }
  if (gradient == Gradient::out_of_place)
    in.gradient = Image::output(plan.dtype, rows, cols, LossPlan::level(plan.output, levels, kGradientLayout));
  if (levels[kValues] > 0)
    in.values = Image::output(DType::f32, rows, width, LossPlan::level(plan.output, levels, kValuesLayout));
  return in;
}

}  // namespace fuselage::cases
