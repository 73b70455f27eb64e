// What a training run measured: scores, epochs, and the sums they come from.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fuselage/batch.h"
#include "fuselage/metrics.h"

namespace fuselage {

/// Loss and metrics over a set of samples: quotients of sums over all of them, so the last, smaller batch counts for
/// what it is.
struct Scores {
  double loss = 0;              ///< sum of the weighted losses over the sum of the weights; 0 where nothing counts
  std::vector<double> metrics;  ///< in the order of the trainer's metrics
  std::int64_t nonfinite = 0;   ///< elements of gradients that were not finite; those batches are not in the sums
  friend bool operator==(const Scores&, const Scores&) = default;
};

/// Adds what one batch reported. A batch whose gradient is not finite only adds to `nonfinite`.
void add_report(LossReport& total, const LossReport& batch);
/// Scores from sums.
Scores scores_of(const LossReport& total, const std::vector<AnyMetric>& metrics);

/// One line of the history.
struct EpochRecord {
  std::int64_t epoch = 0;    ///< the first is 1
  std::int64_t step = 0;     ///< updates so far
  std::int64_t skipped = 0;  ///< steps so far that changed nothing
  double lr = 0;             ///< of the last update
  Scores train;              ///< means over the epoch's batches, each measured before its update
  std::optional<Scores> test;
  double seconds = 0;             ///< of the epoch, its evaluation included
  double samples_per_second = 0;  ///< of the epoch's training part

  /// Equal in all but the times.
  bool same_numbers(const EpochRecord& other) const {
    return epoch == other.epoch && step == other.step && skipped == other.skipped && lr == other.lr &&
           train == other.train && test == other.test;
  }
};

using History = std::vector<EpochRecord>;

}  // namespace fuselage
