// What a loss pass reads and writes: the inputs with every option that all losses share, and its report.
#pragma once

#include <cstdint>
#include <string_view>

#include "fuselage/core/view.h"

namespace fuselage {

/// How the outputs of a loss become one value, and what the gradient is the gradient of.
enum class Reduction : std::uint8_t {
  mean,             ///< sum of the weighted outputs, over the sum of the weights that count
  sum,              ///< sum of the weighted outputs
  mean_over_batch,  ///< sum of the weighted outputs, over the number of rows, counted or not
  none,             ///< no sum: `values` receives every weighted output, value is 0
};

constexpr std::string_view name_of(Reduction r) {
  constexpr std::string_view names[] = {"mean", "sum", "mean_over_batch", "none"};
  return names[static_cast<int>(r)];
}

/// What a bad label (a class outside [0, classes), a NaN target) means. It is counted and reported either way, and its
/// value and gradient are 0.
enum class BadLabels : std::uint8_t {
  error,   ///< a mistake: the step that has one changes nothing, and reading its report throws Error(bad_label).
           ///< Without weights, mask and ignore_index the divisor of `mean` then still counts the bad rows.
  ignore,  ///< as if masked: it counts in no divisor
};

/// What the pass measures beside the loss.
struct MetricRequest {
  bool accuracy = false;   ///< argmax against label (row losses), decision against target (binary losses)
  std::int32_t top_k = 0;  ///< row losses: rows whose label is among the k largest logits; 0 = not measured
  bool errors = false;     ///< pointwise losses: sums of |y - t| and (y - t)^2 over the elements that count

  bool any() const { return accuracy || top_k > 0 || errors; }
};

/// One loss pass. All views are borrowed and live where the backend's memory is. "Outputs" are the elements [rows,
/// cols] of a pointwise loss, or the rows [rows, 1] of a row loss.
struct LossBatch {
  ConstView prediction;    ///< [rows, cols], fp32, bf16 or fp16
  ConstView target;        ///< [rows, cols] of prediction's type or fp32; or [rows, 1] of an integer type: class labels
  ConstView weight;        ///< optional fp32 [rows, 1] or (pointwise) [rows, cols]; finite, >= 0
  ConstView mask;          ///< optional u8 [rows, 1] or (pointwise) [rows, cols]; 0 leaves the output out altogether
  ConstView class_weight;  ///< optional fp32 [1, cols], row losses; finite, >= 0
  ConstView upstream;  ///< optional fp32 gradient of what follows: [1, 1], or with Reduction::none one for each output
  View gradient;       ///< optional [rows, cols], prediction's type; may be prediction's memory exactly, not in part
  View values;         ///< optional fp32, one for each output: the weighted values, not divided
  Reduction reduction = Reduction::mean;
  BadLabels bad_labels = BadLabels::error;
  float scale = 1;  ///< multiplies the gradient (a loss scale)
  MetricRequest metrics;
};

/// What one pass found; written by the device, where a host reads it later.
struct LossReport {
  double value = 0;        ///< the reduced loss; 0 where nothing counts, and with Reduction::none
  double value_sum = 0;    ///< sum of the weighted outputs
  double weight_sum = 0;   ///< sum of the weights that count
  std::int64_t count = 0;  ///< outputs that count
  std::int64_t bad_labels = 0;
  std::int64_t first_bad_row = -1;
  double first_bad_label = 0;  ///< the label (or NaN) in that row
  std::int64_t nonfinite = 0;  ///< elements of the gradient that are not finite as stored; 0 where none is asked for
  std::int64_t correct = 0;    ///< outputs that are right; a row that its logits make NaN never is
  std::int64_t top_k_correct = 0;  ///< rows whose label is among the k largest
  double abs_error_sum = 0;        ///< sum of |y - t|, unweighted
  double squared_error_sum = 0;    ///< sum of (y - t)^2, unweighted
  bool rejected = false;           ///< nonfinite, or bad labels that are an error: an update gated by this does nothing
};

}  // namespace fuselage
