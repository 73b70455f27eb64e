// The numbers in the inputs of losses: ordinary ones, kinks, ends of ranges, and on demand what no formula likes.
#include <algorithm>
#include <limits>

#include "tests/cases/loss_plan.h"

namespace fuselage::cases {
namespace {

enum Stream : std::uint32_t {
  kPredictions,
  kTargets,
  kWeights,
  kMasks,
  kClassWeights,
  kUpstreams,
  kChoices,
  kSeconds,
  kThirds,
  kLengthsOf
};

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
    if (plan.classes) return i % 5 == 0 ? 0 : 2 * u / static_cast<float>(cols);
    if (special == Special::bad_targets && bounded() && noise.word(kChoices, i) % 7 == 1) return -3;
    if (plan.row && plan.traits.target == Domain::probability) return u < 0.5f ? 0 : 1;
    switch (plan.traits.target) {
      case Domain::sign: return u < 0.5f ? -1 : 1;
      case Domain::probability: return i % 4 == 0 ? 0 : i % 4 == 1 ? 1 : u;
      case Domain::count: return static_cast<float>(static_cast<int>(i % 4 == 0 ? 0 : 6 * u));
      case Domain::positive: return 0.01f + 4 * u;
      case Domain::non_negative: return i % 4 == 0 ? 0 : 4 * u;
      default: return 8 * (u - 0.5f);
    }
  }

  bool bounded() const { return plan.traits.target != Domain::real && plan.traits.target != Domain::log_probability; }

  float prediction(std::int64_t i) const {
    if (plan.classes && plan.traits.prediction == Domain::logit && !is_special(i))
      return logit(i / cols, noise.unit(kPredictions, i));
    return number(kPredictions, plan.traits.prediction, i);
  }
  bool is_special(std::int64_t i) const {
    return (special == Special::not_finite && strange(i)) ||
           (special == Special::extreme && noise.word(kChoices, i) % 4 == 0);
  }
  /// The second and third inputs, whose rows are often like the first's.
  float further(Stream stream, std::int64_t i) const {
    if (plan.row && i / std::max<std::int64_t>(cols, 1) % 4 == 1) return prediction(i);
    return number(stream, plan.row ? plan.traits.prediction : plan.traits.second, i);
  }

  float number(Stream stream, Domain domain, std::int64_t i) const {
    const float u = noise.unit(stream, i), x = u - 0.5f;
    if (special == Special::not_finite && strange(i)) return not_finite(noise.word(stream, i) >> 3);
    if (special == Special::extreme && noise.word(kChoices, i) % 4 == 0) return extreme(noise.word(stream, i));
    const bool paired = !plan.row || plan.traits.row_target == RowTarget::dense;
    const auto equal = [&] { return paired ? stored(plan.dtype, target(i)) : 0; };
    switch (domain) {
      case Domain::probability: return i % 16 == 3 ? 0 : i % 16 == 5 ? 1 : u;
      case Domain::logit: return x * (i % 16 == 3 ? 80.f : i % 16 == 5 ? 300.f : 8.f);
      case Domain::log_probability: return -u * (i % 16 == 5 ? 60.f : 8.f);
      case Domain::log_mean: return x * (i % 16 == 5 ? 300.f : 8.f);
      case Domain::score: return i % 16 == 3 ? 1 : x * 4;
      case Domain::positive: return 0.01f + 8 * u;
      case Domain::non_negative: return i % 16 == 3 ? equal() : u * (i % 16 == 5 ? 2000.f : 8.f);
      default: return i % 16 == 3 ? equal() : x * (i % 16 == 5 ? 2000.f : 8.f);
    }
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
    constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    if (special == Special::bad_weights && i % 4 == 1) return i % 3 == 0 ? -1 : i % 3 == 1 ? inf : nan;
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
  batch.reduction = LossPlan::level(plan.reductions, levels, kReduction);
  batch.divisor = levels[kDivisor] > 0 ? 2.5 : 0;
  batch.bad_labels = static_cast<BadLabels>(levels[kPolicy]);
  batch.scale = levels[kScale] > 0 ? 1024 : 1;
  const Metrics asked = metrics_of(levels);
  const bool more = asked == Metrics::more || asked == Metrics::all;
  batch.metrics.accuracy = plan.traits.decides && (asked == Metrics::accuracy || asked == Metrics::all);
  batch.metrics.top_k = plan.classes && more ? 3 : 0;
  batch.metrics.errors = batch.metrics.targets = !plan.row && more;
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
  in.gradients = plan.gradients;

  const Layout layout = LossPlan::level(plan.matrix, levels, kPredictionLayout);
  in.prediction =
      in.in_place ? Image::output(plan.dtype, rows, cols, layout) : Image::input(plan.dtype, rows, cols, layout);
  fill(in.prediction, [&](std::int64_t i) { return numbers.prediction(i); });

  const Layout second = LossPlan::level(plan.second_matrix, levels, kSecondLayout);
  const auto further = [&](Image& image, Stream stream) {
    const bool writes = in.in_place && plan.gradients > 1;
    image = writes ? Image::output(plan.dtype, rows, cols, second) : Image::input(plan.dtype, rows, cols, second);
    fill(image, [&](std::int64_t i) { return numbers.further(stream, i); });
  };
  if (plan.traits.row_second) {
    in.second = Image::input(DType::f32, rows, 1, second);
    fill(in.second, [&](std::int64_t i) { return 4 * numbers.noise.centred(kSeconds, i); });
  } else {
    if (plan.traits.inputs > 1) further(in.second, kSeconds);
    if (plan.traits.inputs > 2) further(in.third, kThirds);
  }

  const RowTarget kind = plan.traits.row_target;
  const bool of_rows = is_label(target) || (plan.row && kind == RowTarget::single);
  if (!plan.row || kind != RowTarget::none) {
    const Layout placed = LossPlan::level(plan.target_matrix, levels, kTargetLayout);
    // What rows have one of does not lie in blocks.
    in.target =
        Image::input(target, rows, of_rows ? 1 : cols, of_rows && placed == Layout::blocks ? Layout::padded : placed);
  }
  if (plan.classes && is_label(target))
    for (std::int64_t r = 0; r < rows; ++r) in.target.set_label(r, 0, numbers.label(r, target));
  else
    fill(in.target, [&](std::int64_t i) {
      const float t = numbers.target(i);
      return is_label(target) && !(t == t) ? 7 : t;
    });
  const Lengths lengths = LossPlan::level(plan.lengths, levels, kLengths);
  if (lengths != Lengths::none) {
    const std::int64_t sequences = rows == 0       ? 0
                                   : rows % 2 == 0 ? 2
                                                   : 1,
                       steps = rows / std::max<std::int64_t>(sequences, 1);
    in.lengths = Image::input(lengths == Lengths::i32 ? DType::i32 : DType::i64, sequences, 1, Layout::packed);
    for (std::int64_t s = 0; s < sequences; ++s) {
      const bool bad = numbers.special == Special::bad_targets && s == 1;
      in.lengths.set_label(s, 0,
                           bad ? -1 : static_cast<std::int64_t>(numbers.noise.unit(kLengthsOf, s) * 1.5f * steps));
      if (!bad && in.options.scale == 1) in.lengths.set_label(s, 0, steps - s);
    }
  }

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
  const Layout placed = LossPlan::level(plan.output, levels, kGradientLayout);
  if (gradient == Gradient::out_of_place) {
    in.gradient = Image::output(plan.dtype, rows, cols, placed);
    // Blocks are for rows of logits, and their gradients.
    const Layout other = placed == Layout::blocks ? Layout::padded : placed;
    if (plan.gradients > 1) in.second_gradient = Image::output(plan.dtype, rows, cols, other);
    if (plan.gradients > 2) in.third_gradient = Image::output(plan.dtype, rows, cols, other);
  }
  if (plan.classes && metrics_of(levels) == Metrics::all && cols <= 100) {
    in.confusion = Image::output(DType::i64, cols, cols, Layout::packed);
    fill(in.confusion, [](std::int64_t) { return 0.0f; });
    if (std::visit([](const auto& loss) { return traits_of(loss).probabilities; }, in.loss)) {
      in.calibration = Image::output(DType::i64, 10, 3, Layout::packed);
      fill(in.calibration, [](std::int64_t) { return 0.0f; });
    }
  }
  if (levels[kValues] > 0) {
    const Layout of_values = LossPlan::level(plan.output, levels, kValuesLayout);
    in.values = Image::output(DType::f32, rows, width, of_values == Layout::blocks ? Layout::padded : of_values);
  }
  return in;
}

}  // namespace fuselage::cases
