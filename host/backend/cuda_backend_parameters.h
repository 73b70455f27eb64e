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
  CudaParameters(std::span<const Parameter> list, std::span<const ParameterGroup> groups)
      : all_(list), groups_(groups.size() * sizeof(UpdateGroup)), prepared_(groups.size() * sizeof(PreparedGroup)) {
    const auto rule_of = [&](const Parameter& p) {
      return groups[static_cast<std::size_t>(p.group)].optimizer.rule.index();
    };
    for (std::size_t rule = 0; rule < Optimizers::size; ++rule) {
      std::vector<Parameter> own;
      std::copy_if(list.begin(), list.end(), std::back_inserter(own),
                   [&](const auto& p) { return rule_of(p) == rule; });
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
            gate};
  }
  /// Queues the copy; the host's memory is read before this returns.
  void set_groups(std::span<const ParameterGroup> groups, cudaStream_t stream) {
    const std::vector<UpdateGroup> rows = rows_of(groups);
    cuda::check(cudaMemcpyAsync(groups_.data(), rows.data(), groups_.bytes(), cudaMemcpyHostToDevice, stream),
                kUploading);
  }

 private:
  static constexpr const char* kUploading = "uploading the tables of parameters";

  struct Table {
    cuda::DeviceMemory tensors, first_chunk;
    kernels::UpdateTable table;

    explicit Table(std::span<const Parameter> list) {
      std::vector<kernels::UpdateTensor> rows;
      std::vector<std::int64_t> first{0};
      for (const Parameter& p : list) {
        kernels::UpdateTensor t{p.value, p.gradient, {}, p.kept, p.size, p.dtype, p.group};
        std::copy(std::begin(p.state), std::end(p.state), t.state);
        rows.push_back(t);
        first.push_back(first.back() + chunks_of(p.size));
      }
      table = {upload(tensors, rows), upload(first_chunk, first), static_cast<std::int64_t>(rows.size()), first.back()};
    }
    template <class T>
    static const T* upload(cuda::DeviceMemory& memory, const std::vector<T>& values) {
      memory = cuda::DeviceMemory(values.size() * sizeof(T));
      if (!values.empty())
        cuda::check(cudaMemcpy(memory.data(), values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice),
                    kUploading);
      return static_cast<const T*>(memory.data());
    }
  };

  static std::vector<UpdateGroup> rows_of(std::span<const ParameterGroup> groups) {
    return {groups.begin(), groups.end()};
  }

  void add_rule(std::size_t rule, std::span<const Parameter> list) {
    const Table& own = tables_.emplace_back(list);
    kernels::UpdateRule& row = rules_.emplace_back();
    row.rule = rule;
    row.table = own.table;
    if (!kDependsOnNorms[rule]) return;
    const auto memory = [&](std::size_t bytes) { return memory_.emplace_back(bytes).data(); };
    const auto chunks = static_cast<std::size_t>(own.table.chunks), count = list.size();
    row.squares = static_cast<double*>(memory(2 * chunks * sizeof(double)));
    row.fitted = static_cast<StepBytes*>(memory(count * sizeof(StepBytes)));
    row.tickets = static_cast<unsigned*>(memory(count * sizeof(unsigned)));
    cuda::check(cudaMemset(row.tickets, 0, count * sizeof(unsigned)), kUploading);
  }

  Table all_;
  std::vector<Table> tables_;
  std::vector<cuda::DeviceMemory> memory_;
  std::vector<kernels::UpdateRule> rules_;
  cuda::DeviceMemory groups_, prepared_;
  std::int64_t count_ = 0;
};

}  // namespace fuselage
