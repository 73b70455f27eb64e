// Where optimizers go in a hundred steps: what tests/oracle/trajectories.py stored of other libraries, and the same by
// the reference and by the definitions themselves.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fuselage/optimizers.h"

namespace fuselage::test {

using Doubles = std::vector<double>;

/// What all trajectories have in common. Every number is a float.
struct TrajectoryInputs {
  std::vector<std::int64_t> stored;             ///< the steps, from 1, after which parameters are stored
  std::map<std::string, Doubles> rates;         ///< factors of the learning rate, one a step
  std::vector<Doubles> start;                   ///< of each tensor
  std::vector<std::vector<Doubles>> gradients;  ///< of each step and tensor

  Doubles starts() const;  ///< of all tensors in a row
};

/// A peer's trajectory.
struct TrajectoryCase {
  std::string rule;  ///< the text of the optimizer here
  std::string peer, call;
  std::string rates;                ///< which of the inputs' rates; empty: the rate stays as it is
  std::string compat;               ///< the peer's name of it without options; empty: it has options
  std::vector<Doubles> parameters;  ///< at the steps stored, of all tensors in a row

  std::string text() const;
};

const TrajectoryInputs& trajectory_inputs();

/// The cases by the name of the rule.
std::map<std::string, std::vector<TrajectoryCase>> read_trajectories();

/// The parameters of all tensors in a row at the steps stored, by the reference in double.
std::vector<Doubles> reference_trajectory(const OptimizerSpec& optimizer, const std::string& rates);

/// The same by the definition's own functions in float, norms in double.
std::vector<Doubles> definition_trajectory(const OptimizerSpec& optimizer, const std::string& rates);

}  // namespace fuselage::test
