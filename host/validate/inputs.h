// The problems of the validation: every option on every kind of shape, with inputs that are a function of the seed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "host/validate/changes.h"
#include "host/validate/problem.h"

namespace fuselage::validate {

/// Calls f with each problem of a loss whose predictions are stored as `type`; `entry` has its defaults.
void for_each_problem(const AnyLoss& entry, DType type, bool quick, std::uint64_t seed,
                      const std::function<void(const LossProblem&)>& f);

/// A problem that asks for nothing but the loss, with its defaults, as one that other libraries can be asked too: each
/// output by itself, without metrics. None of others, and of losses without outputs of their own.
std::optional<LossProblem> plain(const LossProblem& problem);

/// What distinguishes the inputs of a problem from others, put after `before`.
std::uint64_t digest(std::uint64_t before, const LossProblem& problem);

/// Calls f with each problem of an optimizer.
void for_each_problem(const AnyOptimizer& entry, DType type, bool quick, std::uint64_t seed,
                      const std::function<void(const StepProblem&)>& f);

}  // namespace fuselage::validate
