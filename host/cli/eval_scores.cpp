// Scores of decisions, and sums of losses by class.
#include "host/cli/eval_scores.h"

#include <fmt/format.h>

#include "fuselage/fairness.h"
#include "fuselage/metric/calibration.h"
#include "fuselage/metric/confusion.h"
#include "host/validate/device_arrays.h"

namespace fuselage::cli {
namespace {

using validate::LossProblem;
using validate::LossSolution;

void check_classes(std::string_view option, const LossProblem& p) {
  if (p.cols() > kMostScoredClasses)
    throw Error(Errc::bad_argument, fmt::format("{}: pred has {} classes, at most {} are told apart", option, p.cols(),
                                                kMostScoredClasses));
}

template <class List, class Value>
Json column(const List& list, Value&& value) {
  Json out = Json::array();
  for (const auto& item : list) out.push_back(value(item));
  return out;
}

/// Rows that count, as a mask.
Array counted_rows(const LossProblem& p, const std::vector<double>& labels) {
  const std::optional<std::int64_t> ignored = ignored_label(p.loss);
  const std::vector<double> mask = p.mask ? validate::to_doubles(*p.mask) : std::vector<double>();
  const std::vector<double> lengths = p.lengths ? validate::to_doubles(*p.lengths) : std::vector<double>();
  Array keep(DType::u8, {p.rows()});
  for (std::size_t r = 0; r < labels.size(); ++r) {
    bool counts = (mask.empty() || mask[r] != 0) && !(ignored && labels[r] == static_cast<double>(*ignored));
    if (!lengths.empty()) {
      const std::size_t steps = labels.size() / lengths.size();
      const double length = lengths[r / steps];
      counts = counts && length <= static_cast<double>(steps) && static_cast<double>(r % steps) < length;
    }
    keep.as<std::uint8_t>()[r] = counts;
  }
  return keep;
}

std::vector<GroupSums> sums_on(Backend& backend, const LossProblem& p, const Array& values, const Array& keep) {
  const std::int64_t rows = p.rows(), classes = p.cols();
  const Buffer loss = validate::upload(backend, values.data(), values.bytes());
  const Buffer label = validate::upload(backend, p.target.data(), p.target.bytes());
  const Buffer mask = validate::upload(backend, keep.data(), keep.bytes());
  const validate::OptionalInput weight = validate::optional_input(backend, p.weight, rows, 1);
  std::vector<GroupSums> sums(static_cast<std::size_t>(classes));
  const Buffer found(backend, sums.size() * sizeof(GroupSums));
  GroupMeasure measure;
  measure.score = penalty::Score::raw;
  measure.values = {loss.data(), DType::f32, rows, 1, 1};
  GroupBatch batch;
  batch.prediction = measure.values;
  batch.group = {label.data(), p.target.dtype(), rows, 1, 1};
  batch.groups = classes;
  batch.mask = {mask.data(), DType::u8, rows, 1, 1};
  batch.weight = weight.view;
  backend.group_sums(measure, batch, found.as<GroupSums>());
  backend.copy(sums.data(), found.data(), sums.size() * sizeof(GroupSums));
  backend.synchronize();
  return sums;
}

std::vector<GroupSums> sums_by_reference(LossProblem p, const std::vector<double>& labels, const Array& keep) {
  p.reduction = Reduction::none;
  p.divisor = 0;
  p.upstream.reset();
  const std::vector<double> values = validate::solve_by_reference(p).values;
  const std::vector<double> weights = p.weight ? validate::to_doubles(*p.weight) : std::vector<double>();
  std::vector<GroupSums> sums(static_cast<std::size_t>(p.cols()));
  for (std::size_t r = 0; r < labels.size(); ++r) {
    const double weight = weights.empty() ? 1 : weights[r];
    if (!keep.as<std::uint8_t>()[r] || !(labels[r] >= 0) || labels[r] >= static_cast<double>(p.cols())) continue;
    if (!(weight > 0) || !std::isfinite(weight)) continue;
    GroupSums& of = sums[static_cast<std::size_t>(labels[r])];
    ++of.count;
    of.weight += weight;
    of.loss_sum += values[r];
  }
  return sums;
}

}  // namespace

void ask_scores(LossProblem& p, std::int64_t bins) {
  const LossTraits traits = traits_of(p.loss);
  if (!traits.decides())
    throw Error(Errc::bad_argument, fmt::format("--scores: {} decides nothing", Losses::name_of(p.loss)));
  p.metrics.accuracy = true;
  if (!traits.has_classes()) return;
  check_classes("--scores", p);
  p.confusion = true;
  p.bins = traits.probabilities ? bins : 0;
}

void add_scores(const LossProblem& p, const LossSolution& solution, Json (*number)(double), Json& to) {
  const metric::ConfusionScores scores =
      p.confusion ? metric::confusion_scores(solution.confusion, p.cols()) : metric::binary_scores(solution.report);
  const auto of_classes = [&](const char* name, auto&& value) { to[name] = column(scores.classes, value); };
  using metric::ClassScores;
  const LossReport& r = solution.report;
  to["accuracy"] = number(static_cast<double>(r.correct) / static_cast<double>(r.count));
  of_classes("class_rows", [](const ClassScores& c) { return Json(c.rows); });
  of_classes("class_predicted", [](const ClassScores& c) { return Json(c.predicted); });
  of_classes("class_right", [](const ClassScores& c) { return Json(c.right); });
  of_classes("precision", [&](const ClassScores& c) { return number(c.precision); });
  of_classes("recall", [&](const ClassScores& c) { return number(c.recall); });
  of_classes("f1", [&](const ClassScores& c) { return number(c.f1); });
  to["macro_precision"] = number(scores.precision);
  to["macro_recall"] = number(scores.recall);
  to["macro_f1"] = number(scores.f1);
  if (p.bins > 0) to["ece"] = number(metric::expected_calibration_error(solution.calibration));
}

void add_class_sums(Backend* backend, const LossProblem& p, const LossSolution& solution, Json (*number)(double),
                    Json& to) {
  if (!traits_of(p.loss).has_classes() || !is_label(p.target.dtype()))
    throw Error(Errc::bad_argument, fmt::format("--class-sums: {} has no class labels here", Losses::name_of(p.loss)));
  check_classes("--class-sums", p);
  const std::vector<double> labels = validate::to_doubles(p.target);
  const Array keep = counted_rows(p, labels);
  const std::vector<GroupSums> sums =
      backend ? sums_on(*backend, p, solution.values, keep) : sums_by_reference(p, labels, keep);
  to["class_count"] = column(sums, [](const GroupSums& g) { return Json(g.count); });
  to["class_weight"] = column(sums, [&](const GroupSums& g) { return number(g.weight); });
  to["class_loss"] = column(sums, [&](const GroupSums& g) { return number(g.loss_sum / g.weight); });
}

}  // namespace fuselage::cli
