// Several losses as one: a weighted sum over outputs of a model, with fixed weights or learned ones; and the penalties
// on parameters that an update applies, as numbers to report beside the loss.
#pragma once

#include <cstddef>
#include <span>
#include <variant>

#include "fuselage/backend.h"
#include "fuselage/custom_loss.h"
#include "fuselage/memory.h"
#include "fuselage/term_pass.h"

namespace fuselage {

/// One loss of a sum. Its batch is as for Backend::loss(), but for three things: `upstream` and `scale` are the sum's,
/// and Reduction::none has no place. Terms may share a gradient: it becomes the sum of theirs, each rounded to the
/// prediction's type before it is added, in the order of the terms. Otherwise a term neither reads nor writes what an
/// earlier one has written.
struct LossTerm {
  std::variant<AnyLoss, CustomLoss> loss;
  LossBatch batch;
  double weight = 1;  ///< finite, >= 0
};

/// The value of a sum of n losses L_i, each with its divisor:
///   with fixed weights    sum_i w_i L_i
///   with learned ones     sum_i (w_i exp(-s_i) L_i + s_i/2), s_i = log sigma_i^2
/// where the s_i are parameters like others: fp32 in device memory, with the gradient 1/2 - w_i exp(-s_i) L_i. With w =
/// 1/2 for a squared error and 1 for a cross-entropy this is the likelihood of Kendall, Gal and Cipolla, CVPR 2018.
///
/// Owns the memory that its passes need; borrows the backend. After the first run with given shapes nothing allocates.
class CombinedLoss {
 public:
  CombinedLoss(Backend& backend, std::size_t terms);

  /// Queues the passes of all terms. `log_variances` and `log_variance_gradient` are fp32 [terms] in device memory,
  /// both null for fixed weights. `total` (device memory) receives the sum: value, and of all terms together what is
  /// bad, not finite and rejected, so that it can gate an update. Every gradient is multiplied by `scale`.
  void run(std::span<const LossTerm> terms, LossReport* total, float scale = 1, const float* log_variances = nullptr,
           float* log_variance_gradient = nullptr);

  /// The terms' own reports, in device memory; their values are L_i.
  const LossReport* reports() const { return static_cast<const LossReport*>(reports_.data()); }

 private:
  Backend* backend_;
  std::size_t count_;
  Buffer reports_, factors_;
  Buffer shared_gradient_;  ///< of a term whose gradient an earlier one has written
};

/// What the options of an update add to the loss that it descends on: l1 sum |p| + l2/2 sum p^2. Elastic net has both.
inline double regularisation(const UpdateOptions& options, const ParameterNorms& norms) {
  return options.l1 * norms.l1 + 0.5 * options.l2 * norms.squared_l2;
}

}  // namespace fuselage
