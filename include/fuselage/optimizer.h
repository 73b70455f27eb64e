// An optimizer: tensors in groups, the state that their rules keep, and the file that it goes to.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fuselage/backend.h"
#include "fuselage/data.h"

namespace fuselage {

/// A tensor to be moved, in device memory, packed. The memory stays the caller's.
struct Trainable {
  std::string name;
  void* value = nullptr;           ///< `dtype`
  const void* gradient = nullptr;  ///< `dtype`
  std::vector<std::int64_t> shape;
  DType dtype = DType::f32;  ///< fp32, bf16, fp16
  int group = 0;
};

/// Owns the state of its tensors: only what the groups' rules use, all of it 0 at first. The backend must outlive it,
/// and one thread at a time uses both.
///
///   Optimizer optimizer(*backend, tensors, {OptimizerSpec::parse("adamw:lr=3e-4")});
///   optimizer.step(report);   // after each backward pass
class Optimizer {
 public:
  /// Throws Error naming the tensor or the group: names twice, memory that overlaps or is missing, negative extents,
  /// types that are not fp32, bf16 or fp16, groups that are not there, fields out of their range.
  Optimizer(Backend& backend, std::span<const Trainable> tensors, std::span<const ParameterGroup> groups,
            const GradientOptions& gradient = {});
  Optimizer(Backend& backend, std::span<const Trainable> tensors, const ParameterGroup& group,
            const GradientOptions& gradient = {});

  /// Queues one step of every tensor; see Backend::update. `gate` is device memory, or null.
  void step(const LossReport* gate = nullptr) { backend_.update(*set_, steps(), group_states(), gate); }
  /// See Backend::observe.
  void observe(const double* value) { backend_.observe(*set_, group_states(), value); }
  /// See Backend::set_groups.
  void set_groups(std::span<const ParameterGroup> groups);
  const std::vector<ParameterGroup>& groups() const { return groups_; }
  const GradientOptions& gradient_options() const { return gradient_; }
  /// What the loss is to be multiplied by, as LossBatch::upstream: one number in device memory, which steps move; no
  /// view without a loss scale.
  ConstView loss_scale() const;
  /// Queues that steps move again after one has stopped (BadGradient::stop).
  void restart();

  /// Counters and the groups' rates and numbers, in device memory.
  StepState* steps() const { return steps_.as<StepState>(); }
  GroupState* group_states() const { return group_states_.as<GroupState>(); }
  /// The tensors with their state, which is null where it is not used.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// What the backend made of them, for its other passes.
  ParameterSet& set() { return *set_; }

  /// Everything that is needed to go on with the same bits, but for values and gradients. Waits for the device.
  ///   "NAME.state0" ...  fp32, the tensor's shape      "NAME.kept"        fp64 [1]
  ///   "optimizer.step"   i64 [2]: made, skipped        "optimizer.groups" fp64 [groups, 6 + kMaxMemory]:
  ///                                                     lr, memory, what a plateau keeps (schedule/plateau.h)
  ///   "optimizer.loss_scale" fp32 [1], "optimizer.good" i64 [1]  with a loss scale
  ///   "optimizer.stopped" i32 [1]                                where a gradient that is not finite stops
  /// metadata "optimizer.G": the rule of group G.
  TensorFile save() const;
  /// Takes over what save() gave. Throws Error(mismatch) that names the tensor or the group, and leaves everything as
  /// it is, when something is missing, of another type or shape, of another rule, or when there is more than that.
  /// Learning rates and other fields stay those of groups(). Waits for the device.
  void load(const TensorFile& file);

 private:
  struct Stored;
  std::vector<Stored> stored() const;

  Backend& backend_;
  std::vector<ParameterGroup> groups_;
  GradientOptions gradient_;
  std::vector<Parameter> parameters_;
  std::vector<std::vector<std::int64_t>> shapes_;
  Buffer steps_, group_states_, state_, kept_;
  std::unique_ptr<ParameterSet> set_;
};

}  // namespace fuselage
