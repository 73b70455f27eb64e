// Runs one loss pass on the CPU's threads: the weight pass, the drivers, the sums, the report.
#pragma once

#include <vector>

#include "fuselage/core/softmax.h"
#include "fuselage/losses.h"
#include "host/backend/cpu/target.h"

namespace fuselage::cpu {

/// Owns the scratch memory of loss passes, which grows to the largest pass and stays.
class LossRunner {
 public:
  LossRunner(int threads, const Target& target) : threads_(threads), target_(target) {}

  /// The batch is checked already.
  LossReport run(const AnyLoss& loss, const LossBatch& batch);
  /// The same for a loss that `tiles` knows, which `loss` points to.
  LossReport run(const void* loss, const TileFns& tiles, const LossTraits& traits, const LossBatch& batch);

 private:
  LossReport run_pointwise(const void* loss, const TileFns& tiles, const LossTraits& traits, const LossBatch& batch);
  LossReport run_softmax(const loss::SoftmaxCrossEntropy& loss, const LossBatch& batch);
  /// Runs `fn` over all chunks of a pass, and adds up what it counts.
  Counts run_chunks(PointwiseFn fn, const PointwisePass& pass);
  template <class L>
  LossReport run_rows(const L& loss, RowSumsFn run, const LossBatch& batch);
  LossReport run_row_pass(RowSumsPass& pass);
  template <class Row>
  double weigh_rows(const LossBatch& batch, const float* class_weight, LossReport& report, const Row& row);
  RowSumsScratch row_pass_scratch(int worker, std::int64_t cols);
  RowScratch scratch_of(int worker, std::int64_t cols);
  Counts total() const;

  int threads_;
  const Target& target_;
  std::vector<double> value_, abs_error_, squared_error_, spread_, spread_squared_;
  std::vector<float> class_weight_;
  struct alignas(128) WorkerCounts : Counts {};
  std::vector<WorkerCounts> counts_;
  std::vector<std::vector<float>> rows_;
  std::vector<std::vector<std::byte>> chunks_;
};

}  // namespace fuselage::cpu
