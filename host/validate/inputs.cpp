// Generated inputs: ordinary numbers, and in fixed places the ones that formulas stumble over.
#include "host/validate/inputs.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "fuselage/core/rng.h"

namespace fuselage::validate {
namespace {

/// Uniform numbers for one problem; each array has its stream.
class Noise {
 public:
  Noise(std::uint64_t seed, std::uint32_t problem) : seed_(seed), problem_(problem) {}
  double at(std::uint32_t array, std::int64_t i) const {
    return uniform_double(
        random_word64(seed_, static_cast<std::uint64_t>(i), stream_of(RandomUse::synthetic, array), problem_));
  }
  /// An array of make(u, i), rounded to `type`.
  template <class F>
  Array array(std::uint32_t stream, DType type, std::vector<std::int64_t> shape, F&& make) const {
    Array exact(DType::f64, std::move(shape));
    const auto elements = exact.as<double>();
    for (std::int64_t i = 0; i < exact.size(); ++i) elements[static_cast<std::size_t>(i)] = make(at(stream, i), i);
    return converted(exact, type);
  }

 private:
  std::uint64_t seed_;
  std::uint32_t problem_;
};

enum Stream : std::uint32_t { kPrediction, kTarget, kWeight, kMask, kClassWeight, kUpstream, kLabel };

struct Shape {
  std::int64_t rows, cols;
};

/// Which of the options that all losses share a problem takes.
struct Variant {
  const char* text;
  Reduction reduction = Reduction::mean;
  bool row_weight = false, element_weight = false, row_mask = false, element_mask = false, upstream = false;
  bool class_weight = false, dense = false, bad_labels = false, gap = false, nan = false;
  float scale = 1;
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
};

constexpr Shape kPointwiseShapes[] = {{0, 3},    {1, 1},    {7, 1},     {1, 4095}, {4096, 1},
                                      {1, 4097}, {241, 17}, {1000, 13}, {30001, 1}};
constexpr Shape kQuickPointwiseShapes[] = {{0, 3}, {1, 1}, {5, 3}, {241, 17}};
constexpr Shape kRowShapes[] = {{0, 10},   {1, 1},    {5, 1},    {5, 2},    {301, 10}, {37, 32}, {37, 33},
                                {3, 1000}, {1, 4095}, {2, 4096}, {1, 4097}, {1, 5000}, {4099, 3}};
constexpr Shape kQuickRowShapes[] = {{0, 10}, {5, 1}, {61, 10}, {17, 33}, {2, 1000}};

Decision decision_of(const AnyLoss& loss) {
  return std::visit(
      [](const auto& l) {
        using L = std::remove_cvref_t<decltype(l)>;
        if constexpr (loss::Pointwise<L>)
          return L::decision;
        else
          return Decision::none;
      },
      loss);
}

double target_of(Decision decision, double u, std::int64_t i) {
  if (decision == Decision::sign) return u < 0.5 ? -1 : 1;
  if (decision == Decision::none) return 8 * (u - 0.5);
  return i % 4 == 0 ? 0 : i % 4 == 1 ? 1 : u;
}

/// `target` is the element's target, or 0.
double prediction_of(Decision decision, double u, std::int64_t i, double target) {
  const double near_end = std::pow(u, 8), centred = u - 0.5;
  switch (decision) {
    case Decision::probability: return i % 16 == 3 ? near_end : i % 16 == 5 ? 1 - near_end : u;
    case Decision::logit: return centred * (i % 16 == 3 ? 80 : i % 16 == 5 ? 300 : 8);
    case Decision::sign: return centred * 4;
    case Decision::none: break;
  }
  return i % 16 == 3 ? target : centred * (i % 16 == 5 ? 2000 : 8);
}

/// Rows of logits: moderate, wide, so wide that tails vanish, far from zero, all equal.
double logit_of(double u, std::int64_t row) {
  const double centred = u - 0.5;
  switch (row % 8) {
    case 1: return 80 * centred;
    case 2: return 400 * centred;
    case 3: return 1000 + 8 * centred;
    case 4: return 3;
    default: return 8 * centred;
  }
}

void add_pointwise_data(LossProblem& p, const Noise& noise, DType type, Shape s) {
  const Decision decision = decision_of(p.loss);
  // The target goes through the prediction's type, so that predictions can be equal to it.
  const Array target =
      noise.array(kTarget, type, {s.rows, s.cols}, [&](double u, std::int64_t i) { return target_of(decision, u, i); });
  const std::vector<double> t = to_doubles(target);
  p.target = converted(target, DType::f32);
  p.prediction = noise.array(kPrediction, type, {s.rows, s.cols}, [&](double u, std::int64_t i) {
    return prediction_of(decision, u, i, t[static_cast<std::size_t>(i)]);
  });
}

void add_row_data(LossProblem& p, const Noise& noise, DType type, Shape s, const Variant& v) {
  const double width = static_cast<double>(s.cols);
  p.prediction = noise.array(kPrediction, type, {s.rows, s.cols},
                             [&](double u, std::int64_t i) { return logit_of(u, i / s.cols); });
  if (v.dense) {
    p.target =
        noise.array(kTarget, DType::f32, {s.rows, s.cols}, [&](double u, std::int64_t) { return 2 * u / width; });
    return;
  }
  Array labels(DType::i64, {s.rows});
  const auto label = labels.as<std::int64_t>();
  for (std::int64_t r = 0; r < s.rows; ++r)
    label[static_cast<std::size_t>(r)] = static_cast<std::int64_t>(noise.at(kLabel, r) * width);
  p.target = std::move(labels);
}

/// Spoils the third target, and every tenth from there: outside the classes, or NaN.
void add_bad_labels(LossProblem& p) {
  if (is_label(p.target.dtype())) {
    const auto labels = p.target.as<std::int64_t>();
    for (std::size_t i = 2; i < labels.size(); i += 10) labels[i] = i % 20 == 2 ? p.cols() : -1;
  } else {
    const auto targets = p.target.as<float>();
    for (std::size_t i = 2; i < targets.size(); i += 10) targets[i] = std::numeric_limits<float>::quiet_NaN();
  }
}

LossProblem make_problem(const AnyLoss& loss, DType type, Shape s, const Variant& v, const Noise& noise) {
  LossProblem p;
  p.loss = loss;
  p.text = fmt::format("{} {} [{}, {}] {}", Losses::to_string(loss), name_of(type), s.rows, s.cols, v.text);
  const bool row = p.is_row();
  if (row)
    add_row_data(p, noise, type, s, v);
  else
    add_pointwise_data(p, noise, type, s);
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
  if (v.row_mask || v.element_mask) p.mask = mask(v.row_mask ? of_rows : of_elements);
  if (v.class_weight && row)
    p.class_weight = noise.array(kClassWeight, DType::f32, {s.cols}, [](double u, std::int64_t) { return 0.5 + u; });
  if (v.upstream) {
    const auto shape = v.reduction == Reduction::none ? of_elements : std::vector<std::int64_t>{1};
    p.upstream = noise.array(kUpstream, DType::f32, shape, [](double u, std::int64_t) { return 4 * (u - 0.5); });
  }
  p.reduction = v.reduction;
  p.scale = v.scale;
  p.row_gap = v.gap ? 3 : 0;
  p.metrics = {row || decision_of(loss) != Decision::none, row ? 3 : 0, !row};
  return p;
}

/// Row losses without a difference between rows and elements, or the other way round, need not see a variant twice.
bool concerns(const Variant& v, bool row) { return row || !(v.class_weight || v.dense) || v.bad_labels; }

}  // namespace

void for_each_problem(const AnyLoss& entry, DType type, bool quick, std::uint64_t seed,
                      const std::function<void(const LossProblem&)>& f) {
  LossProblem probe;
  probe.loss = entry;
  const bool row = probe.is_row();
  std::vector<AnyLoss> settings;
  std::visit(
      [&](const auto& l) {
        for (const auto& changed : with_each_field_changed(l)) settings.push_back(changed);
      },
      entry);
  const auto shapes =
      row ? (quick ? std::span<const Shape>(kQuickRowShapes) : std::span<const Shape>(kRowShapes))
          : (quick ? std::span<const Shape>(kQuickPointwiseShapes) : std::span<const Shape>(kPointwiseShapes));
  std::uint32_t number = 0;
  for (const AnyLoss& loss : settings) {
    for (const Shape& s : shapes) {
      for (const Variant& v : kVariants) {
        const bool costly = s.cols >= 1000 && row;  // the reference's dual numbers take C^2 time
        const bool everything = &v == &kVariants[1], defaults = &loss == &settings.front();
        if (!concerns(v, row) || (costly && !everything && !(defaults && &v == &kVariants[0]))) continue;
        if (costly && s.cols > 1000 && !defaults) continue;
        f(make_problem(loss, type, s, v, Noise(seed, ++number)));
      }
    }
  }
}

void for_each_problem(const AnyOptimizer& entry, DType type, bool quick, std::uint64_t seed,
                      const std::function<void(const StepProblem&)>& f) {
  std::vector<OptimizerSpec> settings;
  std::visit(
      [&](const auto& rule) {
        for (const auto& r : with_each_field_changed(rule)) settings.push_back({r, {}});
        for (const UpdateOptions& options : with_each_field_changed(UpdateOptions{}))
          settings.push_back({rule, options});
      },
      entry);
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
        // Second moments are not negative; a first moment may as well be positive here.
        for (const std::int64_t n : sizes)
          arrays.push_back(noise.array(stream++, DType::f32, {n}, [](double u, std::int64_t) { return 0.1 * u; }));
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
