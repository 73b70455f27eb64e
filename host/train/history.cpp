// Sums of reports, and the scores that follow from them.
#include "fuselage/history.h"

namespace fuselage {

void add_report(LossReport& total, const LossReport& batch) {
  total.nonfinite += batch.nonfinite;
  total.bad_labels += batch.bad_labels;
  if (batch.nonfinite > 0 || batch.bad_labels > 0) return;
  total.value_sum += batch.value_sum;
  total.weight_sum += batch.weight_sum;
  total.count += batch.count;
  total.correct += batch.correct;
  total.top_k_correct += batch.top_k_correct;
  total.abs_error_sum += batch.abs_error_sum;
  total.squared_error_sum += batch.squared_error_sum;
}

Scores scores_of(const LossReport& total, const std::vector<AnyMetric>& metrics) {
  Scores scores;
  scores.loss = total.weight_sum > 0 ? total.value_sum / total.weight_sum : 0;
  for (const AnyMetric& metric : metrics)
    scores.metrics.push_back(std::visit([&](const auto& m) { return m.value(total); }, metric));
  scores.nonfinite = total.nonfinite;
  return scores;
}

}  // namespace fuselage
