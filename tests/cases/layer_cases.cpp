// Bias and activation, forward and backward, as cases.
#include "tests/cases/image.h"
#include "tests/cases/loss_plan.h"
#include "tests/cases/settings.h"

namespace fuselage::cases {
namespace {

enum LayerFactor : std::size_t {
  kLayerShape,
  kActivation,
  kLayerMemory,
  kLayerInPlace,
  kLayerInput,
  kLayerSpecial,
  kLayerBlocks,
  kLayerThreads
};

// Around the widths of vectors and the 256 rows of one part of a column's sum.
constexpr Shape kLayerShapes[] = {{5, 3},   {0, 3},   {3, 0},   {1, 1},   {1, 4},   {3, 8},    {7, 5},    {33, 31},
                                  {16, 64}, {255, 4}, {256, 3}, {257, 4}, {513, 8}, {600, 12}, {2, 4097}, {1, 8192}};

struct LayerInputs {
  AnyActivation activation;
  Shape shape;
  bool in_place, gives_input;
  Image z, bias, a, da, bias_gradient;
};

struct LayerPlan {
  bool needs_input = false;
  std::vector<AnyActivation> activations;
  std::vector<Shape> shapes{std::begin(kLayerShapes), std::end(kLayerShapes)};

  explicit LayerPlan(const AnyActivation& entry) : activations(settings_of(entry)) {
    needs_input = std::visit([]<class A>(const A&) { return A::needs_input; }, entry);
  }

  /// An activation whose slope needs the input keeps it, so it cannot work in place or go without.
  Space space() const {
    Space space;
    space.factors = {factor_of("shape", shapes, text_of),
                     factor_of("activation", activations, [](const auto& a) { return Activations::to_string(a); }),
                     {"memory", {"aligned", "z shifted", "bias shifted", "a shifted", "da shifted", "all shifted"}},
                     {"output", {"elsewhere", "in place"}},
                     {"input of the backward pass", {"given", "none"}},
                     {"numbers", {"ordinary", "not finite", "extreme"}}};
    if (needs_input) space.factors[kLayerInPlace].levels.resize(1), space.factors[kLayerInput].levels.resize(1);
    for (Factor& factor : limit_factors(false)) space.factors.push_back(std::move(factor));
    return space;
  }
};

LayerInputs make_inputs(const LayerPlan& plan, const Levels& levels, const std::string& words) {
  const auto at = [&](LayerFactor factor) { return static_cast<std::size_t>(levels[factor]); };
  const auto [rows, cols] = plan.shapes[at(kLayerShape)];
  const Noise noise(words);
  const auto layout = [&](int shifted_by) {
    const int memory = levels[kLayerMemory];
    return memory == shifted_by || memory == 5 ? Layout::shifted : Layout::packed;
  };
  const auto fill = [&](Image image, std::uint32_t stream, float width) {
    for (std::int64_t i = 0; i < image.cols(); ++i) {
      const std::uint32_t word = noise.word(stream, i);
      float x = width * (uniform(word) - 0.5f);
      if (levels[kLayerSpecial] == 1 && word % 13 == 0) x = not_finite(word >> 5);
      if (levels[kLayerSpecial] == 2 && word % 3 == 0) x = extreme(word >> 5);
      image.set(0, i, x);
    }
    return image;
  };
  const auto output = [&](std::int64_t n, Layout where) { return Image::output(DType::f32, 1, n, where); };
  const std::int64_t size = rows * cols;
  return {plan.activations[at(kActivation)],
          {rows, cols},
          levels[kLayerInPlace] > 0,
          levels[kLayerInput] == 0,
          fill(output(size, layout(1)), 0, 12),
          fill(Image::input(DType::f32, 1, cols, layout(2)), 1, 2),
          output(size, layout(3)),
          fill(output(size, layout(4)), 2, 4),
          output(cols, Layout::packed)};
}

Outcome run_layer(Backend& backend, const LayerInputs& in) {
  const Placed z(backend, in.z), bias(backend, in.bias), a(backend, in.a), da(backend, in.da),
      bias_gradient(backend, in.bias_gradient);
  const auto floats = [](const Placed& placed) { return static_cast<float*>(placed.view().data); };
  float* const result = in.in_place ? floats(z) : floats(a);
  const auto [rows, cols] = in.shape;
  backend.bias_activation(in.activation, rows, cols, floats(z), floats(bias), result);
  Outcome outcome;
  outcome.parts = {z.fetch("z"), a.fetch("a")};
  backend.bias_activation_backward(in.activation, rows, cols, in.gives_input ? floats(z) : nullptr, result, floats(da),
                                   floats(bias_gradient));
  outcome.parts.push_back(da.fetch("da"));
  outcome.parts.push_back(bias_gradient.fetch("bias gradient"));
  outcome.parts.push_back(z.fetch("z after the backward pass"));
  outcome.parts.push_back(a.fetch("a after the backward pass"));
  return outcome;
}

}  // namespace

std::vector<Group> layer_groups(Size) {
  std::vector<Group> groups;
  Activations::for_each([&]<class A>() {
    const LayerPlan plan(A{});
    Group& group = groups.emplace_back();
    group.name = "activation " + std::string(A::name);
    group.kind = group.name;
    group.own_kernels = true;
    group.space = plan.space();
    group.prepare = [plan, name = group.name, space = group.space](const Levels& levels) -> CaseRun {
      return
          [in = make_inputs(plan, levels, name + ": " + space.text(levels))](Backend& b) { return run_layer(b, in); };
    };
    group.limits = [](const Levels& l) { return limits_of(l[kLayerBlocks], l[kLayerThreads], 0, 0); };
  });
  return groups;
}

}  // namespace fuselage::cases
