// The list of the losses, what options each takes, and what input each accepts.
#include "host/reference/definition.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "host/reference/binary.h"
#include "host/reference/classes.h"
#include "host/reference/divergence.h"
#include "host/reference/likelihood.h"
#include "host/reference/options.h"
#include "host/reference/ranking.h"
#include "host/reference/regression.h"
#include "host/reference/vectors.h"

namespace fuselage::reference {
namespace {

struct Entry {
  std::string_view name;
  Definition (*make)(OptionReader&);
};

template <class Formula>
Definition make_pointwise(OptionReader& reader) {
  Definition loss;
  loss.element = make_element<Formula>(reader);
  loss.inputs = loss.gradients = is_pair<Formula>() ? 2 : 1;
  if constexpr (requires { Formula::second_constant; }) loss.gradients = 1;
  if constexpr (requires { Formula::root; }) loss.root = true;
  return loss;
}

template <class Formula>
Definition make_rows(OptionReader& reader) {
  Definition loss;
  loss.row = make_row_loss<Formula>(reader);
  loss.traits = loss.row->traits();
  loss.gradients = loss.traits.inputs;
  loss.inputs = loss.traits.row_constant ? 2 : loss.traits.inputs;
  return loss;
}

template <class Formula>
constexpr Entry element() {
  return {Formula::name, &make_pointwise<Formula>};
}
template <class Formula>
constexpr Entry row() {
  return {Formula::name, &make_rows<Formula>};
}

constexpr Entry kLosses[] = {
    element<Mse>(),
    element<Rmse>(),
    element<Mae>(),
    element<Huber>(),
    element<SmoothL1>(),
    element<LogCosh>(),
    element<Quantile>(),
    element<Expectile>(),
    element<Cauchy>(),
    element<Tukey>(),
    element<Mape>(),
    element<Smape>(),
    element<Msle>(),
    element<RelativeL1>(),
    element<RelativeL2>(),
    element<PoissonNll>(),
    element<GammaNll>(),
    element<Tweedie>(),
    element<GaussianNll>(),
    element<Bce>(),
    element<BceWithLogits>(),
    element<Focal>(),
    element<Asymmetric>(),
    element<Hinge>(),
    element<SquaredHinge>(),
    element<SoftMargin>(),
    element<Perceptron>(),
    element<Kl>(),
    element<GeneralizedKl>(),
    element<Js>(),
    element<TotalVariation>(),
    element<MarginRanking>(),
    element<HingeEmbedding>(),
    element<PpoClip>(),
    row<SoftmaxCrossEntropy>(),
    row<Nll>(),
    row<CrossEntropy>(),
    row<CategoricalFocal>(),
    row<Poly1>(),
    row<GeneralizedCrossEntropy>(),
    row<MultiMargin>(),
    row<CategoricalHinge>(),
    row<PolicyGradient>(),
    row<CosineSimilarity>(),
    row<CosineEmbedding>(),
    row<Contrastive>(),
    row<Triplet>(),
};

const Entry* find(std::string_view name) {
  const auto found = std::ranges::find(kLosses, name, &Entry::name);
  return found == std::end(kLosses) ? nullptr : found;
}

void expect(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument("reference: " + message);
}

void expect_size(const std::string& what, std::size_t size, std::int64_t expected) {
  expect(static_cast<std::int64_t>(size) == expected,
         what + " has " + std::to_string(size) + " values, expected " + std::to_string(expected));
}

void check_row_target(const RowTraits& traits, const LossInput& in) {
  const bool of_classes = traits.target == RowKind::classes || traits.target == RowKind::label;
  expect(in.cols > 0 || in.rows == 0, "a row loss needs at least one class");
  if (!of_classes) {
    expect(in.labels.empty(), "this loss takes no labels");
    expect(in.class_weight.empty(), "this loss takes no class_weight");
  }
  if (!in.class_weight.empty()) expect_size("class_weight", in.class_weight.size(), in.cols);
  if (traits.target == RowKind::single) return expect_size("target", in.target.size(), in.rows);
  if (traits.target == RowKind::none) return expect_size("target", in.target.size(), 0);
  if (traits.target == RowKind::label || !in.labels.empty() || (of_classes && in.target.empty())) {
    expect(in.target.empty(), "both labels and target are given, or a target to a loss of labels");
    return expect_size("labels", in.labels.size(), in.rows);
  }
  expect_size("target", in.target.size(), in.rows * in.cols);
}

void check_lengths(const LossInput& in, bool row) {
  if (in.lengths.empty()) return;
  const auto sequences = static_cast<std::int64_t>(in.lengths.size());
  expect(row && in.rows % sequences == 0, "lengths are for row losses, one for each sequence of as many rows");
}

}  // namespace

std::vector<std::string> loss_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kLosses) names.emplace_back(entry.name);
  return names;
}

bool has_loss(std::string_view name) { return find(name) != nullptr; }

Definition define(std::string_view name, const Options& options) {
  const Entry* const entry = find(name);
  expect(entry != nullptr, "there is no loss '" + std::string(name) + "'");
  OptionReader reader(name, options);
  Definition loss = entry->make(reader);
  reader.finish();
  return loss;
}

void check(const Definition& loss, const LossInput& in) {
  expect(in.rows >= 0 && in.cols >= 0, "rows or cols is negative");
  const std::int64_t elements = in.rows * in.cols;
  expect_size("prediction", in.prediction.size(), elements);
  const std::int64_t second = loss.inputs < 2 ? 0 : loss.traits.row_constant ? in.rows : elements;
  expect_size("second", in.second.size(), second);
  expect_size("third", in.third.size(), loss.inputs < 3 ? 0 : elements);
  if (loss.is_row()) {
    check_row_target(loss.traits, in);
  } else {
    expect_size("target", in.target.size(), elements);
    expect(in.labels.empty(), "a pointwise loss takes target, not labels");
    expect(in.class_weight.empty(), "a pointwise loss takes no class_weight");
  }
  const auto expect_rows = [&](const std::string& what, std::size_t size) {
    if (size == 0 || (!loss.is_row() && static_cast<std::int64_t>(size) == elements)) return;
    expect_size(what, size, in.rows);
  };
  expect_rows("weight", in.weight.size());
  expect_rows("mask", in.mask.size());
  check_lengths(in, loss.is_row());
  expect(!in.ignore_index || (loss.is_row() && loss.traits.ignores), "this loss takes no ignore_index");
  const bool none = in.reduction == "none";
  expect(none || in.reduction == "sum" || in.reduction == "mean" || in.reduction == "mean_over_batch" ||
             in.reduction == "mean_over_outputs" || in.reduction == "mean_over_counted",
         "there is no reduction '" + in.reduction + "'");
  expect(!(none && loss.root), "a root of a sum needs a sum");
  expect(in.divisor >= 0, "divisor is negative");
  expect(in.bins >= 0, "bins is negative");
  if (in.upstream.size() > 1)
    expect_size("upstream", in.upstream.size(), !none ? 1 : loss.is_row() ? in.rows : elements);
}

}  // namespace fuselage::reference
