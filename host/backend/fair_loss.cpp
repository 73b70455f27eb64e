// A loss whose rows are weighted by what their groups lose: three passes, none of which the host waits for.
#include <fmt/format.h>

#include "fuselage/backend.h"
#include "fuselage/fairness_pass.h"
#include "host/backend/loss_checks.h"
#include "host/backend/view_checks.h"

namespace fuselage {

namespace {

/// A buffer of at least so many bytes.
void* room(Backend& backend, Buffer& buffer, std::size_t bytes) {
  if (!buffer.data() || buffer.bytes() < bytes) buffer = Buffer(backend, bytes);
  return buffer.data();
}

bool has_gradient(const LossBatch& b) { return b.gradient || b.second_gradient || b.third_gradient; }

/// The pass for the gradient; its upstream comes from the penalty.
LossBatch backward_of(const LossBatch& batch) {
  LossBatch backward = batch;
  backward.reduction = Reduction::none;
  backward.metrics = {};
  backward.upstream = {};
  return backward;
}

/// The pass for the values of rows.
LossBatch forward_of(const LossBatch& batch) {
  LossBatch of_rows = batch;
  of_rows.reduction = Reduction::none;
  of_rows.upstream = {};
  of_rows.gradient = of_rows.second_gradient = of_rows.third_gradient = {};
  return of_rows;
}

/// Everything that the passes would refuse once the first of them has moved q.
void check(const AnyLoss& loss, const LossBatch& batch, const AnyPenalty& penalty, const GroupBatch& groups) {
  if (!rule_of(penalty).of_values)
    throw Error(Errc::bad_argument,
                fmt::format("{} is added to a loss: call penalty() with accumulate; fair_loss is for objectives over "
                            "the losses of groups",
                            Penalties::name_of(penalty)));
  std::visit(
      [&]<class L>(const L&) {
        if (loss::takes_root<L>())
          throw Error(Errc::bad_argument, fmt::format("{} is a root of a sum, and has no value for a row", L::name));
        if (loss::Elementwise<L> && batch.prediction.cols != 1 && batch.prediction.size() > 0)
          throw Error(Errc::bad_shape, fmt::format("prediction has {} columns: {} has an output for each of them, and "
                                                   "fair_loss takes one for each row",
                                                   batch.prediction.cols, L::name));
      },
      loss);
  require(!batch.values, Errc::bad_argument, "values are fair_loss's own");
  require(!batch.lengths, Errc::bad_argument,
          "fair_loss takes no lengths: steps past the end of a sequence are left out by a mask");
  require(batch.divisor == 0, Errc::bad_argument,
          fmt::format("divisor is {}, but fair_loss divides the losses of a group by its own weights", batch.divisor));
  require(batch.bad_labels == BadLabels::error || is_label(batch.target.dtype), Errc::bad_argument,
          "fair_loss leaves bad targets out only where they are integer labels");
  Losses::check(loss);
  check_loss(traits_of(loss), Losses::name_of(loss), forward_of(batch));
  check_loss(traits_of(loss), Losses::name_of(loss), backward_of(batch));
  for (const BatchView& out : outputs_of(traits_of(loss), batch)) {
    if (!out.view) continue;
    if (groups.group && meet(out.view, groups.group)) throw Error(Errc::bad_argument, out.name + " overlaps the group");
    if (groups.q && groups.groups > 0 && overlap(out.view, {groups.q, DType::f64, groups.groups, 1, 1}))
      throw Error(Errc::bad_argument, out.name + " overlaps q");
  }
}

}  // namespace

void fair_loss(Backend& backend, const AnyLoss& loss, const LossBatch& batch, const AnyPenalty& penalty,
               const GroupBatch& groups, FairScratch& scratch, LossReport* report) {
  require_report(report);
  check(loss, batch, penalty, groups);
  check_report_memory(traits_of(loss), batch, report);
  require_report(report, {{groups.group, "group"}, {{groups.q, DType::f64, groups.q ? groups.groups : 0, 1, 1}, "q"}});
  const std::int64_t rows = batch.prediction.rows;
  auto* const values =
      static_cast<float*>(room(backend, scratch.values, static_cast<std::size_t>(rows) * sizeof(float)));
  auto* const reports = static_cast<LossReport*>(room(backend, scratch.reports, 2 * sizeof(LossReport)));

  LossBatch of_rows = forward_of(batch);
  of_rows.values = {values, rows, 1};
  backend.loss(loss, of_rows, &reports[0]);

  GroupBatch of_groups;
  of_groups.prediction = of_rows.values;
  of_groups.gradient = of_rows.values;
  of_groups.group = groups.group;
  of_groups.groups = groups.groups;
  of_groups.q = groups.q;
  of_groups.weight = batch.weight;
  of_groups.mask = batch.mask;
  of_groups.upstream = batch.upstream;
  of_groups.bad_labels = batch.bad_labels;
  if (batch.target.cols == 1) of_groups.target = batch.target;
  if (of_groups.target && is_label(batch.target.dtype)) {
    of_groups.classes = batch.prediction.cols;
    of_groups.ignore_index = ignored_label(loss);
  } else if (of_groups.target) {
    of_groups.domain = traits_of(loss).target_domain;
  }
  of_groups.gate = &reports[0];
  backend.penalty(penalty, of_groups, report);

  if (has_gradient(batch)) {
    LossBatch backward = backward_of(batch);
    backward.upstream = {values, rows, 1};
    backend.loss(loss, backward, &reports[1]);
    backend.join(report, &reports[1]);
  }
  backend.join(report, &reports[0]);
}

}  // namespace fuselage
