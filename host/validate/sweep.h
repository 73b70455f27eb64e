// The sweep: every problem of an entry, solved by everybody, compared.
#pragma once

#include <vector>

#include "fuselage/pair_losses.h"
#include "fuselage/validate.h"
#include "host/validate/problem.h"

namespace fuselage::validate {

/// What solves with this backend; keeps it alive.
Solver solver_of(std::string name, std::shared_ptr<Backend> backend);

/// The solvers that a device name stands for; see ValidateOptions::device.
std::vector<Solver> solvers_for(std::string_view device);

/// A row of the report. The first solver is compared with the reference, the others with the first by bits, and with
/// the reference as well where they differ from it.
ValidationRow check_loss(const AnyLoss& entry, DType type, const std::vector<Solver>& solvers, bool quick,
                         std::uint64_t seed);
ValidationRow check_optimizer(const AnyOptimizer& entry, DType type, const std::vector<Solver>& solvers, bool quick,
                              std::uint64_t seed);
ValidationRow check_pairs(const PairLosses::Any& entry, DType type, const std::vector<Solver>& solvers, bool quick,
                          std::uint64_t seed);
/// Without cases where the penalty is on the values of rows, which are fp32, and the type is another.
ValidationRow check_penalty(const AnyPenalty& entry, DType type, const std::vector<Solver>& solvers, bool quick,
                            std::uint64_t seed);

}  // namespace fuselage::validate
