// Precision, recall and F1 from the counts of MetricRequest::confusion, or of decisions.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "fuselage/batch.h"
#include "fuselage/core/error.h"

namespace fuselage::metric {

/// Of one class, from its rows, the rows predicted to be of it, and those that are both.
struct ClassScores {
  std::int64_t rows = 0, predicted = 0, right = 0;
  double precision = 0;  ///< right / predicted; 0 where nothing was predicted (as scikit-learn and torchmetrics)
  double recall = 0;     ///< right / rows; 0 where there are no rows
  double f1 = 0;         ///< 2 right / (rows + predicted); 0 where there are neither
};

/// Of all classes. The macro means are over the classes that have a row or a prediction; NaN where none has.
struct ConfusionScores {
  std::vector<ClassScores> classes;
  std::int64_t rows = 0;
  double accuracy = 0, precision = 0, recall = 0, f1 = 0;
};

/// `counts` is [classes, classes], packed on the host: element (label, prediction). Throws Error(bad_shape) where its
/// size is not classes^2, Error(bad_argument) for a negative count.
inline ConfusionScores confusion_scores(std::span<const std::int64_t> counts, std::int64_t classes) {
  const auto n = static_cast<std::size_t>(classes);
  if (classes < 0 || counts.size() != n * n)
    throw Error(Errc::bad_shape, "confusion_scores: " + std::to_string(counts.size()) + " counts for " +
                                     std::to_string(classes) + " classes; expected their square");
  ConfusionScores all;
  all.classes.resize(n);
  std::int64_t right = 0, seen = 0;
  for (std::size_t label = 0; label < n; ++label)
    for (std::size_t c = 0; c < n; ++c) {
      const std::int64_t count = counts[label * n + c];
      if (count < 0)
        throw Error(Errc::bad_argument, "confusion_scores: count (" + std::to_string(label) + ", " + std::to_string(c) +
                                            ") is " + std::to_string(count) + ", below 0");
      all.classes[label].rows += count;
      all.classes[c].predicted += count;
      all.rows += count;
      if (c == label) all.classes[c].right = count, right += count;
    }
  const auto share = [](std::int64_t part, std::int64_t whole) {
    return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
  };
  for (ClassScores& c : all.classes) {
    c.precision = share(c.right, c.predicted);
    c.recall = share(c.right, c.rows);
    c.f1 = share(2 * c.right, c.rows + c.predicted);
    if (c.rows + c.predicted == 0) continue;
    ++seen;
    all.precision += c.precision;
    all.recall += c.recall;
    all.f1 += c.f1;
  }
  const double mean = seen > 0 ? 1.0 / static_cast<double>(seen) : std::numeric_limits<double>::quiet_NaN();
  all.precision *= mean;
  all.recall *= mean;
  all.f1 *= mean;
  all.accuracy = all.rows > 0 ? share(right, all.rows) : std::numeric_limits<double>::quiet_NaN();
  return all;
}

/// Of a pass over a binary loss that measured decisions or accuracy: class 0 is no, class 1 is yes.
inline ConfusionScores binary_scores(const LossReport& r) {
  const std::int64_t counts[4] = {r.count - r.positives - r.chosen + r.hits, r.chosen - r.hits, r.positives - r.hits,
                                  r.hits};
  return confusion_scores(counts, 2);
}

}  // namespace fuselage::metric
