// Optimizer steps as cases: sets of tensors of all sizes and types, with schedules, gates and several steps.
#include <fmt/format.h>

#include "tests/cases/image.h"
#include "tests/cases/settings.h"

namespace fuselage::cases {
namespace {

enum StepFactor : std::size_t {
  kSizes,
  kRule,
  kOptions,
  kSchedule,
  kTypes,
  kMemory,
  kGate,
  kSteps,
  kBefore,
  kSpecial,
  kBlocks,
  kThreads,
};
enum class Gate { none, open, closed, closed_in_step_2 };

struct Sizes {
  std::string text;
  std::vector<std::int64_t> sizes;
};

// Around the widths of vectors and of chunks; none and empty ones among others; and more tensors than blocks.
std::vector<Sizes> all_sizes(Size size) {
  std::vector<std::int64_t> many;
  for (std::int64_t i = 0; i < 40; ++i) many.push_back(i % 11);
  std::vector<Sizes> list{{"1, 7, 4097", {1, 7, 4097}},
                          {"none", {}},
                          {"0", {0}},
                          {"1", {1}},
                          {"0, 5, 0, 0", {0, 5, 0, 0}},
                          {"3, 4, 5, 7, 8, 9, 31, 33", {3, 4, 5, 7, 8, 9, 31, 33}},
                          {"4095", {4095}},
                          {"4096, 8", {4096, 8}},
                          {"40 tensors", many}};
  if (size == Size::full) {
    list.push_back({"8191, 8192, 8193", {8191, 8192, 8193}});
    list.push_back({"20000, 64", {20000, 64}});
  }
  return list;
}

/// The levels as values.
struct StepPlan {
  DType dtype;
  int slots;
  std::vector<Sizes> sizes;
  std::vector<AnyOptimizer> rules;
  std::vector<UpdateOptions> options = settings_of(UpdateOptions{});
  std::vector<AnySchedule> schedules;

  StepPlan(const AnyOptimizer& entry, DType type, Size size) : dtype(type), sizes(all_sizes(size)) {
    std::visit(
        [&]<class R>(const R& rule) {
          slots = R::slots;
          for (const R& changed : settings_of(rule)) rules.push_back(changed);
        },
        entry);
    Schedules::for_each([&]<class S>() {
      for (const S& schedule : settings_of(S{})) schedules.push_back(schedule);
    });
  }

  Space space() const {
    Space space;
    space.factors = {
        factor_of("sizes", sizes, [](const Sizes& s) { return "[" + s.text + "]"; }),
        factor_of("rule", rules, [](const AnyOptimizer& r) { return Optimizers::to_string(r); }),
        factor_of("options", options, [](const UpdateOptions& o) { return "update" + detail::fields_text(o); }),
        factor_of("schedule", schedules, [](const AnySchedule& s) { return Schedules::to_string(s); }),
        {"types", {"of one type", "mixed"}},
        {"memory", {"aligned", "values shifted", "gradients shifted", "state shifted", "all shifted"}},
        {"gate", {"none", "open", "closed", "closed in step 2"}},
        {"steps", {"1", "3"}},
        {"steps before", {"0", "1000"}},
        {"numbers", {"ordinary", "not finite", "extreme"}}};
    for (Factor& factor : limit_factors(false)) space.factors.push_back(std::move(factor));
    return space;
  }
};

struct TensorImages {
  DType dtype;
  Image value, state[optim::kMaxSlots];
  std::vector<Image> gradients;  ///< of each step
};

struct StepInputs {
  OptimizerSpec optimizer;
  AnySchedule schedule;
  Gate gate;
  StepState start;
  int slots, steps;
  std::vector<TensorImages> tensors;
};

StepInputs make_inputs(const StepPlan& plan, const Levels& levels, const std::string& words) {
  const auto at = [&](StepFactor factor) { return static_cast<std::size_t>(levels[factor]); };
  const Noise noise(words);
  StepInputs in{{plan.rules[at(kRule)], plan.options[at(kOptions)]},
                plan.schedules[at(kSchedule)],
                static_cast<Gate>(levels[kGate]),
                {},
                plan.slots,
                levels[kSteps] > 0 ? 3 : 1,
                {}};
  in.start.step = levels[kBefore] > 0 ? 1000 : 0;
  const bool not_finite_ones = levels[kSpecial] == 1, extreme_ones = levels[kSpecial] == 2;
  std::uint32_t stream = 0;
  const auto fill = [&](Image image, bool special, float low, float high) {
    for (std::int64_t i = 0; i < image.cols(); ++i) {
      const std::uint32_t word = noise.word(stream, i);
      float x = low + (high - low) * uniform(word);
      if (special && not_finite_ones && word % 13 == 0) x = not_finite(word >> 5);
      if (special && extreme_ones && word % 3 == 0) x = extreme(word >> 5);
      image.set(0, i, x);
    }
    ++stream;
    return image;
  };
  const auto layout = [&](int shifted_by) {
    return levels[kMemory] == shifted_by || levels[kMemory] == 4 ? Layout::shifted : Layout::packed;
  };
  constexpr DType types[] = {DType::f32, DType::bf16, DType::f16};
  for (std::size_t t = 0; t < plan.sizes[at(kSizes)].sizes.size(); ++t) {
    const std::int64_t n = plan.sizes[at(kSizes)].sizes[t];
    TensorImages tensor{
        levels[kTypes] > 0 ? types[(static_cast<std::size_t>(plan.dtype) + t) % 3] : plan.dtype, {}, {}, {}};
    tensor.value = fill(Image::output(tensor.dtype, 1, n, layout(1)), true, -1, 1);
    for (int step = 0; step < in.steps; ++step)
      tensor.gradients.push_back(fill(Image::input(tensor.dtype, 1, n, layout(2)), true, -1, 1));
    for (int k = 0; k < plan.slots; ++k)  // moments; the second one is never negative
      tensor.state[k] = fill(Image::output(DType::f32, 1, n, layout(3)), false, 0, in.start.step > 0 ? 0.1f : 0.0f);
    in.tensors.push_back(std::move(tensor));
  }
  return in;
}

/// What stands after the last step.
Outcome run_steps(Backend& backend, const StepInputs& in) {
  std::vector<Placed> values, gradients, states;
  std::vector<Parameter> parameters;
  for (const TensorImages& t : in.tensors) {
    Parameter p{"tensor " + std::to_string(parameters.size()), nullptr, nullptr, {}, t.value.cols(), t.dtype};
    p.value = values.emplace_back(backend, t.value).view().data;
    p.gradient = gradients.emplace_back(backend, t.gradients[0]).view().data;
    for (int k = 0; k < in.slots; ++k)
      p.state[k] = static_cast<float*>(states.emplace_back(backend, t.state[k]).view().data);
    parameters.push_back(p);
  }
  const Buffer state(backend, sizeof(StepState)), gate(backend, sizeof(LossReport));
  StepState counters = in.start;
  backend.copy(state.data(), &counters, sizeof counters);
  const auto set = backend.bind(parameters, in.optimizer.rule);
  for (int step = 0; step < in.steps; ++step) {
    LossReport report;
    report.rejected = in.gate == Gate::closed || (in.gate == Gate::closed_in_step_2 && step == 1);
    backend.copy(gate.data(), &report, sizeof report);
    for (std::size_t t = 0; t < in.tensors.size() && step > 0; ++t) {
      const auto& bytes = in.tensors[t].gradients[static_cast<std::size_t>(step)].bytes();
      if (!bytes.empty()) backend.copy(gradients[t].data(), bytes.data(), bytes.size());
    }
    backend.update(*set, in.optimizer, in.schedule, state.as<StepState>(),
                   in.gate == Gate::none ? nullptr : gate.as<LossReport>());
    backend.synchronize();
  }
  backend.copy(&counters, state.data(), sizeof counters);
  backend.synchronize();
  Outcome outcome;
  outcome.parts = {Part::number("step", counters.step), Part::number("skipped", counters.skipped),
                   Part::number("lr", counters.lr)};
  for (std::size_t t = 0; t < values.size(); ++t) {
    outcome.parts.push_back(values[t].fetch(fmt::format("tensor {}", t)));
    for (std::size_t k = 0; k < static_cast<std::size_t>(in.slots); ++k)
      outcome.parts.push_back(
          states[t * static_cast<std::size_t>(in.slots) + k].fetch(fmt::format("state {} of tensor {}", k, t)));
  }
  return outcome;
}

}  // namespace

std::vector<Group> optimizer_groups(Size size) {
  std::vector<Group> groups;
  Optimizers::for_each([&]<class R>() {
    for (const DType type : {DType::f32, DType::bf16, DType::f16}) {
      const StepPlan plan(R{}, type, size);
      Group& group = groups.emplace_back();
      group.name = "optimizer " + std::string(R::name) + " " + std::string(name_of(type));
      group.kind = "optimizer " + std::string(name_of(type));
      group.space = plan.space();
      group.prepare = [plan, name = group.name, space = group.space](const Levels& levels) -> CaseRun {
        return
            [in = make_inputs(plan, levels, name + ": " + space.text(levels))](Backend& b) { return run_steps(b, in); };
      };
      group.limits = [](const Levels& l) { return limits_of(l[kBlocks], l[kThreads], 0, 0); };
    }
  });
  return groups;
}

}  // namespace fuselage::cases
