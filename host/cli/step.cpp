// `fuselage step`: optimizer updates of the user's array.
#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "fuselage/core/suggest.h"
#include "fuselage/data.h"
#include "host/cli/array_files.h"
#include "host/cli/json_output.h"
#include "host/cli/verbs.h"
#include "host/validate/problem.h"

namespace fuselage::cli {
namespace {

using validate::StepProblem;
using validate::StepSolution;

struct Options {
  std::string optimizer, schedule = "constant", param, param_out, state, state_out, dtype, device = "auto";
  std::vector<std::string> grads;
  int threads = 0;
  bool json = false;
};

std::size_t slots_of(const AnyOptimizer& rule) {
  return std::visit([](const auto& r) { return std::size_t{std::remove_cvref_t<decltype(r)>::slots}; }, rule);
}
std::string slot_name(std::size_t slot) { return fmt::format("state{}", slot); }

/// A tensor of the state file beside the arrays of state.
struct StateEntry {
  std::string_view name;
  DType type;
  std::vector<std::int64_t> shape;
};

/// The state file: these, and "state0", "state1" ... (fp32, the parameter's shape); metadata "optimizer".
std::vector<StateEntry> state_entries(const AnyOptimizer& rule) {
  std::vector<StateEntry> entries{{"step", DType::i64, {1}}};
  if (has_memory(rule)) entries.push_back({"memory", DType::f64, {optim::kMaxMemory}});
  if (keeps_a_number(rule)) entries.push_back({"kept", DType::f64, {1}});
  return entries;
}

void read_state(const std::string& path, const std::vector<std::int64_t>& shape, StepProblem& problem) {
  const TensorFile file = read_safetensors(path);
  const std::string optimizer(Optimizers::name_of(problem.optimizer.rule));
  if (const auto written = file.metadata.find("optimizer");
      written != file.metadata.end() && written->second != optimizer)
    throw Error(Errc::format, fmt::format("{}: the state is of {}, expected {}", path, written->second, optimizer));
  std::vector<StateEntry> entries = state_entries(problem.optimizer.rule);
  const std::size_t others = entries.size(), slots = slots_of(problem.optimizer.rule);
  std::vector<std::string> names;
  for (const StateEntry& entry : entries) names.emplace_back(entry.name);
  for (std::size_t s = 0; s < slots; ++s) names.push_back(slot_name(s));
  for (std::size_t s = 0; s < slots; ++s) entries.push_back({names[others + s], DType::f32, shape});
  for (const auto& [name, tensor] : file.tensors)
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw Error(Errc::format, fmt::format("{}: {} has no state '{}'{}", path, optimizer, name, suggest(name, names)));
  for (const StateEntry& entry : entries) {
    const Array* tensor = file.find(entry.name);
    if (!tensor) throw Error(Errc::format, fmt::format("{}: '{}' is missing", path, entry.name));
    if (tensor->dtype() != entry.type || tensor->shape() != entry.shape)
      throw Error(Errc::bad_shape,
                  fmt::format("{}: '{}' is {} {}, expected {} {}", path, entry.name, name_of(tensor->dtype()),
                              shape_text(tensor->shape()), name_of(entry.type), shape_text(entry.shape)));
    if (entry.type == DType::f32) problem.state.push_back({*tensor});
  }
  problem.steps_before = file.at("step").as<std::int64_t>()[0];
  if (const Array* memory = file.find("memory"))
    std::copy_n(memory->as<double>().begin(), optim::kMaxMemory, problem.group.memory);
  if (const Array* kept = file.find("kept")) problem.kept = {kept->as<double>()[0]};
  constexpr std::int64_t kMostSteps = std::int64_t{1} << 53;
  if (problem.steps_before < 0 || problem.steps_before > kMostSteps)
    throw Error(Errc::format,
                fmt::format("{}: 'step' is {}, expected 0 to {}", path, problem.steps_before, kMostSteps));
}

void write_state(const std::string& path, const StepProblem& problem, const StepSolution& solution) {
  TensorFile file;
  file.metadata["optimizer"] = std::string(Optimizers::name_of(problem.optimizer.rule));
  file.tensors.emplace_back("step", Array::of({1}, std::vector<std::int64_t>{solution.counters.step}));
  if (has_memory(problem.optimizer.rule))
    file.tensors.emplace_back("memory", Array::of({optim::kMaxMemory}, std::span<const double>(solution.group.memory)));
  if (keeps_a_number(problem.optimizer.rule))
    file.tensors.emplace_back("kept", Array::of({1}, std::vector<double>{solution.kept.at(0)}));
  for (std::size_t s = 0; s < solution.state.size(); ++s)
    file.tensors.emplace_back(slot_name(s), validate::converted(solution.state[s][0], DType::f32));
  write_safetensors(path, file);
}

/// The same updates by the reference, everything in double.
StepSolution by_reference(const StepProblem& p) {
  const std::string_view name = Optimizers::name_of(p.optimizer.rule);
  const reference::Options options = validate::reference_options(p.optimizer);
  std::vector<double> value = validate::to_doubles(p.parameters[0]);
  std::vector<std::vector<double>> state(slots_of(p.optimizer.rule), std::vector<double>(value.size(), 0.0));
  for (std::size_t s = 0; s < p.state.size(); ++s) state[s] = validate::to_doubles(p.state[s][0]);
  reference::Memory memory;
  std::copy(std::begin(p.group.memory), std::end(p.group.memory), memory.group);
  if (!p.kept.empty()) memory.tensor = p.kept[0];
  StepSolution result;
  result.counters.step = p.steps_before;
  for (const auto& gradients : p.gradients) {
    const std::vector<double> g = validate::to_doubles(gradients[0]);
    if (!std::all_of(g.begin(), g.end(), [](double x) { return std::isfinite(x); })) {
      ++result.counters.skipped;
      continue;
    }
    const std::int64_t t = ++result.counters.step;
    result.counters.lr = p.optimizer.lr() * validate::reference_factor(p.schedule, t - 1, p.group.plateau);
    reference::step(name, options, t, result.counters.lr, value, g, state, memory);
  }
  std::copy(std::begin(memory.group), std::end(memory.group), result.group.memory);
  result.kept = {memory.tensor};
  result.parameters.push_back(Array::of(p.parameters[0].shape(), value));
  for (const auto& slot : state) result.state.push_back({Array::of(p.parameters[0].shape(), slot)});
  return result;
}

StepProblem read_problem(const Options& o, DType type) {
  StepProblem problem;
  problem.optimizer = OptimizerSpec::parse(o.optimizer);
  problem.text = problem.optimizer.to_string();
  problem.schedule = ScheduleSpec::parse(o.schedule);
  if (const std::string_view name = problem.schedule.endless(); !name.empty())
    throw Error(Errc::bad_argument,
                fmt::format("{}: 'total' must be given here, there is no run to take it from", name));
  problem.skip_non_finite = true;
  const Array param = read_npy(o.param);
  problem.parameters.push_back(validate::converted(param, type));
  for (const std::string& path : o.grads) {
    const Array gradient = read_npy(path);
    if (gradient.shape() != param.shape())
      throw Error(Errc::bad_shape, fmt::format("gradient {} has shape {} and parameter {} has {}", path,
                                               shape_text(gradient.shape()), o.param, shape_text(param.shape())));
    problem.gradients.push_back({validate::converted(gradient, type)});
  }
  if (!o.state.empty()) read_state(o.state, param.shape(), problem);
  return problem;
}

void run(const Options& o) {
  const bool reference = o.device == "reference";
  const DType type = parse_dtype(!o.dtype.empty() ? o.dtype : reference ? "fp64" : "fp32");
  if (!is_real(type) || (type == DType::f64 && !reference))
    throw Error(Errc::bad_argument,
                fmt::format("--dtype {}: expected fp32, bf16 or fp16 (fp64 with --device reference)", name_of(type)));
  const StepProblem problem = read_problem(o, type);
  StepSolution last;
  std::string device = "reference";
  if (reference) {
    last = by_reference(problem);
  } else {
    const std::unique_ptr<Backend> backend = make_backend(o.device, nullptr, o.threads);
    device = backend->device();
    last = validate::solve(*backend, problem).back();
  }
  std::int64_t nonfinite = 0;
  for (const auto& gradients : problem.gradients)
    for (const double g : validate::to_doubles(gradients[0])) nonfinite += !std::isfinite(g);

  if (!o.state_out.empty()) write_state(o.state_out, problem, last);
  write_npy(o.param_out, last.parameters[0]);
  const Json json{{"optimizer", problem.text},
                  {"step", last.counters.step},
                  {"skipped", last.counters.skipped},
                  {"lr", number(last.counters.lr)},
                  {"count", problem.parameters[0].size()},
                  {"nonfinite", nonfinite},
                  {"dtype", name_of(type)},
                  {"device", device}};
  if (o.json) return print(json);
  for (const auto& [key, value] : json.items())
    std::cout << fmt::format("{:<10} {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
}

}  // namespace

void add_step(CLI::App& parent, int&) {
  const auto o = std::make_shared<Options>();
  Verb verb(parent, "step", "Apply optimizer steps to a .npy array");
  verb.option("--optimizer", o->optimizer, "Rule and its fields: adam:lr=1e-3 (see `fuselage list optimizers`)")
      .required();
  verb.option("--param", o->param, "FILE.npy: the parameter").required();
  verb.option("--grad", o->grads, "FILE.npy: a gradient; one step for each, in order").required();
  verb.option("--param-out", o->param_out, "FILE.npy: the parameter after the last step").required();
  verb.option("--state", o->state, "FILE.safetensors: step count and state to start from");
  verb.option("--state-out", o->state_out, "FILE.safetensors: where they go");
  verb.option("--schedule", o->schedule, "Of the learning rate: step:every=10 (see `fuselage list schedules`)")
      .shows_default();
  verb.option("--dtype", o->dtype, "Storage of parameter and gradient: fp32, bf16, fp16 [fp32]");
  verb.option("--device", o->device, known_devices() + ", or reference (double precision)").shows_default();
  verb.option("--threads", o->threads, "CPU threads; 0: all").within(0, 4096);
  verb.flag("--json", o->json, "Print JSON");
  verb.footer(
      "A gradient that holds NaN or infinity is skipped: nothing changes but the count `skipped`.\nExample:\n"
      "  fuselage step --optimizer adam:lr=1e-3 --param p.npy --grad g1.npy --grad g2.npy --param-out p2.npy"
      " --state-out s.safetensors");
  verb.does([o] { run(*o); });
}

}  // namespace fuselage::cli
