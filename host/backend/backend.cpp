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
void check_overlaps(std::span<const Parameter> parameters, int slots) {
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
    for (int k = 0; k < slots; ++k) blocks.push_back({p.state[k], n * sizeof(float), &p, "state"});
  }
  std::sort(blocks.begin(), blocks.end(), [](const Block& a, const Block& b) { return a.data < b.data; });
  for (std::size_t i = 1; i < blocks.size(); ++i) {
    const Block &a = blocks[i - 1], &b = blocks[i];
    if (overlap(a.data, a.bytes, b.data, b.bytes))
      throw Error(Errc::bad_argument, fmt::format("the {} of '{}' and the {} of '{}' overlap in memory", a.role,
                                                  a.owner->name, b.role, b.owner->name));
  }
}

}  // namespace

Buffer::Buffer(Backend& backend, std::size_t bytes, Kind kind)
    : backend_(&backend), data_(backend.allocate(bytes, kind)), bytes_(bytes), kind_(kind) {}

Buffer::~Buffer() {
  if (backend_) backend_->release(data_, kind_);
}

void Backend::loss(const AnyLoss& loss, const LossBatch& batch, LossReport* report) {
  require(report != nullptr, Errc::bad_argument, "report is missing");
  Losses::check(loss);
  check_loss(traits_of(loss), Losses::name_of(loss), batch);
  run_loss(loss, batch, report);
}

void Backend::loss(const CustomLoss& loss, const LossBatch& batch, LossReport* report) {
  require(report != nullptr, Errc::bad_argument, "report is missing");
  check_loss(loss.traits(), loss.name(), batch);
  run_custom_loss(loss, batch, report);
}

std::unique_ptr<ParameterSet> Backend::bind(std::span<const Parameter> parameters, const AnyOptimizer& rule) {
  const int slots = std::visit([](const auto& r) { return r.slots; }, rule);
  std::set<std::string_view> names;
  for (const Parameter& p : parameters) {
    require(!p.name.empty(), Errc::bad_argument, "a parameter has no name");
    if (!names.insert(p.name).second)
      throw Error(Errc::bad_argument, fmt::format("two parameters are called '{}'", p.name));
    if (p.size < 0) throw Error(Errc::bad_shape, fmt::format("'{}' has the size {}", p.name, p.size));
    if (!is_real(p.dtype) || p.dtype == DType::f64)
      throw Error(Errc::bad_dtype, fmt::format("'{}' is {}, expected fp32, bf16 or fp16", p.name, name_of(p.dtype)));
    if (p.size == 0) continue;
    if (!p.value || !p.gradient)
      throw Error(Errc::bad_argument, fmt::format("'{}' has no {}", p.name, p.value ? "gradient" : "value"));
    for (int k = 0; k < slots; ++k)
      if (!p.state[k]) throw Error(Errc::bad_argument, fmt::format("'{}' has no state {}", p.name, k));
  }
  check_overlaps(parameters, slots);
  return run_bind(parameters, slots);
}

void Backend::update(ParameterSet& parameters, const OptimizerSpec& optimizer, const AnySchedule& schedule,
                     StepState* state, const LossReport* gate) {
  require(state != nullptr, Errc::bad_argument, "the step state is missing");
  optimizer.check();
  Schedules::check(schedule);
  run_update(parameters, optimizer, schedule, state, gate);
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
    throw Error(Errc::bad_argument, fmt::format("{} weights are negative or not finite; the first is in row {}",
                                                report.bad_weights, report.first_bad_weight_row));
  if (raise_non_finite && report.nonfinite > 0)
    throw Error(Errc::non_finite, fmt::format("{} elements of the gradient are not finite", report.nonfinite));
}

}  // namespace fuselage
