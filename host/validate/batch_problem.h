// Losses over all pairs of rows, and penalties on groups of rows, as plain host data, and what became of them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fuselage/array.h"
#include "fuselage/backend.h"
#include "fuselage/pair_losses.h"
#include "host/validate/compare.h"

namespace fuselage::validate {

/// Everything that InfoNceBatch and TripletBatch borrow, owned.
struct PairProblem {
  std::string text;
  PairLosses::Any loss;
  Array a, b;    ///< [rows, cols]; b of info_nce
  Array labels;  ///< [rows] i32, of batch_triplet
  std::optional<Array> weight, mask;
  float scale = 1, upstream = 1;
};

/// Everything that GroupBatch borrows, owned.
struct PenaltyProblem {
  std::string text;
  AnyPenalty penalty;
  Array prediction;  ///< [rows, cols]
  Array group;       ///< [rows] i32
  std::optional<Array> target, weight, mask;
  std::int64_t groups = 0;
  std::vector<double> q;
  float scale = 1, upstream = 1;
};

struct BatchSolution {
  LossReport report;
  Array gradient[2];  ///< by prediction or a, and by b; empty where there is none
  std::vector<double> q;
};

BatchSolution solve(Backend& backend, const PairProblem& problem);
BatchSolution solve(Backend& backend, const PenaltyProblem& problem);

/// Calls f with each problem of an entry with its defaults, and with each field changed.
void for_each_problem(const PairLosses::Any& entry, DType type, bool quick, std::uint64_t seed,
                      const std::function<void(const PairProblem&)>& f);
void for_each_problem(const AnyPenalty& entry, DType type, bool quick, std::uint64_t seed,
                      const std::function<void(const PenaltyProblem&)>& f);

/// Judges a solution by the reference.
void compare(const PairProblem& problem, const BatchSolution& got, Findings& findings);
void compare(const PenaltyProblem& problem, const BatchSolution& got, Findings& findings);

std::string difference(const BatchSolution& a, const BatchSolution& b);

/// Whether backends give the same bits: what consists of matrix products, which are outside that promise, is judged
/// by the reference on each of them.
bool has_products(const PairLosses::Any& loss);

}  // namespace fuselage::validate
