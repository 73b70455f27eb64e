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

 private:
  LossReport run_pointwise(const void* loss, const PointwiseFn (&by_type)[kTypes], const LossBatch& batch);
  LossReport run_softmax(const loss::SoftmaxCrossEntropy& loss, const LossBatch& batch);
  double pointwise_weight_sum(const LossBatch& batch);
  double row_weight_sum(const SoftmaxPass& pass);
  RowScratch scratch_of(int worker, std::int64_t cols);
  Counts total() const;

  int threads_;
  const Target& target_;
  std::vector<double> value_, abs_error_, squared_error_;
  std::vector<float> class_weight_;
  struct alignas(128) WorkerCounts : Counts {};
  std::vector<WorkerCounts> counts_;
  std::vector<std::vector<float>> rows_;
  std::vector<std::vector<std::byte>> chunks_;
};

}  // namespace fuselage::cpu
