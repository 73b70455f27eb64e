// What is checked of a pass over groups before a backend runs it.
#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "fuselage/backend.h"
#include "fuselage/fairness_pass.h"
#include "host/backend/view_checks.h"

namespace fuselage {

namespace {

void require_integers(const ConstView& v, std::string_view name) {
  if (!is_label(v.dtype))
    throw Error(Errc::bad_dtype, fmt::format("{} is {}, expected an integer type", name, name_of(v.dtype)));
}

void check_prediction(std::string_view penalty, const PenaltyRule& rule, const GroupBatch& b) {
  const ConstView& y = b.prediction;
  if (!y && y.size() != 0) throw Error(Errc::bad_argument, "prediction is missing");
  if (!is_real(y.dtype) || y.dtype == DType::f64)
    throw Error(Errc::bad_dtype, fmt::format("prediction is {}, expected fp32, bf16 or fp16", name_of(y.dtype)));
  if (rule.of_values) require_type(y, fmt::format("prediction ({}: the values of rows)", penalty), DType::f32);
  if (rule.score == penalty::Score::softmax) {
    if (rule.positive >= y.cols)
      throw Error(Errc::bad_argument, fmt::format("{}: positive = {} is not a class of the prediction's {}", penalty,
                                                  rule.positive, y.cols));
  } else if (y.cols != 1 && y.size() > 0) {
    throw Error(Errc::bad_shape,
                fmt::format("prediction has the shape {}: {} takes one number for each row", shape_text(y), penalty));
  }
}

void check_target(const PenaltyRule& rule, const GroupBatch& b) {
  require_shape(b.target, "target", b.prediction.rows, 1);
  const DType type = b.target.dtype;
  if (rule.residual && is_label(type))
    throw Error(Errc::bad_dtype, fmt::format("target is {}: residuals take real targets", name_of(type)));
  if (rule.score == penalty::Score::softmax) require_integers(b.target, "target (class labels)");
  if (!is_label(type) && type != DType::f32 && type != b.prediction.dtype)
    throw Error(Errc::bad_dtype, fmt::format("target is {}, expected an integer type, fp32 or the prediction's {}",
                                             name_of(type), name_of(b.prediction.dtype)));
}

ConstView q_of(const GroupBatch& b) { return {b.q, DType::f64, b.q ? b.groups : 0, 1, 1}; }

void check_gradient(const GroupBatch& b) {
  const ConstView g = b.gradient, y = b.prediction;
  require_shape(g, "gradient", y.rows, y.cols);
  require_type(g, "gradient", y.dtype);
  require_places(g, "gradient");
  if (overlap(g, y)) {
    require(!b.accumulate, Errc::bad_argument, "gradient is accumulated, so it cannot share the prediction's memory");
    require(same_places(g, y), Errc::bad_argument,
            "gradient overlaps the prediction in part; it may be the same memory, or another");
  }
  for (const Named& in : {Named{b.group, "group"},
                          {b.target, "target"},
                          {b.weight, "weight"},
                          {b.mask, "mask"},
                          {b.upstream, "upstream"},
                          {q_of(b), "q"}})
    if (overlap(g, in.view)) throw Error(Errc::bad_argument, fmt::format("gradient overlaps {}", in.name));
}

/// What a pass over groups reads and writes beside its report.
std::vector<Named> memory_of(const GroupBatch& b) {
  return {{b.prediction, "prediction"}, {b.group, "group"}, {b.target, "target"},
          {b.weight, "weight"},         {b.mask, "mask"},   {b.upstream, "upstream"},
          {b.gradient, "gradient"},     {q_of(b), "q"},     {b.gate ? bytes_of(b.gate) : ConstView(), "gate"}};
}

/// What penalties and measures have in common.
void check_groups(std::string_view who, const PenaltyRule& rule, const GroupBatch& b) {
  for (const Named& v : {Named{b.prediction, "prediction"},
                         {b.group, "group"},
                         {b.target, "target"},
                         {b.weight, "weight"},
                         {b.mask, "mask"}})
    check_strides(v.view, v.name);
  check_prediction(who, rule, b);
  const std::int64_t rows = b.prediction.rows;
  if (b.groups < 1 || b.groups > kMostGroups)
    throw Error(Errc::bad_argument, fmt::format("groups = {} is outside [1, {}]", b.groups, kMostGroups));
  require(b.group || rows == 0, Errc::bad_argument, "group is missing");
  if (b.group) require_shape(b.group, "group", rows, 1), require_integers(b.group, "group");
  if (b.weight) require_type(b.weight, "weight", DType::f32), require_shape(b.weight, "weight", rows, 1);
  if (b.mask) require_type(b.mask, "mask", DType::u8), require_shape(b.mask, "mask", rows, 1);
  if (b.target) check_target(rule, b);
  require(b.classes >= 0, Errc::bad_argument, "classes is negative");
}

void check_penalty(const AnyPenalty& any, const GroupBatch& b) {
  const PenaltyRule rule = rule_of(any);
  const std::string_view penalty = Penalties::name_of(any);
  check_groups(penalty, rule, b);
  const bool needs_target = rule.needs_labels() || rule.residual;
  if (needs_target && !b.target && b.prediction.rows > 0)
    throw Error(Errc::bad_argument, fmt::format("{}: target is missing", penalty));
  if (b.target && !needs_target && !rule.of_values)
    throw Error(Errc::bad_argument, fmt::format("{} does not look at a target", penalty));
  check_strides(b.upstream, "upstream");
  check_strides(b.gradient, "gradient");
  if (b.upstream) require_type(b.upstream, "upstream", DType::f32), require_shape(b.upstream, "upstream", 1, 1);
  if (!rule.of_values && (b.classes > 0 || b.ignore_index || b.domain != Domain::real || b.gate))
    throw Error(Errc::bad_argument, fmt::format("classes, ignore_index, domain and gate are for the values of rows, "
                                                "which {} does not take",
                                                penalty));
  if (rule.kind == PenaltyRule::Kind::moving && !b.q)
    throw Error(Errc::bad_argument, fmt::format("{}: q, the weights of the groups, is missing", penalty));
  if (b.gradient) check_gradient(b);
}

}  // namespace

void Backend::penalty(const AnyPenalty& penalty, const GroupBatch& batch, LossReport* report) {
  require_report(report);
  Penalties::check(penalty);
  check_penalty(penalty, batch);
  require_report(report, memory_of(batch));
  run_penalty(penalty, batch, report);
}

void Backend::group_sums(const GroupMeasure& measure, const GroupBatch& batch, GroupSums* sums, LossReport* report) {
  require(sums != nullptr, Errc::bad_argument, "sums are missing");
  if (!(std::abs(measure.threshold) < kInfinity))
    throw Error(Errc::bad_argument, fmt::format("threshold = {} is not finite", measure.threshold));
  require(measure.positive >= 0, Errc::bad_argument, "positive is negative");
  check_groups("group sums", rule_of(measure), batch);
  if (measure.values) {
    check_strides(measure.values, "values");
    require_type(measure.values, "values", DType::f32);
    require_shape(measure.values, "values", batch.prediction.rows, 1);
  }
  for (const auto& other : {memory_of(batch), std::vector<Named>{{measure.values, "values"}}}) {
    require_report(sums, other, "sums", batch.groups);
    if (report) require_report(report, other);
  }
  if (report) require_report(report, {{bytes_of(sums, batch.groups), "sums"}});
  run_group_sums(measure, batch, sums, report);
}

void Backend::join(LossReport* to, const LossReport* from) {
  require(to && from && to != from, Errc::bad_argument, "join takes two reports");
  run_join(to, from);
}

}  // namespace fuselage
