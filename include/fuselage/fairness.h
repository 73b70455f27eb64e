// Group fairness: penalties on what separates groups of rows, objectives that weigh groups, and sums for each group.
//
// A row belongs to the group that a label of its own names. Groups in which nothing counts take no part.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "fuselage/batch.h"
#include "fuselage/core/catalogue.h"
#include "fuselage/loss/concepts.h"

namespace fuselage {

namespace penalty {

/// What of its prediction a row is scored by.
enum class Score : std::uint8_t {
  logit,        ///< sigmoid(x) of x [rows, 1]
  probability,  ///< x [rows, 1] as it is
  softmax,      ///< the probability of class `positive` of the logits [rows, classes]
  raw,          ///< x [rows, 1] as it is: any score
};
constexpr std::array<std::string_view, 4> names_of(Score) { return {"logit", "probability", "softmax", "raw"}; }

/// How the means m_g of groups become one number.
enum class Form : std::uint8_t {
  squared,  ///< sum over groups of W_g/W (m_g - m)^2, m the mean of all: smooth
  range,    ///< the largest minus the smallest; moves the first of the largest and the first of the smallest groups
};
constexpr std::array<std::string_view, 2> names_of(Form) { return {"squared", "range"}; }

/// What a regression is judged by.
enum class Of : std::uint8_t { prediction, residual };
constexpr std::array<std::string_view, 2> names_of(Of) { return {"prediction", "residual"}; }

/// Range of a strength: what multiplies value and gradient.
inline constexpr Range kStrength = kNonNegative;
inline constexpr Range kClass{0, 2147483647};

/// The fields that penalties on scores share.
template <class P>
void score_fields(auto&& field) {
  field("strength", &P::strength, kStrength, "multiplies value and gradient");
  field("score", &P::score, Range{}, "what of the prediction is compared");
  field("form", &P::form, Range{}, "how the means of the groups become one number");
  field("positive", &P::positive, kClass, "the class that scores and labels are of");
}

/// Groups should score alike: D over all rows. Value strength D; derivative by a score in group g with weight w:
/// strength 2 (m_g - m) w/W (squared), or strength w/W_g in the largest and -w/W_g in the smallest group (range), 0
/// where these are equal.
struct DemographicParity {
  static constexpr std::string_view name = "demographic_parity";
  static constexpr std::string_view formula = "strength D(m_g), m_g the mean score of group g";
  static constexpr std::string_view summary = "groups should score alike";
  double strength = 1;
  Score score = Score::logit;
  Form form = Form::squared;
  std::int64_t positive = 1;
  static void fields(auto&& field) { score_fields<DemographicParity>(field); }
};

/// The same over the rows whose label is positive: class `positive` of an integer type, or a real number above 1/2.
struct EqualOpportunity {
  static constexpr std::string_view name = "equal_opportunity";
  static constexpr std::string_view formula = "strength D(m_g), m_g the mean score of the positives of group g";
  static constexpr std::string_view summary = "positives of all groups should score alike";
  double strength = 1;
  Score score = Score::logit;
  Form form = Form::squared;
  std::int64_t positive = 1;
  static void fields(auto&& field) { score_fields<EqualOpportunity>(field); }
};

/// The same over the positive rows plus the same over the others, each with its own shares W_g/W.
struct EqualizedOdds {
  static constexpr std::string_view name = "equalized_odds";
  static constexpr std::string_view formula = "strength (D over positives + D over negatives)";
  static constexpr std::string_view summary = "positives of all groups should score alike, and negatives";
  double strength = 1;
  Score score = Score::logit;
  Form form = Form::squared;
  std::int64_t positive = 1;
  static void fields(auto&& field) { score_fields<EqualizedOdds>(field); }
};

/// For regression: means of predictions y, or of residuals y - t.
struct MeanDifference {
  static constexpr std::string_view name = "mean_difference";
  static constexpr std::string_view formula = "strength D(m_g), m_g the mean prediction or residual of group g";
  static constexpr std::string_view summary = "predictions, or errors, of all groups should be equal on average";
  double strength = 1;
  Form form = Form::squared;
  Of of = Of::prediction;
  static void fields(auto&& field) {
    field("strength", &MeanDifference::strength, kStrength, "multiplies value and gradient");
    field("form", &MeanDifference::form, Range{}, "how the means of the groups become one number");
    field("of", &MeanDifference::of, Range{}, "what is averaged: y, or y - t");
  }
};

/// On the values of rows, with L_g the mean loss of a group and L that of all rows: coefficients strength [L_g >
/// bound]/W_g + mean/W (0 at the bound itself). Agarwal et al., ICML 2019.
struct BoundedGroupLoss {
  static constexpr std::string_view name = "bounded_group_loss";
  static constexpr std::string_view formula = "strength sum_g max(0, L_g - bound) + mean L";
  static constexpr std::string_view summary = "no group's mean loss should exceed a bound";
  double strength = 1, bound = 0, mean = 0;
  static void fields(auto&& field) {
    field("strength", &BoundedGroupLoss::strength, kStrength, "weight of what exceeds the bound");
    field("bound", &BoundedGroupLoss::bound, kAnyFinite, "the mean loss that a group may have");
    field("mean", &BoundedGroupLoss::mean, kStrength, "weight of the mean loss of all rows");
  }
};

/// On the values of rows: q_g <- q_g exp(step L_g), normalised over all groups (L_g of a group that takes no part
/// counts as 0), then coefficients strength q_g/W_g. `worst`: q is 1 for the first group of the greatest mean loss,
/// which is the limit of large steps. Sagawa et al., ICLR 2020.
struct GroupDro {
  static constexpr std::string_view name = "group_dro";
  static constexpr std::string_view formula = "strength sum_g q_g L_g, q_g <- q_g exp(step L_g)/sum";
  static constexpr std::string_view summary = "the loss of the groups that fare worst";
  double strength = 1, step = 0.01;
  bool worst = false;
  static void fields(auto&& field) {
    field("strength", &GroupDro::strength, kStrength, "multiplies value and gradient");
    field("step", &GroupDro::step, kNonNegative, "how fast weights move to groups that fare worse");
    field("worst", &GroupDro::worst, Range{}, "the worst group alone; needs no q");
  }
};

}  // namespace penalty

/// The list of penalties.
using Penalties = Catalogue<penalty::DemographicParity, penalty::EqualOpportunity, penalty::EqualizedOdds,
                            penalty::MeanDifference, penalty::BoundedGroupLoss, penalty::GroupDro>;
using AnyPenalty = Penalties::Any;

/// The most groups of a pass.
inline constexpr std::int64_t kMostGroups = 4096;

/// Groups of rows and what is known of them. All views are borrowed and live where the backend's memory is. A row that
/// is masked, ignored, bad or of weight 0 takes no part.
///
/// bounded_group_loss and group_dro look at the losses of rows: there `prediction` is what LossBatch::values of
/// Reduction::none received, with the same weight and mask as in that pass, and `gradient` receives a coefficient for
/// each row, to be the `upstream` of another such pass for the gradient (fair_loss() does all that).
struct GroupBatch {
  ConstView prediction;     ///< [rows, 1] or, for Score::softmax, [rows, classes]; fp32, bf16, fp16; values: fp32
  ConstView group;          ///< [rows, 1] of an integer type
  std::int64_t groups = 0;  ///< how many, up to kMostGroups; a group outside [0, groups) is a bad label
  /// [rows, 1] labels of an integer type, or fp32 or the prediction's type; where the penalty looks at labels or
  /// residuals. NaN, and for Score::softmax a label outside [0, classes), is a bad label. Values: optional, and then
  /// rows with a number outside `domain`, or with a label outside [0, classes) where `classes` is given, are bad.
  ConstView target;
  ConstView weight;         ///< optional fp32 [rows, 1]; finite, >= 0
  ConstView mask;           ///< optional u8 [rows, 1]; 0 leaves the row out altogether
  ConstView upstream;       ///< optional fp32 [1, 1]
  View gradient;            ///< optional, the prediction's shape and type; may be its memory exactly, not in part
  bool accumulate = false;  ///< adds to `gradient`, which then is not the prediction's memory: the derivative, rounded
                            ///< to fp32, is added in fp32, and the sum is rounded to the type. Rows that take no part
                            ///< are left alone; without `accumulate` their derivative is 0
  float scale = 1;          ///< multiplies the gradient (a loss scale)
  BadLabels bad_labels = BadLabels::error;
  std::int64_t classes = 0;                  ///< values: of the labels; 0: any label
  Domain domain = Domain::real;              ///< values: of the real targets
  std::optional<std::int64_t> ignore_index;  ///< values: rows with this label take no part
  /// group_dro: [groups] in device memory, 1/groups at first; moved by a pass that finds nothing bad and only finite
  /// mean losses. One that is negative or not finite counts as a bad weight, whose row is the number of its group where
  /// all rows' weights are good.
  double* q = nullptr;
  /// Values: optional, device memory: the report of the pass that gave them. Where it is rejected q stays.
  const LossReport* gate = nullptr;
};

/// How the rows of a GroupBatch are measured.
struct GroupMeasure {
  penalty::Score score = penalty::Score::logit;
  std::int64_t positive = 1;  ///< as in the penalties
  double threshold = 0.5;     ///< a row is decided for where its score is above; finite
  ConstView values;           ///< optional fp32 [rows, 1]: the weighted losses of rows (LossBatch::values)
};

/// What is measured of a group. Sums are weighted, and in the canonical order of all rows, those of other groups adding
/// 0; counts are not weighted.
struct GroupSums {
  std::int64_t count = 0;  ///< rows that count
  double weight = 0;       ///< their weights
  double score_sum = 0;
  double target_sum = 0;       ///< of real targets
  double loss_sum = 0;         ///< of `values` where these are given
  std::int64_t positives = 0;  ///< rows whose label is positive; 0 without labels
  std::int64_t chosen = 0;     ///< rows decided for
  std::int64_t hits = 0;       ///< positives among them

  std::int64_t right() const { return count - positives - chosen + 2 * hits; }
};

namespace detail {
/// The largest less the smallest of the ratios whose denominator is not 0; 0 where there are none.
template <class Ratio>
double gap_of(std::span<const GroupSums> groups, Ratio&& ratio) {
  double low = kInfinity, high = -kInfinity;
  for (const GroupSums& group : groups) {
    const auto [part, whole] = ratio(group);
    if (!(whole > 0)) continue;
    const double x = static_cast<double>(part) / static_cast<double>(whole);
    low = x < low ? x : low;
    high = x > high ? x : high;
  }
  return high > low ? high - low : 0;
}
}  // namespace detail

/// How far apart the groups are: in the share of rows decided for,
inline double parity_gap(std::span<const GroupSums> groups) {
  return detail::gap_of(groups, [](const GroupSums& g) { return std::pair(g.chosen, g.count); });
}
/// in the share of positives decided for,
inline double opportunity_gap(std::span<const GroupSums> groups) {
  return detail::gap_of(groups, [](const GroupSums& g) { return std::pair(g.hits, g.positives); });
}
/// in that or in the share of negatives decided for, whichever is greater,
inline double odds_gap(std::span<const GroupSums> groups) {
  const double negatives =
      detail::gap_of(groups, [](const GroupSums& g) { return std::pair(g.chosen - g.hits, g.count - g.positives); });
  const double positives = opportunity_gap(groups);
  return positives > negatives ? positives : negatives;
}
/// in the mean score.
inline double mean_score_gap(std::span<const GroupSums> groups) {
  return detail::gap_of(groups, [](const GroupSums& g) { return std::pair(g.score_sum, g.weight); });
}
/// The first group of the greatest mean loss; -1 where no group has one.
inline std::int64_t worst_group(std::span<const GroupSums> groups) {
  std::int64_t worst = -1;
  double most = 0;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const double loss = groups[g].loss_sum / groups[g].weight;
    if (groups[g].weight > 0 && (worst < 0 || loss > most)) worst = static_cast<std::int64_t>(g), most = loss;
  }
  return worst;
}

}  // namespace fuselage
