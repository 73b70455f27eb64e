// Losses of rows on the device of this build give the bits of the CPU: every such loss of the list, each of its fields
// changed, with options, layouts and limits of the device drawn at random, the same ones every time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "fuselage/row_pass.h"
#include "tests/cases/device_limits.h"
#include "tests/cases/image.h"
#include "tests/cases/settings.h"
#include "tests/support/device.h"

namespace fuselage::cases {
namespace {

enum Stream : std::uint32_t { kChoices, kNumbers, kTargets, kWeights, kMasks };

/// One loss of rows with one setting, and what is random about it.
struct Draw {
  AnyLoss loss;
  RowShape row;
  Inputs inputs;
  Domain prediction, target;
  DType type;
  Noise noise;
  bool classes_first = false;
  mutable std::int64_t drawn = 0;

  /// One of n, the first being the likeliest.
  int one_of(int n) const {
    const std::uint32_t word = noise.word(kChoices, drawn++);
    return word % 3 == 0 ? 0 : static_cast<int>(word / 3 % static_cast<std::uint32_t>(n));
  }
  bool now_and_then() const { return one_of(3) == 2; }
  Layout layout(bool output) const {
    if (classes_first) return Layout::packed;
    const int last = static_cast<int>(output ? Layout::spaced : Layout::broadcast);
    return static_cast<Layout>(one_of(last + 1));
  }
  bool has_classes() const { return row.target == RowTarget::classes || row.target == RowTarget::labels; }
};

float number_of(Domain domain, float u, std::int64_t i) {
  const float x = u - 0.5f;
  switch (domain) {
    case Domain::probability: return i % 16 == 3 ? 0 : i % 16 == 5 ? 1 : u;
    case Domain::log_probability: return -u * (i % 16 == 5 ? 60.f : 8.f);
    case Domain::sign: return x < 0 ? -1 : 1;
    case Domain::positive: return 0.01f + 4 * u;
    case Domain::non_negative:
    case Domain::count: return static_cast<float>(static_cast<int>(4 * u));
    default: return i % 3 == 0 ? static_cast<float>(static_cast<int>(8 * x)) : i % 17 == 5 ? 200 * x : 8 * x;
  }
}

struct RowCase {
  AnyLoss loss;
  LossBatch options;
  Image input[kRowInputs], gradient[kRowInputs], target, weight, mask, lengths, class_weight, upstream, values;
  std::int64_t inner = 0;  ///< of classes that lie as in [outer, classes, inner]; 0: they lie in rows
  bool in_place[kRowInputs] = {};
};

/// The least divisor above 1.
std::int64_t divisor_of_rows(std::int64_t rows) {
  for (std::int64_t d = 2; d < rows; ++d)
    if (rows % d == 0) return d;
  return std::max<std::int64_t>(rows, 1);
}

template <class F>
void fill(Image& image, F&& number) {
  for (std::int64_t r = 0; r < image.rows(); ++r)
    for (std::int64_t c = 0; c < image.cols(); ++c) image.set(r, c, number(r * image.cols() + c));
}

/// Inputs and gradients.
void add_inputs(const Draw& draw, std::int64_t rows, std::int64_t cols, RowCase& one) {
  const bool strange = draw.now_and_then();
  for (int k = 0; k < draw.inputs.count(); ++k) {
    const bool of_row = k == 1 && draw.row.row_second;
    const bool has_gradient = !of_row && (k != 1 || draw.inputs.second_has_gradient);
    const int gradient = has_gradient ? draw.one_of(3) : 2;  // out of place, in place, none
    one.in_place[k] = gradient == 1;
    const Layout layout = draw.layout(one.in_place[k]);
    const DType type = of_row ? DType::f32 : draw.type;
    const std::int64_t width = of_row ? 1 : cols;
    one.input[k] = one.in_place[k] ? Image::output(type, rows, width, layout) : Image::input(type, rows, width, layout);
    fill(one.input[k], [&](std::int64_t i) {
      const std::uint32_t word = draw.noise.word(kNumbers + 16 * static_cast<std::uint32_t>(k), i);
      const bool odd = strange && word % static_cast<std::uint32_t>(std::max<std::int64_t>(width, 3)) == 0;
      if (odd) return word % 2 == 0 ? not_finite(word >> 3) : extreme(word >> 3);
      return number_of(draw.prediction, draw.noise.unit(kNumbers + 16 * static_cast<std::uint32_t>(k), i), i);
    });
    if (gradient == 0) one.gradient[k] = Image::output(draw.type, rows, cols, draw.layout(true));
  }
}

void add_target(const Draw& draw, std::int64_t rows, std::int64_t cols, RowCase& one) {
  constexpr DType kLabels[] = {DType::i64, DType::u8, DType::i8, DType::i16, DType::i32};
  const bool bad = draw.now_and_then();
  const bool may_be_labels = draw.has_classes() || draw.row.target == RowTarget::single;
  const bool labels = draw.row.target == RowTarget::labels || (may_be_labels && draw.one_of(2) == 0);
  const DType type = labels ? kLabels[draw.one_of(5)] : draw.one_of(2) == 0 ? draw.type : DType::f32;
  if (draw.row.target == RowTarget::none) return;
  const std::int64_t width = labels || draw.row.target == RowTarget::single ? 1 : cols;
  one.target = Image::input(type, rows, width, draw.layout(false));
  const auto is_bad = [&](std::int64_t i) {
    return bad && draw.noise.word(kTargets, i) % static_cast<std::uint32_t>(3 * width) == 0;
  };
  const auto number = [&](std::int64_t i) {
    if (is_bad(i)) return __builtin_nanf("");
    if (draw.has_classes()) return i % 5 == 0 ? 0 : 2 * draw.noise.unit(kTargets, i) / static_cast<float>(cols);
    return number_of(draw.target, draw.noise.unit(kTargets, i), i);
  };
  if (!labels) return fill(one.target, number);
  const auto classes = static_cast<float>(std::min<std::int64_t>(cols, type == DType::i8 ? 128 : 256));
  for (std::int64_t r = 0; r < rows; ++r) {
    std::int64_t label = is_bad(r) ? cols : static_cast<std::int64_t>(draw.noise.unit(kTargets, r) * classes);
    if (draw.row.target == RowTarget::single) label = is_bad(r) ? 100 : static_cast<std::int64_t>(number(r));
    one.target.set_label(r, 0, label);
  }
}

void add_options(const Draw& draw, std::int64_t rows, std::int64_t cols, RowCase& one) {
  LossBatch& b = one.options;
  constexpr Reduction kReductions[] = {Reduction::mean,
                                       Reduction::sum,
                                       Reduction::none,
                                       Reduction::mean_over_batch,
                                       Reduction::mean_over_outputs,
                                       Reduction::mean_over_counted};
  b.reduction = kReductions[draw.one_of(6)];
  b.bad_labels = static_cast<BadLabels>(draw.one_of(2));
  b.scale = draw.now_and_then() ? 1024 : 1;
  b.metrics.accuracy = draw.has_classes() && draw.one_of(2) > 0;
  b.metrics.top_k = draw.has_classes() && draw.now_and_then() ? 3 : 0;
  const auto vector = [&](DType type, std::int64_t n, std::int64_t width) {
    constexpr Layout kLayouts[] = {Layout::packed, Layout::shifted, Layout::spaced, Layout::broadcast};
    return Image::input(type, n, width, kLayouts[draw.one_of(4)]);
  };
  const bool bad_weights = draw.now_and_then();
  const auto upstream = [&](std::int64_t i) { return i % 5 == 4 ? 0 : 2 * draw.noise.unit(kWeights, i) - 0.5f; };
  const auto weight = [&](std::int64_t i) {
    if (bad_weights && draw.noise.word(kWeights, i) % 4 == 0) return i % 2 == 0 ? -1.0f : __builtin_nanf("");
    return i % 5 == 4 ? 0 : 2 * draw.noise.unit(kWeights, i);
  };
  if (draw.now_and_then()) fill(one.weight = vector(DType::f32, rows, 1), weight);
  if (draw.now_and_then())
    fill(one.mask = vector(DType::u8, rows, 1),
         [&](std::int64_t i) { return static_cast<float>(draw.noise.word(kMasks, i) % 5); });
  if (rows > 0 && draw.now_and_then()) {
    const std::int64_t steps = divisor_of_rows(rows);
    one.lengths = vector(draw.one_of(2) == 0 ? DType::i64 : DType::i32, rows / steps, 1);
    for (std::int64_t i = 0; i < rows / steps; ++i)
      one.lengths.set_label(i, 0, draw.noise.word(kMasks, i) % static_cast<std::uint32_t>(steps + 2));
  }
  if (draw.has_classes() && draw.now_and_then()) fill(one.class_weight = vector(DType::f32, 1, cols), weight);
  if (draw.now_and_then()) {
    const bool each = b.reduction == Reduction::none && draw.one_of(2) == 0;
    fill(one.upstream = vector(DType::f32, each ? rows : 1, 1), upstream);
  }
  if (draw.one_of(2) == 0) one.values = Image::output(DType::f32, rows, 1, draw.layout(true));
}

RowCase make_case(const Draw& draw, std::int64_t rows, std::int64_t cols) {
  RowCase one;
  one.loss = draw.loss;
  add_options(draw, rows, cols, one);
  add_inputs(draw, rows, cols, one);
  add_target(draw, rows, cols, one);
  return one;
}

/// The same packed memory as [outer, classes, inner].
template <class AnyView>
void lie_across(AnyView& view, std::int64_t inner) {
  if (!view.data || inner == 0 || view.cols == 1) return;
  view.row_stride = 1;
  view.col_stride = inner;
  view.block = inner;
  view.block_stride = view.cols * inner;
}

Outcome run(Backend& backend, const RowCase& one) {
  const Placed prediction(backend, one.input[0]), second(backend, one.input[1]), third(backend, one.input[2]);
  const Placed gradient(backend, one.gradient[0]), second_gradient(backend, one.gradient[1]),
      third_gradient(backend, one.gradient[2]);
  const Placed target(backend, one.target), weight(backend, one.weight), mask(backend, one.mask),
      class_weight(backend, one.class_weight), upstream(backend, one.upstream), values(backend, one.values);
  const Buffer report(backend, sizeof(LossReport));
  const Placed lengths(backend, one.lengths);
  LossBatch b = one.options;
  b.lengths = lengths.view();
  b.prediction = prediction.view();
  b.second = second.view();
  b.third = third.view();
  b.gradient = one.in_place[0] ? prediction.view() : gradient.view();
  b.second_gradient = one.in_place[1] ? second.view() : second_gradient.view();
  b.third_gradient = one.in_place[2] ? third.view() : third_gradient.view();
  b.target = target.view();
  b.weight = weight.view();
  b.mask = mask.view();
  b.class_weight = class_weight.view();
  b.upstream = upstream.view();
  b.values = values.view();
  for (ConstView* view : {&b.prediction, &b.second, &b.third, &b.target}) lie_across(*view, one.inner);
  for (View* view : {&b.gradient, &b.second_gradient, &b.third_gradient}) lie_across(*view, one.inner);
  backend.loss(one.loss, b, report.as<LossReport>());
  LossReport found;
  backend.copy(&found, report.data(), sizeof found);
  backend.synchronize();
  Outcome outcome;
  add_report(found, outcome);
  const auto fetch = [&](const Placed& placed, const Image& image, const char* name) {
    if (image.given()) outcome.parts.push_back(placed.fetch(name));
  };
  fetch(prediction, one.input[0], one.in_place[0] ? "gradient in place" : "prediction");
  fetch(second, one.input[1], one.in_place[1] ? "second gradient in place" : "second");
  fetch(third, one.input[2], one.in_place[2] ? "third gradient in place" : "third");
  fetch(gradient, one.gradient[0], "gradient");
  fetch(second_gradient, one.gradient[1], "second gradient");
  fetch(third_gradient, one.gradient[2], "third gradient");
  fetch(values, one.values, "values");
  fetch(target, one.target, "target");
  return outcome;
}

class Rows : public test::DeviceTest, public ::testing::WithParamInterface<std::string> {
 protected:
  static constexpr struct {
    std::int64_t rows, cols;
  } kShapes[] = {{5, 7},   {0, 3},   {1, 1},    {40, 10},  {9, 31},   {3, 32},   {6, 33},   {2, 255},
                 {4, 257}, {3, 999}, {2, 4095}, {2, 4096}, {3, 4097}, {2, 9000}, {1, 40000}};

  std::unique_ptr<Backend> cpu_ = make_cpu_backend({1, {}});
  std::unique_ptr<Backend> device_ = usable() ? make_backend(cuda_device_name()) : nullptr;

  /// Case `number` of a loss.
  template <class L>
  void compare(const L& loss, DType type, std::int64_t number) {
    const std::string words = Losses::to_string(loss) + " " + std::string(name_of(type)) + " " + std::to_string(number);
    Draw draw{loss, L::row, L::inputs, L::prediction, target_domain<L>(), type, Noise(words)};
    const auto shapes = static_cast<std::int64_t>(std::size(kShapes));
    const auto [rows, cols] = kShapes[number < shapes ? number : draw.one_of(8)];
    set_device_limits(limits_of(draw.one_of(3), draw.one_of(3), 0, draw.one_of(3)));
    draw.classes_first = rows > 0 && draw.now_and_then();
    RowCase one = make_case(draw, rows, cols);
    if (draw.classes_first) one.inner = divisor_of_rows(rows);
    const std::string what =
        difference(run(*cpu_, one), "the CPU", run(*device_, one), std::string(cuda_device_name()));
    if (!what.empty()) ADD_FAILURE() << what << "\n" << words << " [" << rows << ", " << cols << "]";
  }
};

TEST_P(Rows, HaveTheBitsOfTheCpu) {
  const char* const size = std::getenv("FUSELAGE_CASES");
  const std::int64_t cases = size && std::string_view(size) != "full" ? 13 : 40;
  Losses::for_each([&]<class L>() {
    if constexpr (loss::RowSums<L>) {
      if (L::name != GetParam()) return;
      std::int64_t settings = 0;
      for (const L& loss : settings_of(L{})) {
        for (const DType type : {DType::f32, DType::bf16, DType::f16})
          for (std::int64_t n = 0; n < (settings == 0 ? cases : cases / 3) && !HasFailure(); ++n)
            compare(loss, type, n);
        ++settings;
      }
    }
  });
}

std::vector<std::string> row_losses() {
  std::vector<std::string> names;
  Losses::for_each([&]<class L>() {
    if constexpr (loss::RowSums<L>) names.emplace_back(L::name);
  });
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, Rows, ::testing::ValuesIn(row_losses()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace fuselage::cases
