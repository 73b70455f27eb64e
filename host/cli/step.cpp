// `fuselage step`: optimizer updates of the user's array.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
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

/// The state file: "step" (one i64) and "state0", "state1" ... (fp32, the parameter's shape); metadata "optimizer".
void read_state(const std::string& path, const std::vector<std::int64_t>& shape, StepProblem& problem) {
  const TensorFile file = read_safetensors(path);
  const std::string optimizer(Optimizers::name_of(problem.optimizer.rule));
  if (const auto written = file.metadata.find("optimizer");
      written != file.metadata.end() && written->second != optimizer)
    throw Error(Errc::format, fmt::format("{}: the state is of {}, expected {}", path, written->second, optimizer));
  std::vector<std::string> names{"step"};
  for (std::size_t s = 0; s < slots_of(problem.optimizer.rule); ++s) names.push_back(slot_name(s));
  for (const auto& [name, tensor] : file.tensors)
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw Error(Errc::format, fmt::format("{}: {} has no state '{}'{}", path, optimizer, name, suggest(name, names)));
  for (const std::string& name : names) {
    const Array* tensor = file.find(name);
    if (!tensor) throw Error(Errc::format, fmt::format("{}: '{}' is missing", path, name));
    const bool step = name == "step";
    const DType type = step ? DType::i64 : DType::f32;
    if (tensor->dtype() != type || (step ? tensor->size() != 1 : tensor->shape() != shape))
      throw Error(Errc::bad_shape,
                  fmt::format("{}: '{}' is {} {}, expected {} {}", path, name, name_of(tensor->dtype()),
                              shape_text(tensor->shape()), name_of(type), step ? "[1]" : shape_text(shape)));
    if (step)
      problem.steps_before = tensor->as<std::int64_t>()[0];
    else
      problem.state.push_back({*tensor});
  }
  constexpr std::int64_t kMostSteps = std::int64_t{1} << 53;
  if (problem.steps_before < 0 || problem.steps_before > kMostSteps)
    throw Error(Errc::format,
                fmt::format("{}: 'step' is {}, expected 0 to {}", path, problem.steps_before, kMostSteps));
}

void write_state(const std::string& path, const StepProblem& problem, const StepSolution& solution) {
  TensorFile file;
  file.metadata["optimizer"] = std::string(Optimizers::name_of(problem.optimizer.rule));
  file.tensors.emplace_back("step", Array::of({1}, std::vector<std::int64_t>{solution.counters.step}));
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
  StepSolution result;
  result.counters.step = p.steps_before;
  for (const auto& gradients : p.gradients) {
    const std::vector<double> g = validate::to_doubles(gradients[0]);
    if (!std::all_of(g.begin(), g.end(), [](double x) { return std::isfinite(x); })) {
      ++result.counters.skipped;
      continue;
    }
    const std::int64_t t = ++result.counters.step;
    const auto schedule_options = std::visit([](const auto& s) { return validate::reference_options(s); }, p.schedule);
    result.counters.lr =
        p.optimizer.lr() * reference::schedule(Schedules::name_of(p.schedule), schedule_options, t - 1);
    reference::step(name, options, t, result.counters.lr, value, g, state);
  }
  result.parameters.push_back(Array::of(p.parameters[0].shape(), value));
  for (const auto& slot : state) result.state.push_back({Array::of(p.parameters[0].shape(), slot)});
  return result;
}

StepProblem read_problem(const Options& o, DType type) {
  StepProblem problem;
  problem.optimizer = OptimizerSpec::parse(o.optimizer);
  problem.text = problem.optimizer.to_string();
  problem.schedule = Schedules::parse(o.schedule, "schedule");
  if (const auto* cosine = std::get_if<schedule::Cosine>(&problem.schedule); cosine && cosine->total == 0)
    throw Error(Errc::bad_argument, "cosine: 'total' must be given here, there is no run to take it from");
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
  CLI::App* verb = parent.add_subcommand("step", "Apply optimizer steps to a .npy array");
  verb->add_option("--optimizer", o->optimizer, "Rule and its fields: adam:lr=1e-3 (see `fuselage list optimizers`)")
      ->required();
  verb->add_option("--param", o->param, "FILE.npy: the parameter")->required();
  verb->add_option("--grad", o->grads, "FILE.npy: a gradient; one step for each, in order")->required();
  verb->add_option("--param-out", o->param_out, "FILE.npy: the parameter after the last step")->required();
  verb->add_option("--state", o->state, "FILE.safetensors: step count and state to start from");
  verb->add_option("--state-out", o->state_out, "FILE.safetensors: where they go");
  verb->add_option("--schedule", o->schedule, "Of the learning rate: step:every=10 (see `fuselage list schedules`)")
      ->capture_default_str();
  verb->add_option("--dtype", o->dtype, "Storage of parameter and gradient: fp32, bf16, fp16 [fp32]");
  verb->add_option("--device", o->device, known_devices() + ", or reference (double precision)")->capture_default_str();
  verb->add_option("--threads", o->threads, "CPU threads; 0: all")->check(CLI::Range(0, 4096));
  verb->add_flag("--json", o->json, "Print JSON");
  verb->footer(
      "A gradient that holds NaN or infinity is skipped: nothing changes but the count `skipped`.\nExample:\n"
      "  fuselage step --optimizer adam:lr=1e-3 --param p.npy --grad g1.npy --grad g2.npy --param-out p2.npy"
      " --state-out s.safetensors");
  verb->callback([o] { run(*o); });
}

}  // namespace fuselage::cli
