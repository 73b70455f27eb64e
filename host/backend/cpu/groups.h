// Passes over groups of rows on the CPU's threads.
#pragma once

#include <vector>

#include "fuselage/fairness_pass.h"

namespace fuselage::cpu {

/// Owns the scratch memory of passes over groups, which grows to the largest pass and stays.
class GroupRunner {
 public:
  explicit GroupRunner(int threads) : threads_(threads) {}

  /// The batch is checked already.
  LossReport run(const AnyPenalty& penalty, const GroupBatch& batch);
  LossReport measure(const GroupMeasure& measure, const GroupBatch& batch, GroupSums* sums);

 private:
  /// Cells, weights and terms of all rows; fills the counts of the report. Calls also(row number, row, score) for rows
  /// that take part.
  template <class Also>
  LossReport take_rows(const PenaltyRule& rule, const GroupBatch& batch, int kinds, const Also& also);
  std::int64_t add_gradient(const PenaltyRule& rule, const GroupBatch& batch);
  /// Adds each of `kinds` arrays of terms_ by cells, into sums_[kind * cells + cell].
  void add_cells(std::int64_t rows, std::int64_t cells, int kinds);
  void add_chunk_of_cells(std::int64_t chunk, std::int64_t rows, std::int64_t cells, int kinds, int worker);

  int threads_;
  std::vector<std::int32_t> cell_;
  std::vector<double> terms_;  ///< [kinds, rows]
  std::vector<double> total_;  ///< of softmax rows
  std::vector<float> max_;
  std::vector<double> part_, sums_, coefficient_;
  std::vector<std::vector<std::int32_t>> sorted_;  ///< of each worker: the rows of a chunk by cells
};

}  // namespace fuselage::cpu
