// Generated problems: which options, shapes and regimes stand together.
#include "host/validate/inputs.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "fuselage/core/rng.h"
#include "host/validate/numbers.h"

namespace fuselage::validate {
namespace {

/// Which of the options that all losses share a problem takes.
struct Variant {
  const char* text;
  Reduction reduction = Reduction::mean;
  bool row_weight = false, element_weight = false, row_mask = false, element_mask = false, upstream = false;
  bool class_weight = false, dense = false, bad_labels = false, bad_weights = false, gap = false, nan = false;
  float scale = 1;
  double divisor = 0;
};

constexpr Variant kPlain{.text = "mean"};
constexpr Variant kEverything{.text = "none weight mask class_weight upstream bad_labels scale gap",
                              .reduction = Reduction::none,
                              .row_weight = true,
                              .row_mask = true,
                              .upstream = true,
                              .class_weight = true,
                              .bad_labels = true,
                              .gap = true,
                              .scale = 1024};
constexpr Variant kVariants[] = {
    kPlain,
    kEverything,
    {.text = "sum mask upstream", .reduction = Reduction::sum, .element_mask = true, .upstream = true},
    {.text = "mean_over_batch weight", .reduction = Reduction::mean_over_batch, .row_weight = true},
    {.text = "mean weight mask", .row_weight = true, .row_mask = true},
    {.text = "mean weight[i] mask[i] bad_labels", .element_weight = true, .element_mask = true, .bad_labels = true},
    {.text = "none", .reduction = Reduction::none},
    {.text = "mean class_weight", .class_weight = true},
    {.text = "mean dense", .dense = true},
    {.text = "sum dense class_weight weight",
     .reduction = Reduction::sum,
     .row_weight = true,
     .class_weight = true,
     .dense = true},
    {.text = "mean NaN", .nan = true},
    {.text = "mean divisor", .divisor = 2.5},
    {.text = "mean_over_outputs weight mask",
     .reduction = Reduction::mean_over_outputs,
     .row_weight = true,
     .row_mask = true},
    {.text = "mean bad weights", .row_weight = true, .bad_weights = true},
};

constexpr Shape kPointwiseShapes[] = {{0, 3},    {1, 1},    {7, 1},     {1, 4095}, {4096, 1},
                                      {1, 4097}, {241, 17}, {1000, 13}, {30001, 1}};
constexpr Shape kQuickPointwiseShapes[] = {{0, 3}, {1, 1}, {5, 3}, {241, 17}};
constexpr Shape kRowShapes[] = {{0, 10},   {1, 1},    {5, 1},    {5, 2},    {301, 10}, {37, 32}, {37, 33},
                                {3, 1000}, {1, 4095}, {2, 4096}, {1, 4097}, {1, 5000}, {4099, 3}};
constexpr Shape kQuickRowShapes[] = {{0, 10}, {5, 1}, {61, 10}, {17, 33}, {2, 1000}};

/// Weights that are none: negative, infinite, NaN.
void add_bad_weights(Array& weight) {
  constexpr float kBad[] = {-1, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()};
  const auto weights = weight.as<float>();
  for (std::size_t i = 3; i < weights.size(); i += 20) weights[i] = kBad[i % 3];
}

LossProblem make_problem(const AnyLoss& loss, DType type, Shape s, const Variant& v, const Noise& noise,
                         Regime regime = Regime::ordinary) {
  const InputTraits traits = input_traits(loss);
  LossProblem p;
  p.loss = loss;
  p.text = fmt::format("{} {} [{}, {}] {}", Losses::to_string(loss), name_of(type), s.rows, s.cols, v.text);
  if (regime != Regime::ordinary) p.text += fmt::format(", {}", name_of(regime));
  const bool row = p.is_row();
  add_data(p, noise, type, s, regime, v.dense);
  if (v.bad_labels) add_bad_labels(p);
  if (v.nan) {
    dispatch(type, [&]<class T>() {
      const auto elements = p.prediction.as<T>();
      for (std::size_t i = 1; i < elements.size(); i += 50)
        elements[i] = from_float<T>(std::numeric_limits<float>::quiet_NaN());
    });
  }
  const std::vector<std::int64_t> of_rows{s.rows}, of_elements = row ? of_rows : p.prediction.shape();
  const auto weight = [](double u, std::int64_t i) { return i % 5 == 4 ? 0 : 2 * u; };
  const auto keep = [](double u, std::int64_t) { return u < 0.8 ? 1.0 : 0.0; };
  const auto mask = [&](const std::vector<std::int64_t>& shape) {
    Array result(DType::u8, shape);
    const auto m = result.as<std::uint8_t>();
    for (std::size_t i = 0; i < m.size(); ++i)
      m[i] = static_cast<std::uint8_t>(keep(noise.at(kMask, static_cast<std::int64_t>(i)), 0));
    return result;
  };
  if (v.row_weight || v.element_weight)
    p.weight = noise.array(kWeight, DType::f32, v.row_weight ? of_rows : of_elements, weight);
  if (v.bad_weights) add_bad_weights(*p.weight);
  if (v.row_mask || v.element_mask) p.mask = mask(v.row_mask ? of_rows : of_elements);
  if (v.class_weight && row && traits.of_classes())
    p.class_weight = noise.array(kClassWeight, DType::f32, {s.cols}, [](double u, std::int64_t) { return 0.5 + u; });
  if (v.upstream) {
    const auto shape = v.reduction == Reduction::none ? of_elements : std::vector<std::int64_t>{1};
    p.upstream = noise.array(kUpstream, DType::f32, shape, [](double u, std::int64_t) { return 4 * (u - 0.5); });
  }
  p.reduction = v.reduction;
  p.scale = v.scale;
  p.divisor = v.divisor;
  p.row_gap = v.gap ? 3 : 0;
  p.metrics.accuracy = traits.decides;
  p.confusion = row && traits.decides && s.cols <= 100;
  p.metrics.top_k = row && traits.decides ? 3 : 0;
  p.metrics.errors = p.metrics.targets = !row;
  return p;
}

/// Whether a loss sees something else in a variant than in another one.
bool concerns(const Variant& v, const AnyLoss& loss) {
  const InputTraits traits = input_traits(loss);
  const bool row = !traits.elementwise;
  if (v.dense && (!row || traits.row_target != RowTarget::classes)) return false;
  if (v.class_weight && !(row && traits.of_classes()) && !v.bad_labels) return false;
  return v.reduction != Reduction::none || !traits_of(loss).root;
}

/// A power multiplies the error of its base by the exponent: settings that show it.
constexpr std::string_view kSteepPowers[] = {
    "focal:gamma=8",
    "focal:gamma=20.1",
    "focal:gamma=300",
    "focal:gamma=1e5",
    "asymmetric:gamma_pos=8,gamma_neg=8",
    "asymmetric:gamma_pos=20.1,gamma_neg=20.1",
    "asymmetric:gamma_pos=300,gamma_neg=300",
    "asymmetric:gamma_pos=1e5,gamma_neg=1e5",
    "categorical_focal:gamma=8",
    "categorical_focal:gamma=20.1",
    "categorical_focal:gamma=300",
    "categorical_focal:gamma=1e5",
};

/// Every regime but the ordinary one, with labels and with coefficients where there are both.
void for_each_regime(const AnyLoss& loss, DType type, bool quick, const Noise& noise,
                     const std::function<void(const LossProblem&)>& f) {
  const InputTraits traits = input_traits(loss);
  for (const Regime regime : kRegimes) {
    if (regime == Regime::ordinary || !validate::concerns(regime, traits)) continue;
    Shape s{traits.elementwise ? 241 : 61, traits.elementwise ? 17 : 40};
    if (regime == Regime::one_class) s = {61, 1};
    if (regime == Regime::many_classes) s = {2, quick ? 20000 : 1 << 20};
    for (const Variant& v : kVariants) {
      const bool none = v.text == std::string_view("none"), dense = v.text == std::string_view("mean dense");
      if ((none || dense) && concerns(v, loss)) f(make_problem(loss, type, s, v, noise, regime));
    }
    if (!concerns(kVariants[6], loss)) f(make_problem(loss, type, s, kPlain, noise, regime));
  }
}

}  // namespace

void for_each_problem(const AnyLoss& entry, DType type, bool quick, std::uint64_t seed,
                      const std::function<void(const LossProblem&)>& f) {
  LossProblem probe;
  probe.loss = entry;
  const bool row = probe.is_row();
  std::vector<AnyLoss> settings = with_each_field_changed(entry);
  for (const std::string_view text : kSteepPowers)
    if (AnyLoss steep = Losses::parse(text, "loss"); steep.index() == entry.index()) settings.push_back(steep);
  const auto shapes =
      row ? (quick ? std::span<const Shape>(kQuickRowShapes) : std::span<const Shape>(kRowShapes))
          : (quick ? std::span<const Shape>(kQuickPointwiseShapes) : std::span<const Shape>(kPointwiseShapes));
  std::uint32_t number = 0;
  for (const AnyLoss& loss : settings) {
    for (const Shape& s : shapes) {
      for (const Variant& v : kVariants) {
        const bool costly = s.cols >= 1000 && row;  // and tells the settings apart no better
        const bool everything = &v == &kVariants[1], defaults = &loss == &settings.front();
        if (!concerns(v, loss) || (costly && !everything && !(defaults && &v == &kVariants[0]))) continue;
        if (costly && s.cols > 1000 && !defaults) continue;
        f(make_problem(loss, type, s, v, Noise(seed, ++number)));
      }
    }
  }
  for_each_regime(settings.front(), type, quick, Noise(seed, ++number), f);
}

std::optional<LossProblem> plain(const LossProblem& problem) {
  const auto says = [&](const char* word) { return problem.text.find(word) != std::string::npos; };
  const bool options = problem.weight || problem.mask || problem.class_weight || problem.upstream ||
                       problem.divisor != 0 || problem.scale != 1 || says("bad") || says("NaN");
  const std::string_view name = Losses::name_of(problem.loss);
  const bool dense = name == "softmax_cross_entropy" && says("mean dense");  // others take labels alone elsewhere
  const bool asked = problem.reduction == Reduction::none || dense;
  const bool defaults = Losses::to_string(problem.loss) == name;
  if (options || !asked || !defaults || problem.rows() == 0 || definition_of(problem).root) return {};
  LossProblem result = problem;
  result.reduction = Reduction::none;
  result.metrics = {};
  result.confusion = false;
  return result;
}

std::uint64_t digest(std::uint64_t before, const LossProblem& problem) {
  std::uint64_t hash = before;
  const auto add = [&](const Array& array) {
    // FNV-1a, of words where there are whole ones
    constexpr std::uint64_t kPrime = 0x100000001b3;
    const std::byte* at = array.data();
    std::int64_t left = array.bytes();
    for (; left >= 8; left -= 8, at += 8) {
      std::uint64_t word;
      std::memcpy(&word, at, 8);
      hash = (hash ^ word) * kPrime;
    }
    for (; left > 0; --left, ++at) hash = (hash ^ static_cast<std::uint64_t>(*at)) * kPrime;
    hash = (hash ^ static_cast<std::uint64_t>(array.size())) * kPrime;
  };
  add(problem.prediction);
  add(problem.target);
  if (problem.second) add(*problem.second);
  if (problem.third) add(*problem.third);
  return hash;
}

void for_each_problem(const AnyOptimizer& entry, DType type, bool quick, std::uint64_t seed,
                      const std::function<void(const StepProblem&)>& f) {
  std::vector<OptimizerSpec> settings;
  for (const AnyOptimizer& rule : with_each_field_changed(entry)) settings.push_back({rule, {}});
  for (const UpdateOptions& options : with_each_field_changed(UpdateOptions{})) settings.push_back({entry, options});
  const std::vector<std::int64_t> sizes =
      quick ? std::vector<std::int64_t>{1, 7, 4097} : std::vector<std::int64_t>{0, 1, 7, 4095, 4096, 4097, 20000};
  const int slots = std::visit([](const auto& r) { return std::remove_cvref_t<decltype(r)>::slots; }, entry);
  std::uint32_t number = 0;
  for (const OptimizerSpec& optimizer : settings) {
    for (const std::int64_t before : {std::int64_t{0}, std::int64_t{1000}}) {
      const Noise noise(seed, 0x80000000u + ++number);
      StepProblem p;
      p.text =
          fmt::format("{} {} {} tensors after {} steps", optimizer.to_string(), name_of(type), sizes.size(), before);
      p.optimizer = optimizer;
      p.steps_before = before;
      std::uint32_t stream = 0;
      const auto signed_unit = [](double u, std::int64_t) { return 2 * (u - 0.5); };
      for (const std::int64_t n : sizes) p.parameters.push_back(noise.array(stream++, type, {n}, signed_unit));
      for (int s = 0; s < slots && before > 0; ++s) {
        auto& arrays = p.state.emplace_back();
        // Second moments are not negative; a first moment may as well be positive here. A mean square, which is the
        // first state of a rule that centres it, is above the square of the mean.
        const double least = s == 0 ? 0.01 : 0;
        for (const std::int64_t n : sizes)
          arrays.push_back(
              noise.array(stream++, DType::f32, {n}, [=](double u, std::int64_t) { return least + 0.1 * u; }));
      }
      if (before > 0) {  // a product of nadam's, or a sum of weights and the greatest rate
        p.group.memory[0] = 0.25;
        p.group.memory[1] = optimizer.lr();
        p.kept.assign(sizes.size(), 2.0);
      }
      for (int step = 0; step < 3; ++step) {
        auto& arrays = p.gradients.emplace_back();
        for (const std::int64_t n : sizes) arrays.push_back(noise.array(stream++, type, {n}, signed_unit));
      }
      f(p);
    }
  }
}

}  // namespace fuselage::validate
