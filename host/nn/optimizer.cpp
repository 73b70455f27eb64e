// The state of an optimizer: its memory and its file.
#include "fuselage/optimizer.h"

#include <fmt/format.h>

#include <cstddef>
#include <set>

#include "fuselage/core/partition.h"

namespace fuselage {
namespace {

constexpr std::int64_t kAlignment = 64;  ///< floats: 256 bytes
constexpr std::int64_t kGroupNumbers = 6 + optim::kMaxMemory;
static_assert(sizeof(GroupState) == kGroupNumbers * sizeof(double));

std::int64_t size_of_shape(const Trainable& tensor) {
  std::int64_t size = 1;
  for (const std::int64_t extent : tensor.shape) {
    if (extent < 0) throw Error(Errc::bad_shape, fmt::format("'{}' has the extent {}", tensor.name, extent));
    if (__builtin_mul_overflow(size, extent, &size))
      throw Error(Errc::bad_shape, fmt::format("'{}' has more elements than 64 bits count", tensor.name));
  }
  return size;
}

std::string group_key(std::size_t group) { return fmt::format("optimizer.{}", group); }
std::string shape_text(const std::vector<std::int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }
std::string rule_of(const ParameterGroup& group) { return std::string(Optimizers::name_of(group.optimizer.rule)); }

}  // namespace

/// A tensor of the file, and where it lies on the device.
struct Optimizer::Stored {
  std::string name;
  DType type;
  std::vector<std::int64_t> shape;
  void* data;
};

Optimizer::Optimizer(Backend& backend, std::span<const Trainable> tensors, std::span<const ParameterGroup> groups,
                     const GradientOptions& gradient)
    : backend_(backend), groups_(groups.begin(), groups.end()), gradient_(gradient) {
  std::int64_t floats = 0;
  const auto used_by = [&](const Trainable& t) -> const AnyOptimizer& {
    if (t.group < 0 || static_cast<std::size_t>(t.group) >= groups_.size())
      throw Error(Errc::bad_argument,
                  fmt::format("'{}' is in group {}, and there are {}", t.name, t.group, groups_.size()));
    return groups_[static_cast<std::size_t>(t.group)].optimizer.rule;
  };
  std::vector<std::int64_t> offsets;
  for (const Trainable& tensor : tensors) {
    Parameter p{tensor.name, tensor.value, tensor.gradient, {}, size_of_shape(tensor), tensor.dtype, tensor.group};
    const unsigned used = slots_used_by(used_by(tensor));
    for (unsigned k = 0; k < optim::kMaxSlots; ++k) {
      offsets.push_back(used >> k & 1 ? floats : -1);
      if (used >> k & 1) floats += ceil_div(p.size, kAlignment) * kAlignment;
    }
    parameters_.push_back(std::move(p));
    shapes_.push_back(tensor.shape);
  }
  const auto zeros = [&](std::size_t bytes) {
    Buffer buffer(backend_, bytes);
    backend_.zero(buffer.data(), buffer.bytes());
    return buffer;
  };
  steps_ = zeros(sizeof(StepState));
  group_states_ = zeros(groups_.size() * sizeof(GroupState));
  state_ = zeros(static_cast<std::size_t>(floats) * sizeof(float));
  kept_ = zeros(parameters_.size() * sizeof(double));
  for (std::size_t t = 0; t < parameters_.size(); ++t) {
    Parameter& p = parameters_[t];
    for (std::size_t k = 0; k < optim::kMaxSlots; ++k)
      if (const std::int64_t at = offsets[t * optim::kMaxSlots + k]; at >= 0) p.state[k] = state_.as<float>() + at;
    if (keeps_a_number(used_by(tensors[t]))) p.kept = kept_.as<double>() + t;
  }
  set_ = backend_.bind(parameters_, groups_, gradient_);
  const float scale = static_cast<float>(gradient_.loss_scale);
  backend_.copy(&steps()->loss_scale, &scale, sizeof scale);
}

Optimizer::Optimizer(Backend& backend, std::span<const Trainable> tensors, const ParameterGroup& group,
                     const GradientOptions& gradient)
    : Optimizer(backend, tensors, std::span(&group, 1), gradient) {}

ConstView Optimizer::loss_scale() const {
  return gradient_.loss_scale > 0 ? ConstView(&steps()->loss_scale, 1) : ConstView();
}

void Optimizer::restart() { backend_.zero(&steps()->stopped, sizeof(StepState::stopped)); }

void Optimizer::set_groups(std::span<const ParameterGroup> groups) {
  backend_.set_groups(*set_, groups);
  groups_.assign(groups.begin(), groups.end());
}

std::vector<Optimizer::Stored> Optimizer::stored() const {
  std::vector<Stored> list{
      {"optimizer.groups", DType::f64, {static_cast<std::int64_t>(groups_.size()), kGroupNumbers}, group_states()},
      {"optimizer.step", DType::i64, {2}, steps()}};
  if (gradient_.loss_scale > 0) {
    list.push_back({"optimizer.loss_scale", DType::f32, {1}, &steps()->loss_scale});
    list.push_back({"optimizer.good", DType::i64, {1}, &steps()->good});
  }
  if (gradient_.nonfinite == BadGradient::stop)
    list.push_back({"optimizer.stopped", DType::i32, {1}, &steps()->stopped});
  for (std::size_t t = 0; t < parameters_.size(); ++t) {
    const Parameter& p = parameters_[t];
    for (int k = 0; k < optim::kMaxSlots; ++k)
      if (p.state[k]) list.push_back({fmt::format("{}.state{}", p.name, k), DType::f32, shapes_[t], p.state[k]});
    if (p.kept) list.push_back({p.name + ".kept", DType::f64, {1}, p.kept});
  }
  return list;
}

TensorFile Optimizer::save() const {
  static_assert(offsetof(StepState, step) == 0 && offsetof(StepState, skipped) == sizeof(std::int64_t));
  TensorFile file;
  for (const Stored& tensor : stored()) {
    Array array = Array::uninitialized(tensor.type, tensor.shape);
    backend_.copy(array.data(), tensor.data, static_cast<std::size_t>(array.bytes()));
    file.tensors.emplace_back(tensor.name, std::move(array));
  }
  for (std::size_t g = 0; g < groups_.size(); ++g) file.metadata[group_key(g)] = groups_[g].optimizer.to_string();
  backend_.synchronize();
  return file;
}

void Optimizer::load(const TensorFile& file) {
  const std::vector<Stored> wanted = stored();
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const auto written = file.metadata.find(group_key(g));
    if (written == file.metadata.end())
      throw Error(Errc::mismatch, fmt::format("the state says nothing of group {}", g));
    const std::string rule = written->second.substr(0, written->second.find(':'));
    if (rule != rule_of(groups_[g]))
      throw Error(Errc::mismatch,
                  fmt::format("the state of group {} is of {}, the group has {}", g, rule, rule_of(groups_[g])));
  }
  if (file.metadata.count(group_key(groups_.size())))
    throw Error(Errc::mismatch, fmt::format("the state has more groups than {}", groups_.size()));
  std::set<std::string_view> known;
  for (const Stored& tensor : wanted) {
    known.insert(tensor.name);
    const Array* found = file.find(tensor.name);
    if (!found) throw Error(Errc::mismatch, fmt::format("the state has no tensor '{}'", tensor.name));
    if (found->dtype() != tensor.type || found->shape() != tensor.shape)
      throw Error(Errc::mismatch,
                  fmt::format("the state's tensor '{}' is {} {}, expected {} {}", tensor.name, name_of(found->dtype()),
                              shape_text(found->shape()), name_of(tensor.type), shape_text(tensor.shape)));
  }
  for (const auto& [name, array] : file.tensors)
    if (!known.count(name))
      throw Error(Errc::mismatch, fmt::format("the state has a tensor '{}', which no parameter has", name));
  for (const std::int64_t count : file.at("optimizer.step").as<std::int64_t>())
    if (count < 0) throw Error(Errc::mismatch, fmt::format("the state's 'optimizer.step' holds {}", count));
  if (gradient_.loss_scale > 0) {
    const float scale = file.at("optimizer.loss_scale").as<float>()[0];
    // The device keeps a float, which may lie beyond a bound by its rounding.
    if (!(scale >= static_cast<float>(gradient_.least_scale) && scale <= static_cast<float>(gradient_.greatest_scale)))
      throw Error(Errc::mismatch, fmt::format("the state's 'optimizer.loss_scale' is {}, outside [{}, {}]", scale,
                                              gradient_.least_scale, gradient_.greatest_scale));
    if (const auto good = file.at("optimizer.good").as<std::int64_t>()[0]; good < 0)
      throw Error(Errc::mismatch, fmt::format("the state's 'optimizer.good' holds {}", good));
  }

  backend_.synchronize();
  for (const Stored& tensor : wanted) {
    const Array& array = file.at(tensor.name);
    backend_.copy(tensor.data, array.data(), static_cast<std::size_t>(array.bytes()));
  }
  backend_.copy(&steps()->lr, &group_states()->lr, groups_.empty() ? 0 : sizeof(double));
  backend_.synchronize();
}

}  // namespace fuselage
