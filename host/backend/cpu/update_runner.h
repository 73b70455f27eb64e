// Optimizer steps on the CPU's threads.
#pragma once

#include <vector>

#include "fuselage/backend.h"
#include "host/backend/cpu/target.h"

namespace fuselage::cpu {

/// An optimizer's tensors, cut into runs of kUpdateRun elements, and its groups.
class Parameters final : public ParameterSet {
 public:
  Parameters(std::span<const Parameter> list, std::span<const ParameterGroup> list_of_groups,
             const GradientOptions& options);
  void set_groups(std::span<const ParameterGroup> list) { groups = {list.begin(), list.end()}; }

  /// Whether the tensor's rule depends on norms.
  bool measured(const Parameter& p) const {
    return kDependsOnNorms[static_cast<std::size_t>(groups[static_cast<std::size_t>(p.group)].rule.index())];
  }

  std::vector<Parameter> tensors;
  std::vector<UpdateGroup> groups;
  std::vector<PreparedGroup> prepared;
  std::vector<std::int64_t> first_run;    ///< [tensors + 1], as tensor_of_chunk wants it
  std::vector<std::int64_t> first_chunk;  ///< likewise, of the tensors of which norms are measured
  std::vector<ChunkSquares> squares;      ///< one for each such chunk
  std::vector<StepBytes> fitted;          ///< [tensors], where norms are measured; else empty
  GradientOptions gradient;
  std::vector<GradientFactors> factors;      ///< [tensors], where something happens to gradients; else empty
  std::vector<std::int64_t> first_gradient;  ///< as first_chunk, of all tensors, where gradients are looked at
  std::vector<double> gradient_squares;      ///< one for each such chunk
  std::vector<double> tensor_squares;        ///< [tensors]
};

/// Looks at all gradients and leaves the factors of their tensors.
GradientFindings look_at_gradients(const Target& target, Parameters& set, float loss_scale, int threads);
/// See Backend::update.
void update(const Target& target, Parameters& set, StepState& state, GroupState* groups, const LossReport* gate,
            int threads);
/// See Backend::observe.
void observe(const Parameters& set, GroupState* groups, double value);

}  // namespace fuselage::cpu
