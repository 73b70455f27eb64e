// An optimizer's tensors and groups in device memory, laid out once.
#pragma once

#include <algorithm>
#include <vector>

#include "fuselage/backend.h"
#include "host/backend/cuda/runtime.h"
#include "kernels/kernels.h"

namespace fuselage {

/// Tables of all tensors, of those of each rule, and of the groups.
class CudaParameters final : public ParameterSet {
 public:
  CudaParameters(std::span<const Parameter> list, std::span<const ParameterGroup> groups,
                 const GradientOptions& gradient)
      : groups_(groups.size() * sizeof(UpdateGroup)), prepared_(groups.size() * sizeof(PreparedGroup)) {
    gradient_.options = gradient;
    if (gradient.any())  // without a pass these are what every step uses
      gradient_.factors = upload(memory_.emplace_back(), std::vector(list.size(), gradient_factors(gradient, 1)));
    const std::vector<Tensor> all = tensors_of(list);
    all_ = Table(all);
    if (gradient.passes()) reserve_pass();
    const auto rule_of = [&](const Tensor& t) {
      return groups[static_cast<std::size_t>(t.group)].optimizer.rule.index();
    };
    for (std::size_t rule = 0; rule < Optimizers::size; ++rule) {
      std::vector<Tensor> own;
      std::copy_if(all.begin(), all.end(), std::back_inserter(own), [&](const auto& t) { return rule_of(t) == rule; });
      if (!own.empty()) add_rule(rule, own);
    }
    const std::vector<UpdateGroup> rows = rows_of(groups);
    cuda::check(cudaMemcpy(groups_.data(), rows.data(), groups_.bytes(), cudaMemcpyHostToDevice), kUploading);
    count_ = static_cast<std::int64_t>(rows.size());
    // A copy from ordinary memory may come back before it has arrived, and other streams do not wait for it.
    cuda::check(cudaStreamSynchronize(nullptr), kUploading);
  }

  const kernels::UpdateTable& table() const { return all_.table; }
  std::span<const kernels::UpdateRule> rules() const { return rules_; }
  kernels::UpdateScalars scalars(StepState* state, GroupState* states, const LossReport* gate) const {
    return {static_cast<const UpdateGroup*>(groups_.data()),
            static_cast<PreparedGroup*>(prepared_.data()),
            count_,
            state,
            states,
            gate,
            gradient_};
  }
  /// Queues the copy; the host's memory is read before this returns.
  void set_groups(std::span<const ParameterGroup> groups, cudaStream_t stream) {
    const std::vector<UpdateGroup> rows = rows_of(groups);
    cuda::check(cudaMemcpyAsync(groups_.data(), rows.data(), groups_.bytes(), cudaMemcpyHostToDevice, stream),
                kUploading);
  }

 private:
  static constexpr const char* kUploading = "uploading the tables of parameters";

  using Tensor = kernels::UpdateTensor;

  template <class T>
  static T* upload(cuda::DeviceMemory& memory, const std::vector<T>& values) {
    memory = cuda::DeviceMemory(values.size() * sizeof(T));
    if (!values.empty())
      cuda::check(cudaMemcpy(memory.data(), values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice),
                  kUploading);
    return static_cast<T*>(memory.data());
  }

  struct Table {
    cuda::DeviceMemory tensors, first_chunk;
    kernels::UpdateTable table;

    Table() = default;
    explicit Table(const std::vector<Tensor>& rows) {
      std::vector<std::int64_t> first{0};
      for (const Tensor& t : rows) first.push_back(first.back() + chunks_of(t.size));
      table = {upload(tensors, rows), upload(first_chunk, first), static_cast<std::int64_t>(rows.size()), first.back()};
    }
  };

  std::vector<Tensor> tensors_of(std::span<const Parameter> list) const {
    std::vector<Tensor> rows;
    for (const Parameter& p : list) {
      const GradientFactors* factors = gradient_.factors ? gradient_.factors + rows.size() : nullptr;
      Tensor t{p.value, p.gradient, {}, p.kept, factors, p.size, p.dtype, p.group};
      std::copy(std::begin(p.state), std::end(p.state), t.state);
      rows.push_back(t);
    }
    return rows;
  }

  static std::vector<UpdateGroup> rows_of(std::span<const ParameterGroup> groups) {
    return {groups.begin(), groups.end()};
  }

  template <class T>
  T* reserve(std::size_t count) {
    return static_cast<T*>(memory_.emplace_back(count * sizeof(T)).data());
  }
  template <class T>
  T* zeros(std::size_t count) {
    T* const data = reserve<T>(count);
    cuda::check(cudaMemset(data, 0, count * sizeof(T)), kUploading);
    return data;
  }

  void reserve_pass() {
    const auto chunks = static_cast<std::size_t>(all_.table.chunks), count = static_cast<std::size_t>(all_.table.count);
    gradient_.table = all_.table;
    gradient_.squares = reserve<double>(chunks);
    gradient_.of_tensors = reserve<double>(2 * count);
    gradient_.tickets = zeros<unsigned>(count + 1);
    gradient_.found = zeros<GradientFindings>(1);
  }

  void add_rule(std::size_t rule, const std::vector<Tensor>& list) {
    const Table& own = tables_.emplace_back(list);
    kernels::UpdateRule& row = rules_.emplace_back();
    row.rule = rule;
    row.table = own.table;
    if (!kDependsOnNorms[rule]) return;
    const auto chunks = static_cast<std::size_t>(own.table.chunks), count = list.size();
    row.squares = reserve<double>(2 * chunks);
    row.fitted = reserve<StepBytes>(count);
    row.tickets = zeros<unsigned>(count);
  }

  std::vector<cuda::DeviceMemory> memory_;
  kernels::GradientPass gradient_;
  Table all_;
  std::vector<Table> tables_;
  std::vector<kernels::UpdateRule> rules_;
  cuda::DeviceMemory groups_, prepared_;
  std::int64_t count_ = 0;
};

}  // namespace fuselage
