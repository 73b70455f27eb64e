// What every backend checks before it starts, and the choice of one.
#include "fuselage/backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "fuselage/custom_loss.h"
#include "host/backend/loss_checks.h"

namespace fuselage {

namespace {

bool overlap(const void* a, std::size_t a_bytes, const void* b, std::size_t b_bytes) {
  const auto x = reinterpret_cast<std::uintptr_t>(a), y = reinterpret_cast<std::uintptr_t>(b);
  return x < y + b_bytes && y < x + a_bytes;
}

/// Every block of memory that an update writes or reads, checked against its neighbours in address order.
void check_overlaps(std::span<const Parameter> parameters) {
  struct Block {
    const void* data;
    std::size_t bytes;
    const Parameter* owner;
    std::string_view role;
  };
  std::vector<Block> blocks;
  for (const Parameter& p : parameters) {
    if (p.size == 0) continue;
    const auto n = static_cast<std::size_t>(p.size);
    blocks.push_back({p.value, n * size_of(p.dtype), &p, "value"});
    blocks.push_back({p.gradient, n * size_of(p.dtype), &p, "gradient"});
    for (const float* state : p.state)
      if (state) blocks.push_back({state, n * sizeof(float), &p, "state"});
    if (p.kept) blocks.push_back({p.kept, sizeof(double), &p, "kept number"});
  }
  std::sort(blocks.begin(), blocks.end(), [](const Block& a, const Block& b) { return a.data < b.data; });
  for (std::size_t i = 1; i < blocks.size(); ++i) {
    const Block &a = blocks[i - 1], &b = blocks[i];
    if (overlap(a.data, a.bytes, b.data, b.bytes))
      throw Error(Errc::bad_argument, fmt::format("the {} of '{}' and the {} of '{}' overlap in memory", a.role,
                                                  a.owner->name, b.role, b.owner->name));
  }
}

void check_groups(std::span<const ParameterGroup> groups) {
  for (std::size_t i = 0; i < groups.size(); ++i) {
    try {
      groups[i].optimizer.check();
      groups[i].schedule.check();
    } catch (const Error& error) {
      if (groups.size() == 1) throw;
      throw Error(error.code(), fmt::format("group {}: {}", i, error.what()));
    }
  }
}

/// A parameter without the state that its group's rule does not use.
Parameter checked(const Parameter& given, std::span<const ParameterGroup> groups) {
  Parameter p = given;
  if (p.group < 0 || static_cast<std::size_t>(p.group) >= groups.size())
    throw Error(Errc::bad_argument,
                fmt::format("'{}' is in group {}, and there are {}", p.name, p.group, groups.size()));
  if (p.size < 0) throw Error(Errc::bad_shape, fmt::format("'{}' has the size {}", p.name, p.size));
  if (!is_real(p.dtype) || p.dtype == DType::f64)
    throw Error(Errc::bad_dtype, fmt::format("'{}' is {}, expected fp32, bf16 or fp16", p.name, name_of(p.dtype)));
  const AnyOptimizer& rule = groups[static_cast<std::size_t>(p.group)].optimizer.rule;
  const unsigned used = slots_used_by(rule);
  if (!keeps_a_number(rule)) p.kept = nullptr;
  for (unsigned k = 0; k < optim::kMaxSlots; ++k)
    if (!(used >> k & 1)) p.state[k] = nullptr;
  if (p.size == 0) return p;
  if (!p.value || !p.gradient)
    throw Error(Errc::bad_argument, fmt::format("'{}' has no {}", p.name, p.value ? "gradient" : "value"));
  for (unsigned k = 0; k < optim::kMaxSlots; ++k)
    if ((used >> k & 1) && !p.state[k]) throw Error(Errc::bad_argument, fmt::format("'{}' has no state {}", p.name, k));
  if (keeps_a_number(rule) && !p.kept)
    throw Error(Errc::bad_argument,
                fmt::format("'{}' has no number that {} keeps for a tensor", p.name, Optimizers::name_of(rule)));
  return p;
}

}  // namespace

Buffer::Buffer(Backend& backend, std::size_t bytes, Kind kind)
    : backend_(&backend), data_(backend.allocate(bytes, kind)), bytes_(bytes), kind_(kind) {}

Buffer::~Buffer() {
  if (backend_) backend_->release(data_, kind_);
}

void Backend::loss(const AnyLoss& loss, const LossBatch& batch, LossReport* report) {
  Losses::check(loss);
  check_loss(traits_of(loss), Losses::name_of(loss), batch);
  check_report_memory(traits_of(loss), batch, report);
  run_loss(loss, batch, report);
}

void Backend::loss(const CustomLoss& loss, const LossBatch& batch, LossReport* report) {
  check_loss(loss.traits(), loss.name(), batch);
  check_report_memory(loss.traits(), batch, report);
  run_custom_loss(loss, batch, report);
}

unsigned slots_used_by(const AnyOptimizer& rule) {
  return std::visit([](const auto& r) { return optim::slots_in_use(r); }, rule);
}

bool keeps_a_number(const AnyOptimizer& rule) {
  return std::visit([]<class R>(const R&) { return optim::kKeepsANumber<R>; }, rule);
}

bool has_memory(const AnyOptimizer& rule) {
  return std::visit([]<class R>(const R&) { return optim::kHasMemory<R>; }, rule);
}

std::unique_ptr<ParameterSet> Backend::bind(std::span<const Parameter> parameters,
                                            std::span<const ParameterGroup> groups, const GradientOptions& gradient) {
  check_groups(groups);
  detail::check_fields(gradient);
  std::set<std::string_view> names;
  std::vector<Parameter> list;
  for (const Parameter& p : parameters) {
    require(!p.name.empty(), Errc::bad_argument, "a parameter has no name");
    if (!names.insert(p.name).second)
      throw Error(Errc::bad_argument, fmt::format("two parameters are called '{}'", p.name));
    list.push_back(checked(p, groups));
  }
  check_overlaps(list);
  auto set = run_bind(list, groups, gradient);
  set->groups_.assign(groups.begin(), groups.end());
  return set;
}

void Backend::set_groups(ParameterSet& parameters, std::span<const ParameterGroup> groups) {
  const auto& bound = parameters.groups_;
  if (groups.size() != bound.size())
    throw Error(Errc::bad_argument, fmt::format("{} groups for a set that has {}", groups.size(), bound.size()));
  check_groups(groups);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const AnyOptimizer &is = groups[i].optimizer.rule, &was = bound[i].optimizer.rule;
    if (is.index() != was.index() || slots_used_by(is) != slots_used_by(was))
      throw Error(Errc::bad_argument, fmt::format("group {} was bound with {}, and {} uses other state", i,
                                                  Optimizers::to_string(was), Optimizers::to_string(is)));
  }
  run_set_groups(parameters, groups);
  parameters.groups_.assign(groups.begin(), groups.end());
}

void Backend::update(ParameterSet& parameters, StepState* state, GroupState* groups, const LossReport* gate) {
  require(state != nullptr, Errc::bad_argument, "the step state is missing");
  require(groups != nullptr || parameters.groups_.empty(), Errc::bad_argument, "the groups' state is missing");
  run_update(parameters, state, groups, gate);
}

void Backend::observe(ParameterSet& parameters, GroupState* groups, const double* value) {
  require(groups != nullptr || parameters.groups_.empty(), Errc::bad_argument, "the groups' state is missing");
  require(value != nullptr, Errc::bad_argument, "the observed value is missing");
  run_observe(parameters, groups, value);
}

std::string known_devices() { return fmt::format("auto, cpu, {0}, {0}:N", cuda_device_name()); }

std::unique_ptr<Backend> make_backend(std::string_view device, std::string* why, int threads) {
  auto say = [&](std::string text) {
    if (why) *why = std::move(text);
  };
  if (device == "cpu") {
    auto backend = make_cpu_backend({threads, {}});
    say("device cpu as asked: " + backend->description());
    return backend;
  }
  if (device == "auto") {
    const CudaStatus status = cuda_status();
    if (status.usable) {
      auto backend = make_cuda_backend(0);
      say(fmt::format("device {}, the first that was found: {}", status.device, backend->description()));
      return backend;
    }
    auto backend = make_cpu_backend({threads, {}});
    say("device cpu (" + backend->description() + "), since CUDA is not usable: " + status.text);
    return backend;
  }
  int ordinal = 0;
  const std::string_view name = cuda_device_name();
  const bool numbered = device.starts_with(std::string(name) + ":");
  const std::string_view digits = numbered ? device.substr(name.size() + 1) : "0";
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), ordinal);
  const bool valid = status == std::errc() && end == digits.data() + digits.size() && ordinal >= 0;
  if (!valid || (!numbered && device != name))
    throw Error(Errc::unknown_name, fmt::format("unknown device '{}'; known: {}", device, known_devices()));
  auto backend = make_cuda_backend(ordinal);
  say(fmt::format("device {} as asked: {}", name, backend->description()));
  return backend;
}

void check_report(const LossReport& report, BadLabels policy, bool raise_non_finite) {
  if (policy == BadLabels::error && report.bad_labels > 0)
    throw Error(Errc::bad_label, std::isnan(report.first_bad_label)
                                     ? fmt::format("{} bad targets; the first is NaN, in row {}", report.bad_labels,
                                                   report.first_bad_row)
                                     : fmt::format("{} bad labels; the first is {}, in row {}", report.bad_labels,
                                                   report.first_bad_label, report.first_bad_row));
  if (report.bad_weights > 0)
    throw Error(Errc::bad_argument,
                fmt::format("{} weights are negative or not finite; the first is {}, in row {}", report.bad_weights,
                            report.first_bad_weight, report.first_bad_weight_row));
  if (raise_non_finite && report.nonfinite > 0)
    throw Error(Errc::non_finite, fmt::format("{} elements of the gradient are not finite", report.nonfinite));
}

void check_step(const StepState& state) {
  if (state.stopped)
    throw Error(Errc::non_finite,
                fmt::format("the gradient after {} updates is not finite; nothing has moved since", state.step));
}

}  // namespace fuselage
