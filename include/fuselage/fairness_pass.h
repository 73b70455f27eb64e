// The arithmetic of a pass over groups, written once, so that backends agree to the bit.
//
// Such a pass runs in this order:
//  1. Every row gets a cell (its group; of equalized_odds a cell for each of the two kinds of label), a weight and a
//     term in double: weight times score, or its value as it is. Rows that take no part have no cell.
//  2. Weights and terms of each cell are added in the canonical order of core/partition.h: position is the row, rows
//     of other cells add nothing.
//  3. close_penalty() turns the sums into the value and a coefficient for each cell.
//  4. The derivative of every row: coefficient, times weight and slope for scores, in double, rounded once.
#pragma once

#include <cstdint>

#include "fuselage/core/math.h"
#include "fuselage/core/partition.h"
#include "fuselage/fairness.h"
#include "fuselage/loss_pass.h"

namespace fuselage {

/// A penalty without its type.
struct PenaltyRule {
  enum class Kind : std::uint8_t { difference, bound, moving, worst };
  Kind kind = Kind::difference;
  penalty::Score score = penalty::Score::raw;
  penalty::Form form = penalty::Form::squared;
  bool of_values = false;  ///< rows bring losses
  bool residual = false;
  bool positives_only = false;
  int labels = 1;  ///< cells of a group
  std::int64_t positive = 1;
  double strength = 1, bound = 0, mean = 0, step = 0;

  bool needs_labels() const { return positives_only || labels == 2; }
};

inline PenaltyRule rule_of(const AnyPenalty& any) {
  PenaltyRule rule;
  std::visit(
      [&]<class P>(const P& p) {
        rule.strength = p.strength;
        if constexpr (requires { p.form; }) rule.form = p.form;
        if constexpr (requires { p.score; }) rule.score = p.score, rule.positive = p.positive;
        rule.positives_only = std::is_same_v<P, penalty::EqualOpportunity>;
        if (std::is_same_v<P, penalty::EqualizedOdds>) rule.labels = 2;
        if constexpr (requires { p.of; }) rule.residual = p.of == penalty::Of::residual;
        if constexpr (requires { p.bound; }) {
          rule.kind = PenaltyRule::Kind::bound;
          rule.bound = p.bound, rule.mean = p.mean;
        }
        if constexpr (requires { p.worst; }) {
          rule.kind = p.worst ? PenaltyRule::Kind::worst : PenaltyRule::Kind::moving;
          rule.step = p.step;
        }
        rule.of_values = rule.kind != PenaltyRule::Kind::difference;
      },
      any);
  return rule;
}

inline PenaltyRule rule_of(const GroupMeasure& measure) {
  PenaltyRule rule;
  rule.score = measure.score;
  rule.positive = measure.positive;
  return rule;
}

// ---- rows -----------------------------------------------------------------------------------------------------------

/// What is known of a row before it is scored.
struct GroupRow {
  std::int64_t cell = -1;  ///< -1: takes no part
  float weight = 0;
  bool bad = false, bad_weight = false, positive = false;
  double bad_label = 0;  ///< the group or label that is bad
};

/// What decides about a row: `group`, and of the target either `label` or `real`.
struct GroupRowInput {
  bool kept = true;
  std::int64_t group = 0;
  bool has_label = false, has_real = false;
  std::int64_t label = 0;
  float real = 0;
  float weight = 1;
};

/// The limits that a row is held to; classes 0: any label.
struct GroupLimits {
  std::int64_t groups = 0, classes = 0;
  Domain domain = Domain::real;
  bool has_ignore_index = false;
  std::int64_t ignore_index = 0;
};
inline GroupLimits limits_of(const PenaltyRule& rule, const GroupBatch& b) {
  return {b.groups, rule.score == penalty::Score::softmax ? b.prediction.cols : b.classes, b.domain,
          b.ignore_index.has_value(), b.ignore_index.value_or(0)};
}

FUSELAGE_HD GroupRow group_row(const PenaltyRule& rule, const GroupLimits& limits, const GroupRowInput& in) {
  GroupRow row;
  if (!in.kept || (limits.has_ignore_index && in.has_label && in.label == limits.ignore_index)) return row;
  if (in.group < 0 || in.group >= limits.groups) {
    row.bad = true;
    row.bad_label = static_cast<double>(in.group);
    return row;
  }
  if (in.has_label && limits.classes > 0 && (in.label < 0 || in.label >= limits.classes)) {
    row.bad = true;
    row.bad_label = static_cast<double>(in.label);
    return row;
  }
  if (in.has_real && !in_domain(limits.domain, in.real)) {
    row.bad = true;
    row.bad_label = canonical_nan(static_cast<double>(in.real));
    return row;
  }
  if (!is_weight(in.weight)) {
    row.bad_weight = true;
    return row;
  }
  const bool positive = in.has_real ? in.real > 0.5f : in.has_label && in.label == rule.positive;
  row.positive = positive;
  if (in.weight == 0 || (rule.positives_only && !positive)) return row;
  row.cell = in.group + (rule.labels == 2 && !positive ? limits.groups : 0);
  row.weight = in.weight;
  return row;
}

/// The score of a row of one prediction, and its derivative.
FUSELAGE_HD ValueGrad<double> row_score(const PenaltyRule& rule, float x, float t) {
  if (rule.score == penalty::Score::logit) {
    const float tail = logistic_tail(x).sigmoid;
    const double small = tail;
    return {static_cast<double>(x < 0 ? tail : 1 - tail), small * (1 - small)};
  }
  return {rule.residual ? static_cast<double>(x) - static_cast<double>(t) : static_cast<double>(x), 1.0};
}

/// A softmax row: p_c = exp(x_c - max)/total. Sums are of doubles: rows of up to kShortRow classes in class order,
/// longer ones by chunks in the canonical order, chunk sums in the order of the chunks; the positive class is added
/// last.
struct SoftmaxScore {
  float max = 0;
  double total = 0;
};
FUSELAGE_HD double softmax_weight(float x, float max) { return exp(static_cast<double>(x) - static_cast<double>(max)); }
/// The derivative of p by x_c, over p: 1 - p for the class itself, which is rest/total.
FUSELAGE_HD double softmax_slope(float x, const SoftmaxScore& row, float x_positive, bool is_positive) {
  const double own = softmax_weight(x_positive, row.max), p = own / row.total;
  return is_positive ? p * ((row.total - own) / row.total) : -(p * (softmax_weight(x, row.max) / row.total));
}

/// What a derivative becomes in memory of type T, beside what stands there.
template <class T>
FUSELAGE_HD float next_gradient(bool accumulate, T old, double derivative) {
  const float d = static_cast<float>(derivative);
  return accumulate ? to_float(old) + d : d;
}

// ---- measures of groups ---------------------------------------------------------------------------------------------

/// What is added up for each group when it is measured; the first two are those of penalties. Counts are doubles too,
/// and exact.
inline constexpr int kGroupSums = 8;

/// Fills all but the weight and the score.
FUSELAGE_HD void measure_row(const GroupRow& row, double score, double threshold, double target, double loss,
                             double (&sums)[kGroupSums]) {
  const bool chosen = score > threshold;
  sums[2] = static_cast<double>(row.weight) * target;
  sums[3] = loss;
  sums[4] = 1;
  sums[5] = row.positive ? 1 : 0;
  sums[6] = chosen ? 1 : 0;
  sums[7] = row.positive && chosen ? 1 : 0;
}

/// sums(k) is sum k of a group.
template <class Sums>
FUSELAGE_HD GroupSums sums_of_group(Sums&& sums) {
  GroupSums g;
  g.weight = sums(0);
  g.score_sum = canonical_nan(sums(1));
  g.target_sum = canonical_nan(sums(2));
  g.loss_sum = canonical_nan(sums(3));
  g.count = static_cast<std::int64_t>(sums(4));
  g.positives = static_cast<std::int64_t>(sums(5));
  g.chosen = static_cast<std::int64_t>(sums(6));
  g.hits = static_cast<std::int64_t>(sums(7));
  return g;
}

/// Adds to a report what another pass of the same step found: elements that are not finite, right decisions and errors;
/// of bad labels and weights the pass that has more of them is kept. `rejected` where either is.
FUSELAGE_HD void join_report(LossReport& to, const LossReport& from) {
  if (from.bad_labels > to.bad_labels) {
    to.bad_labels = from.bad_labels;
    to.first_bad_row = from.first_bad_row;
    to.first_bad_label = from.first_bad_label;
  }
  if (from.bad_weights > to.bad_weights) {
    to.bad_weights = from.bad_weights;
    to.first_bad_weight_row = from.first_bad_weight_row;
    to.first_bad_weight = from.first_bad_weight;
  }
  to.nonfinite += from.nonfinite;
  to.correct += from.correct;
  to.positives += from.positives;
  to.chosen += from.chosen;
  to.hits += from.hits;
  to.top_k_correct += from.top_k_correct;
  to.abs_error_sum = to.abs_error_sum + from.abs_error_sum;
  to.squared_error_sum = to.squared_error_sum + from.squared_error_sum;
  to.rejected = to.rejected || from.rejected;
}

// ---- the end --------------------------------------------------------------------------------------------------------

/// Sums of the cells: label l of group g is cell l groups + g.
struct CellSums {
  const double *weight, *term;
  FUSELAGE_HD bool counts(std::int64_t cell) const { return weight[cell] > 0; }
  FUSELAGE_HD double mean(std::int64_t cell) const { return term[cell] / weight[cell]; }
};

/// What close_penalty gives.
struct PenaltyValue {
  double value = 0, weight_sum = 0;
  std::int64_t bad_q = 0, first_bad_q = -1;  ///< groups whose q is no weight

  /// Adds value and groups to a report that has what was found of the rows. `q` is read where a group is bad.
  FUSELAGE_HD void put(LossReport& report, const double* q) const {
    report.value = report.value_sum = canonical_nan(value);
    report.weight_sum = weight_sum;
    if (bad_q == 0) return;
    if (report.bad_weights == 0) {
      report.first_bad_weight_row = first_bad_q;
      report.first_bad_weight = canonical_nan(q[first_bad_q]);
    }
    report.bad_weights += bad_q;
    report.rejected = true;
  }
};

namespace detail {

/// The spread of `groups` cells from `first` on; coefficients of the means' rows go to coefficient[0 ... groups - 1].
template <class Team>
FUSELAGE_HD double spread_of(const Team& team, penalty::Form form, std::int64_t groups, const CellSums& all,
                             std::int64_t first, double total_weight, double total, double* coefficient) {
  const CellSums sums{all.weight + first, all.term + first};
  const double mean = total / total_weight;
  if (form == penalty::Form::squared) {
    team.for_each(groups, [&](std::int64_t g) {
      coefficient[g] = sums.counts(g) ? 2 * (sums.mean(g) - mean) / total_weight : 0.0;
    });
    return team.sum(groups, [&](std::int64_t g) {
      const double d = sums.counts(g) ? sums.mean(g) - mean : 0.0;
      return sums.weight[g] / total_weight * (d * d);
    });
  }
  const auto mean_of = [&](std::int64_t g) { return sums.mean(g); };
  const auto less_of = [&](std::int64_t g) { return -sums.mean(g); };
  const auto counts = [&](std::int64_t g) { return sums.counts(g); };
  const std::int64_t high = team.first_greatest(groups, counts, mean_of);
  const std::int64_t low = team.first_greatest(groups, counts, less_of);
  const double nan = __builtin_nan("");
  const bool unknown = high < 0 || !(total == total);  // a mean that is NaN
  const double gap = unknown ? nan : sums.mean(high) - sums.mean(low);
  team.for_each(groups, [&](std::int64_t g) {
    double c = g == high ? 1 / sums.weight[g] : g == low ? -1 / sums.weight[g] : 0.0;
    if (unknown && sums.counts(g)) c = nan;
    coefficient[g] = gap == 0 ? 0.0 : c;
  });
  return gap;
}

}  // namespace detail

/// Value and coefficients from the sums of the cells. A team has for_each(n, f), which calls f(0) ... f(n - 1);
/// sum(n, f), the canonical sum of n <= kMostGroups doubles; first_greatest(n, counts, f), the first index that counts
/// of the greatest f that is not NaN, or -1; all by all of its members, who get the result. q, where the rule moves it,
/// is written only if `accept`, everything is finite and q itself is good. Derivatives are multiplied by `factor`.
template <class Team>
FUSELAGE_HD PenaltyValue close_penalty(const Team& team, const PenaltyRule& rule, std::int64_t groups,
                                       const CellSums& sums, double* coefficient, double* q, bool accept,
                                       double factor) {
  PenaltyValue result;
  const double strength = rule.strength * factor;
  for (int label = 0; label < rule.labels; ++label) {
    const std::int64_t first = label * groups;
    const double weight = team.sum(groups, [&](std::int64_t g) { return sums.weight[first + g]; });
    const double total = team.sum(groups, [&](std::int64_t g) { return sums.term[first + g]; });
    double* const c = coefficient + first;
    result.weight_sum = result.weight_sum + weight;
    if (!(weight > 0)) {
      team.for_each(groups, [&](std::int64_t g) { c[g] = 0; });
      continue;
    }
    const auto scale = [&](double by) { team.for_each(groups, [&](std::int64_t g) { c[g] = c[g] * by; }); };
    const auto counts = [&](std::int64_t g) { return sums.counts(g); };
    const auto loss = [&](std::int64_t g) { return sums.counts(g) ? sums.mean(g) : 0.0; };
    if (rule.kind == PenaltyRule::Kind::difference) {
      const double d = detail::spread_of(team, rule.form, groups, sums, first, weight, total, c);
      result.value = result.value + rule.strength * d;
      scale(strength);
    } else if (rule.kind == PenaltyRule::Kind::bound) {
      const auto excess = [&](std::int64_t g) {
        const double e = loss(g) - rule.bound;
        return sums.counts(g) && !(e <= 0) ? e : 0.0;
      };
      const double mean = rule.mean * factor / weight;
      team.for_each(groups, [&](std::int64_t g) {
        const double over = excess(g);
        c[g] = sums.counts(g) ? (over == 0 ? 0.0 : strength / sums.weight[g]) + mean : 0.0;
      });
      const double over = team.sum(groups, excess);
      result.value = rule.strength * over + (rule.mean > 0 ? rule.mean * (total / weight) : 0.0);
    } else if (rule.kind == PenaltyRule::Kind::worst) {
      const std::int64_t worst = team.first_greatest(groups, counts, loss);
      const bool unknown = worst < 0 || !(total == total);
      team.for_each(groups, [&](std::int64_t g) {
        const double own = strength / sums.weight[g];
        c[g] = !sums.counts(g) ? 0.0 : unknown ? __builtin_nan("") : g == worst ? own : 0.0;
      });
      result.value = unknown ? __builtin_nan("") : rule.strength * sums.mean(worst);
    } else {
      // Steps are taken against the greatest, so that exp does not overflow.
      const auto counted = [&](std::int64_t) { return true; };
      const auto bad = [&](std::int64_t g) { return is_weight(q[g]) ? 0.0 : 1.0; };
      result.bad_q = static_cast<std::int64_t>(team.sum(groups, bad));
      if (result.bad_q > 0) result.first_bad_q = team.first_greatest(groups, counted, bad);
      const std::int64_t top = team.first_greatest(groups, counted, loss);
      const double greatest = top < 0 ? 0.0 : loss(top);
      const auto moved = [&](std::int64_t g) { return q[g] * exp(rule.step * (loss(g) - greatest)); };
      const double norm = team.sum(groups, moved);
      team.for_each(groups, [&](std::int64_t g) { c[g] = moved(g) / norm; });
      const double value = team.sum(groups, [&](std::int64_t g) { return sums.counts(g) ? c[g] * loss(g) : 0.0; });
      result.value = rule.strength * value;
      const bool finite = result.bad_q == 0 && abs(total) < __builtin_inf() && norm > 0 && norm < __builtin_inf() &&
                          abs(value) < __builtin_inf();
      team.for_each(groups, [&](std::int64_t g) {
        const double weight_of = c[g];
        if (accept && finite) q[g] = weight_of;
        c[g] = sums.counts(g) ? strength * weight_of / sums.weight[g] : 0.0;
      });
    }
  }
  return result;
}

}  // namespace fuselage
