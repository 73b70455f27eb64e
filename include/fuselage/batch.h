// What a loss pass reads and writes: the inputs with every option that all losses share, and its report.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "fuselage/core/view.h"

namespace fuselage {

/// How the outputs of a loss become one value, and what the gradient is the gradient of.
enum class Reduction : std::uint8_t {
  mean,               ///< sum of the weighted outputs, over the sum of the weights that count
  sum,                ///< sum of the weighted outputs
  mean_over_batch,    ///< sum of the weighted outputs, over the number of rows, counted or not
  none,               ///< no sum: `values` receives every weighted output, value is 0
  mean_over_outputs,  ///< sum of the weighted outputs, over their number, counted or not
  mean_over_counted,  ///< sum of the weighted outputs, over the number of those that count, whatever they weigh
};

constexpr std::array<std::string_view, 6> names_of(Reduction) {
  return {"mean", "sum", "mean_over_batch", "none", "mean_over_outputs", "mean_over_counted"};
}
constexpr std::string_view name_of(Reduction r) { return names_of(r)[static_cast<std::size_t>(r)]; }

/// What a bad label (a class outside [0, classes), a NaN target, one outside the loss's domain) means. It is counted
/// and reported either way, and its value and gradient are 0.
enum class BadLabels : std::uint8_t {
  error,   ///< a mistake: the step that has one changes nothing, and reading its report throws Error(bad_label).
           ///< Without weights, mask and ignore_index the divisor of `mean` then still counts the bad rows.
  ignore,  ///< as if masked: it counts in no divisor
};

/// What the pass measures beside the loss; what a loss does not have is refused.
struct MetricRequest {
  bool accuracy = false;   ///< argmax against label (row losses), decision against target (binary losses)
  bool decisions = false;  ///< binary losses: what precision, recall and F1 follow from (binary_scores())
  std::int32_t top_k = 0;  ///< row losses: rows whose label is among the k largest logits; 0 = not measured
  bool errors = false;     ///< pointwise losses: sums of |y - t| and (y - t)^2 over the elements that count
  bool targets = false;    ///< pointwise losses: sums of t and t^2, from which R^2 follows (r_squared())
  /// Losses of classes: i64 [classes, classes]; each row that counts adds 1 at (label, argmax). metric/confusion.h.
  View confusion{};
  /// Those whose rows have probabilities (LossTraits::probabilities): i64 [bins, 3]; each row that counts adds 1,
  /// whether it is right, and its greatest probability p in units of 2^-32 to bin min(floor(p bins), bins - 1).
  /// metric/calibration.h. A row that its predictions make NaN adds to neither; the label of dense targets is the first
  /// of the largest, and argmax the first of equals.
  View calibration{};

  bool tallies() const { return confusion || calibration; }
  /// Whether the order of a row's predictions matters.
  bool ranks() const { return accuracy || top_k > 0 || tallies(); }
  bool any() const { return ranks() || decisions || errors || targets; }
};

/// One loss pass. All views are borrowed and live where the backend's memory is. "Outputs" are the elements [rows,
/// cols] of a pointwise loss, or the rows [rows, 1] of a row loss.
struct LossBatch {
  ConstView prediction;     ///< [rows, cols], fp32, bf16 or fp16
  ConstView second, third;  ///< further inputs of losses that have them, of the prediction's shape and type
  ConstView target;  ///< [rows, cols] of prediction's type or fp32; or [rows, 1] of an integer type: class labels
  ConstView weight;  ///< optional fp32 [rows, 1] or (pointwise) [rows, cols]; finite, >= 0
  ConstView mask;    ///< optional u8 [rows, 1] or (pointwise) [rows, cols]; 0 leaves the output out altogether
  /// Optional, row losses: i32 or i64 [sequences, 1]. The rows are sequences of rows/sequences steps; row r counts
  /// where its step is below its sequence's length, and is not looked at elsewhere. A length below 0 or above the steps
  /// is a bad label of the sequence's first row, whatever its mask, and the sequence is left out.
  ConstView lengths;
  ConstView class_weight;  ///< optional fp32 [1, cols], row losses; finite, >= 0
  ConstView upstream;  ///< optional fp32 gradient of what follows: [1, 1], or with Reduction::none one for each output
  View gradient;       ///< optional [rows, cols], prediction's type; may be prediction's memory exactly, not in part
  View second_gradient, third_gradient;  ///< likewise, by the further inputs
  View values;                           ///< optional fp32, one for each output: the weighted values, not divided
  Reduction reduction = Reduction::mean;
  BadLabels bad_labels = BadLabels::error;
  float scale = 1;     ///< multiplies the gradient (a loss scale)
  double divisor = 0;  ///< of the means, in place of their own; 0: their own
  MetricRequest metrics;
};

/// What one pass found; written by the device, where a host reads it later.
struct LossReport {
  double value = 0;        ///< the reduced loss; 0 where nothing counts, and with Reduction::none
  double value_sum = 0;    ///< sum of the weighted outputs
  double weight_sum = 0;   ///< sum of the weights that count; with mean_over_counted each of them is taken for 1
  std::int64_t count = 0;  ///< outputs that count
  std::int64_t bad_labels = 0;
  std::int64_t first_bad_row = -1;
  double first_bad_label = 0;    ///< the label or target there
  std::int64_t bad_weights = 0;  ///< outputs whose weight is negative or not finite: left out, and always an error
  std::int64_t first_bad_weight_row = -1;
  double first_bad_weight = 0;  ///< the weight there, or where that is good the class weight
  std::int64_t nonfinite = 0;   ///< elements of the gradient that are not finite as stored; 0 where none is asked for
  std::int64_t correct = 0;     ///< outputs that are right; a row that its logits make NaN never is
  std::int64_t positives = 0;   ///< binary losses, with decisions or accuracy: outputs whose target is a yes
  std::int64_t chosen = 0;      ///< likewise: outputs whose prediction is a yes
  std::int64_t hits = 0;        ///< likewise: both
  std::int64_t top_k_correct = 0;  ///< rows whose label is among the k largest
  double abs_error_sum = 0;        ///< sum of |y - t|, unweighted
  double squared_error_sum = 0;    ///< sum of (y - t)^2, unweighted
  double target_shift = 0;         ///< the pass's first target where it is finite, else 0
  double target_sum = 0;           ///< sum of t - target_shift over what counts, unweighted
  double target_squared_sum = 0;   ///< sum of (t - target_shift)^2 likewise
  bool rejected =
      false;  ///< nonfinite, bad weights, or bad labels that are an error: an update gated by this does nothing
};

/// 1 - (sum of (y - t)^2)/(sum of (t - mean of t)^2) of a pass that measured errors and targets; NaN where the targets
/// are all the same.
inline double r_squared(const LossReport& report) {
  const double n = static_cast<double>(report.count);
  const double spread = report.target_squared_sum - report.target_sum * report.target_sum / n;
  return spread > 0 ? 1 - report.squared_error_sum / spread : __builtin_nan("");
}

}  // namespace fuselage
