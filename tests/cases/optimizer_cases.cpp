// Optimizer steps as cases: sets of tensors of all sizes and types, with schedules, gates and several steps; and what
// happens to their gradients before the rules.
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
  kGroups,
  kBlocks,
  kThreads,
  kGradient,
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
  std::vector<Sizes> sizes;
  std::vector<AnyOptimizer> rules;
  std::vector<UpdateOptions> options = few_settings_of(UpdateOptions{});
  std::vector<ScheduleSpec> schedules;
  std::vector<GradientOptions> gradients{GradientOptions{}};

  /// What happens to gradients before any rule, beside a rule without norms, one with two states and one with norms.
  static StepPlan of_gradients(DType type, Size size) {
    StepPlan plan(optim::Lion{}, type, size);
    plan.rules = {optim::Sgd{}, optim::AdamW{}, optim::Lamb{}};
    plan.gradients = few_settings_of(GradientOptions{});
    for (const char* text : {"clip_norm=1,clip_tensor=0.5", "clip_value=0.25,loss_scale=3,interval=1,growth=1.5",
                             "loss_scale=1024,clip_norm=0.01", "clip_norm=1e30,nonfinite=stop", "clip_norm=1e-40"})
      plan.gradients.push_back(parse_gradient_options(text));
    return plan;
  }

  StepPlan(const AnyOptimizer& entry, DType type, Size size)
      : dtype(type), sizes(all_sizes(size)), rules(few_settings_of(entry)) {
    for (const char* text :
         {"constant", "cosine:total=1003,warmup=2,floor=0.1", "plateau:patience=0,gamma=0.5,mode=max",
          "warmup:steps=2 * exponential:gamma=0.9 * plateau:patience=0 | 2 | linear:total=1000 | 1001 | constant"})
      schedules.push_back(ScheduleSpec::parse(text));
    if (!std::holds_alternative<optim::Sgd>(entry) || type != DType::f32) return;
    // What a schedule gives does not depend on the rule: all of them beside one.
    for (const std::string_view name : Schedules::names)
      for (const AnySchedule& schedule : few_settings_of(Schedules::make(name, "schedule")))
        schedules.push_back(schedule);
    for (const char* text :
         {"cosine:total=1002,warmup=1,floor=0.1,power=2,swing=true", "cosine:warmup=2,first=10,growth=1.5,shrink=0.9",
          "one_cycle:total=1003,pct_start=0.4,div_factor=5,final_div_factor=10,anneal=linear,three_phase=true",
          "wsd:total=1010,warmup=2,decay=20,floor=0.1,shape=1-sqrt", "wsd:total=1010,decay=20,shape=cosine",
          "piecewise:at=2/1001,values=0.5/1/0.25,interpolate=linear",
          "piecewise:at=900/1010,values=1/0.5/0,interpolate=cosine",
          "polynomial:total=100,begin=5,power=2,end=0.1,cycle=true",
          "exponential:gamma=2,every=3,begin=990,staircase=true,limit=3"})
      schedules.push_back(ScheduleSpec::parse(text));
  }

  Space space() const {
    Space space;
    space.factors = {
        factor_of("sizes", sizes, [](const Sizes& s) { return "[" + s.text + "]"; }),
        factor_of("rule", rules, [](const AnyOptimizer& r) { return Optimizers::to_string(r); }),
        factor_of("options", options, [](const UpdateOptions& o) { return "update" + detail::fields_text(o); }),
        factor_of("schedule", schedules, [](const ScheduleSpec& s) { return s.to_string(); }),
        {"types", {"of one type", "mixed"}},
        {"memory", {"aligned", "values shifted", "gradients shifted", "state shifted", "all shifted"}},
        {"gate", {"none", "open", "closed", "closed in step 2"}},
        {"steps", {"1", "3"}},
        {"steps before", {"0", "1000"}},
        {"numbers", {"ordinary", "not finite", "extreme"}},
        {"groups", {"one", "two rules and a frozen group", "70"}}};
    for (Factor& factor : limit_factors(false)) space.factors.push_back(std::move(factor));
    if (gradients.size() > 1)
      space.factors.push_back(factor_of("gradient", gradients, [](const GradientOptions& g) { return to_string(g); }));
    return space;
  }
};

struct TensorImages {
  DType dtype;
  int group;
  Image value, state[optim::kMaxSlots];
  double kept;
  std::vector<Image> gradients;  ///< of each step
};

struct StepInputs {
  std::vector<ParameterGroup> groups;
  std::vector<GroupState> group_states;
  GradientOptions gradient;
  Gate gate;
  StepState start;
  int steps;
  std::vector<TensorImages> tensors;
};

/// Beside the group of the case: one of another rule, and one that nothing may touch.
std::vector<ParameterGroup> with_other_groups(const ParameterGroup& own, std::size_t index) {
  const bool norms = kDependsOnNorms[index];
  const ParameterGroup other{{norms ? AnyOptimizer(optim::Adan{}) : AnyOptimizer(optim::Lamb{.weight_decay = 0.1}), {}},
                             schedule::Constant{}};
  ParameterGroup frozen = own;
  frozen.frozen = true;
  return {own, other, frozen};
}

/// More than a block of the device prepares, each with a rate of its own.
std::vector<ParameterGroup> many_groups(const ParameterGroup& own) {
  std::vector<ParameterGroup> groups(70, own);
  for (std::size_t g = 0; g < groups.size(); ++g)
    std::visit([&](auto& rule) { rule.lr *= static_cast<double>(g + 1); }, groups[g].optimizer.rule);
  return groups;
}

StepInputs make_inputs(const StepPlan& plan, const Levels& levels, const std::string& words) {
  const auto at = [&](StepFactor factor) { return static_cast<std::size_t>(levels[factor]); };
  const Noise noise(words);
  const ParameterGroup own{{plan.rules[at(kRule)], plan.options[at(kOptions)]}, plan.schedules[at(kSchedule)]};
  const GradientOptions& gradient = plan.gradients.size() > 1 ? plan.gradients[at(kGradient)] : plan.gradients[0];
  StepInputs in{{own}, {}, gradient, static_cast<Gate>(levels[kGate]), {}, levels[kSteps] > 0 ? 3 : 1, {}};
  if (levels[kGroups] == 1) in.groups = with_other_groups(own, own.optimizer.rule.index());
  if (levels[kGroups] == 2) in.groups = many_groups(own);
  in.start.step = levels[kBefore] > 0 ? 1000 : 0;
  in.start.loss_scale = static_cast<float>(gradient.loss_scale);
  // Before: a product of nadam's, or a sum of weights and the greatest rate.
  for (const ParameterGroup& group : in.groups)
    in.group_states.push_back(in.start.step > 0 ? GroupState{0, {0.25, group.lr()}, {}} : GroupState{});
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
    TensorImages tensor{levels[kTypes] > 0 ? types[(static_cast<std::size_t>(plan.dtype) + t) % 3] : plan.dtype,
                        static_cast<int>(t * 31 % in.groups.size()),
                        {},
                        {},
                        in.start.step > 0 ? 2.0 : 0.0,
                        {}};
    tensor.value = fill(Image::output(tensor.dtype, 1, n, layout(1)), true, -1, 1);
    for (int step = 0; step < in.steps; ++step)
      tensor.gradients.push_back(fill(Image::input(tensor.dtype, 1, n, layout(2)), true, -1, 1));
    const unsigned used = slots_used_by(in.groups[static_cast<std::size_t>(tensor.group)].optimizer.rule);
    for (unsigned k = 0; k < optim::kMaxSlots; ++k)  // moments; the second one is never negative
      if (used >> k & 1)
        tensor.state[k] = fill(Image::output(DType::f32, 1, n, layout(3)), false, 0, in.start.step > 0 ? 0.1f : 0.0f);
    in.tensors.push_back(std::move(tensor));
  }
  return in;
}

/// What stands after the last step.
Outcome run_steps(Backend& backend, const StepInputs& in) {
  std::vector<Placed> values, gradients, states;
  std::vector<std::string> names;  // of states
  std::vector<Parameter> parameters;
  std::vector<double> kept;
  for (const TensorImages& t : in.tensors) kept.push_back(t.kept);
  const auto place = [&](const auto& list) {
    Buffer buffer(backend, list.size() * sizeof(list[0]));
    if (!list.empty()) backend.copy(buffer.data(), list.data(), buffer.bytes());
    return buffer;
  };
  const Buffer kept_there = place(kept), groups = place(in.group_states), gate(backend, sizeof(LossReport)),
               state = place(std::vector{in.start});
  for (const TensorImages& t : in.tensors) {
    Parameter p{"tensor " + std::to_string(parameters.size()), nullptr, nullptr, {}, t.value.cols(), t.dtype, t.group};
    p.value = values.emplace_back(backend, t.value).view().data;
    p.gradient = gradients.emplace_back(backend, t.gradients[0]).view().data;
    const AnyOptimizer& rule = in.groups[static_cast<std::size_t>(t.group)].optimizer.rule;
    for (unsigned k = 0; k < optim::kMaxSlots; ++k) {
      if (!(slots_used_by(rule) >> k & 1)) continue;
      p.state[k] = static_cast<float*>(states.emplace_back(backend, t.state[k]).view().data);
      names.push_back(fmt::format("state {} of {}", k, p.name));
    }
    if (keeps_a_number(rule)) p.kept = kept_there.as<double>() + parameters.size();
    parameters.push_back(p);
  }
  const auto set = backend.bind(parameters, in.groups, in.gradient);
  for (int step = 0; step < in.steps; ++step) {
    LossReport report;
    report.value = 1;  // and never better
    report.nonfinite = in.gate == Gate::closed;
    report.rejected = in.gate == Gate::closed || (in.gate == Gate::closed_in_step_2 && step == 1);
    backend.copy(gate.data(), &report, sizeof report);
    for (std::size_t t = 0; t < in.tensors.size() && step > 0; ++t) {
      const auto& bytes = in.tensors[t].gradients[static_cast<std::size_t>(step)].bytes();
      if (!bytes.empty()) backend.copy(gradients[t].data(), bytes.data(), bytes.size());
    }
    backend.update(*set, state.as<StepState>(), groups.as<GroupState>(),
                   in.gate == Gate::none ? nullptr : gate.as<LossReport>());
    backend.observe(*set, groups.as<GroupState>(), &gate.as<LossReport>()->value);
    backend.synchronize();
  }
  StepState counters;
  std::vector<GroupState> group_states(in.groups.size());
  backend.copy(&counters, state.data(), sizeof counters);
  backend.copy(group_states.data(), groups.data(), groups.bytes());
  if (!kept.empty()) backend.copy(kept.data(), kept_there.data(), kept_there.bytes());
  backend.synchronize();
  Outcome outcome;
  outcome.parts = {Part::number("step", counters.step), Part::number("skipped", counters.skipped),
                   Part::number("lr", counters.lr)};
  if (in.gradient.any()) {
    outcome.parts.push_back(Part::number("nonfinite", counters.nonfinite));
    outcome.parts.push_back(Part::number("norm", counters.norm));
    outcome.parts.push_back(Part::number("good", counters.good));
    outcome.parts.push_back(Part::number("loss scale", counters.loss_scale));
    outcome.parts.push_back(Part::number("stopped", counters.stopped));
  }
  for (std::size_t g = 0; g < group_states.size(); ++g) {
    outcome.parts.push_back(Part::number(fmt::format("lr of group {}", g), group_states[g].lr));
    for (const double number : group_states[g].memory)
      outcome.parts.push_back(Part::number(fmt::format("a number of group {}", g), number));
    const schedule::PlateauState& plateau = group_states[g].plateau;
    for (const double number :
         {plateau.observations, plateau.best, plateau.factor_then, plateau.bad, plateau.cooldown_left})
      outcome.parts.push_back(Part::number(fmt::format("what the plateau of group {} keeps", g), number));
  }
  for (std::size_t t = 0; t < values.size(); ++t) {
    outcome.parts.push_back(values[t].fetch(parameters[t].name));
    outcome.parts.push_back(Part::number("the number of " + parameters[t].name, kept[t]));
  }
  for (std::size_t s = 0; s < states.size(); ++s) outcome.parts.push_back(states[s].fetch(names[s]));
  return outcome;
}

}  // namespace

std::vector<Group> optimizer_groups(Size size) {
  std::vector<Group> groups;
  const auto add = [&](const char* kind, std::string_view name, const StepPlan& plan) {
    Group& group = groups.emplace_back();
    group.name = fmt::format("{} {} {}", kind, name, name_of(plan.dtype));
    if (plan.gradients.size() <= 1) group.entry = fmt::format("{} {}", kind, name);
    group.kind = kind;
    group.own_kernels = plan.gradients.size() > 1;
    group.space = plan.space();
    group.prepare = [plan, name = group.name, space = group.space](const Levels& levels) -> CaseRun {
      return
          [in = make_inputs(plan, levels, name + ": " + space.text(levels))](Backend& b) { return run_steps(b, in); };
    };
    group.limits = [](const Levels& l) { return limits_of(l[kBlocks], l[kThreads], 0, 0); };
  };
  Optimizers::for_each([&]<class R>() {
    for (const DType type : {DType::f32, DType::bf16, DType::f16}) add("optimizer", R::name, {R{}, type, size});
  });
  for (const DType type : {DType::f32, DType::bf16, DType::f16})
    add("gradients", "before an update", StepPlan::of_gradients(type, size));
  return groups;
}

}  // namespace fuselage::cases
