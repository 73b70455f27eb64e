// The checks of a loss pass: what is there, its shapes, types and strides, and what may be the same memory.
#include "host/backend/loss_checks.h"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "host/backend/view_checks.h"

namespace fuselage {

namespace {

/// A batch together with what its loss says of it.
struct Checked {
  const LossBatch& batch;
  LossTraits traits;
  std::string_view loss;

  const ConstView& prediction() const { return batch.prediction; }
  bool empty() const { return batch.prediction.size() == 0; }
  /// "mean and variance".
  std::string inputs() const {
    const Inputs& in = traits.inputs;
    std::string text(in.prediction);
    if (!in.third.empty()) return fmt::format("{}, {} and {}", text, in.second, in.third);
    return in.second.empty() ? text + " alone" : fmt::format("{} and {}", text, in.second);
  }
};

/// Either one value for each output, or one for each row.
void require_outputs(const Checked& c, const ConstView& v, std::string_view name) {
  const ConstView& y = c.prediction();
  const bool rows = v.rows == y.rows && v.cols == 1;
  const bool elements = c.traits.elementwise && v.rows == y.rows && v.cols == y.cols;
  if (!rows && !elements)
    throw Error(Errc::bad_shape, fmt::format("{} has the shape {}, which does not fit the prediction's {}", name,
                                             shape_text(v), shape_text(y)));
}

// ---- what the loss takes --------------------------------------------------------------------------------------------

/// `second` or `third`, called `name` by the loss; empty where it has none.
void check_further(const Checked& c, const ConstView& v, std::string_view field, std::string_view name) {
  const ConstView& y = c.prediction();
  if (name.empty()) {
    if (v) throw Error(Errc::bad_argument, fmt::format("{} is given; {} takes {}", field, c.loss, c.inputs()));
    return;
  }
  if (!v && !c.empty())
    throw Error(Errc::bad_argument, fmt::format("{} is missing; {} takes {}", name, c.loss, c.inputs()));
  if (!v) return;
  if (field == "second" && c.traits.row_second) {
    require_shape(v, name, y.rows, 1);
    require_type(v, name, DType::f32);
  } else {
    require_shape(v, name, y.rows, y.cols);
    require_type(v, name, y.dtype);
  }
}

void require_real_target(const Checked& c, std::int64_t cols) {
  const ConstView &t = c.batch.target, &y = c.prediction();
  require_shape(t, "target", y.rows, cols);
  if (t.dtype != y.dtype && t.dtype != DType::f32)
    throw Error(Errc::bad_dtype,
                fmt::format("target is {}, expected fp32 or the prediction's {}", name_of(t.dtype), name_of(y.dtype)));
}

void check_target(const Checked& c) {
  const ConstView &t = c.batch.target, &y = c.prediction();
  const bool label = is_label(t.dtype);
  const RowTarget kind = c.traits.target;
  if (!c.traits.elementwise && kind == RowTarget::none) {
    if (t) throw Error(Errc::bad_argument, fmt::format("target is given; {} has none", c.loss));
    return;
  }
  if (!t && !c.empty()) throw Error(Errc::bad_argument, "target is missing");
  if (c.traits.elementwise && label)
    throw Error(Errc::bad_dtype, fmt::format("target is {}: a pointwise loss takes real targets of the prediction's "
                                             "shape",
                                             name_of(t.dtype)));
  if (label && kind == RowTarget::dense)
    throw Error(Errc::bad_dtype,
                fmt::format("target is {}: {} takes numbers of the prediction's shape", name_of(t.dtype), c.loss));
  if (!label && !c.traits.elementwise && kind == RowTarget::labels)
    throw Error(Errc::bad_dtype,
                fmt::format("target is {}: {} takes class labels, of an integer type", name_of(t.dtype), c.loss));
  if (!label)
    require_real_target(c, !c.traits.elementwise && kind == RowTarget::single ? 1 : y.cols);
  else
    require_shape(t, kind == RowTarget::single ? "target" : "target (class labels)", y.rows, 1);
}

void check_weights(const Checked& c) {
  const LossBatch& b = c.batch;
  if (b.weight) require_type(b.weight, "weight", DType::f32), require_outputs(c, b.weight, "weight");
  if (b.mask) require_type(b.mask, "mask", DType::u8), require_outputs(c, b.mask, "mask");
  if (b.class_weight) {
    if (!c.traits.has_classes())
      throw Error(Errc::bad_argument, fmt::format("class_weight is for losses with classes, not for {}", c.loss));
    require_type(b.class_weight, "class_weight", DType::f32);
    require_shape(b.class_weight, "class_weight", 1, b.prediction.cols);
  }
  if (b.upstream) {
    require_type(b.upstream, "upstream", DType::f32);
    if (b.upstream.size() != 1) {
      require_outputs(c, b.upstream, "upstream");
      require(b.reduction == Reduction::none, Errc::bad_shape,
              "upstream has a value for each output, but the reduction leaves one; give [1, 1]");
    }
  }
}

void check_lengths(const Checked& c) {
  const ConstView& v = c.batch.lengths;
  if (!v) return;
  require(!c.traits.elementwise, Errc::bad_argument, "lengths are for losses of rows");
  if (v.dtype != DType::i32 && v.dtype != DType::i64)
    throw Error(Errc::bad_dtype, fmt::format("lengths is {}, expected i32 or i64", name_of(v.dtype)));
  const std::int64_t rows = c.prediction().rows;
  if (v.cols != 1 || (v.rows == 0 ? rows > 0 : rows % v.rows != 0))
    throw Error(Errc::bad_shape, fmt::format("lengths has the shape {}, expected [sequences, 1] with sequences a "
                                             "divisor of the {} rows",
                                             shape_text(v), rows));
}

void check_reduction(const Checked& c) {
  const LossBatch& b = c.batch;
  const auto reduction = static_cast<std::size_t>(b.reduction), policy = static_cast<std::size_t>(b.bad_labels);
  if (reduction >= names_of(b.reduction).size() || policy > static_cast<std::size_t>(BadLabels::ignore))
    throw Error(Errc::bad_argument,
                fmt::format("reduction {} or bad_labels {}: there is no such choice", reduction, policy));
  const bool mean = b.reduction != Reduction::sum && b.reduction != Reduction::none;
  if (!(b.divisor >= 0) || !std::isfinite(b.divisor))
    throw Error(
        Errc::bad_argument,
        fmt::format("divisor is {}: expected a finite number above 0, or 0 for the reduction's own", b.divisor));
  if (b.divisor > 0 && !mean)
    throw Error(Errc::bad_argument,
                fmt::format("divisor is {}, but the reduction {} divides by nothing", b.divisor, name_of(b.reduction)));
  if (c.traits.root && b.reduction == Reduction::none)
    throw Error(
        Errc::bad_argument,
        fmt::format("{} is the root of a reduced value, and the reduction none leaves nothing to take it of", c.loss));
}

void check_metrics(const Checked& c) {
  const MetricRequest& m = c.batch.metrics;
  require(m.top_k >= 0, Errc::bad_argument, "metrics.top_k is negative");
  const auto need = [&](bool has, bool asked, std::string_view metric, std::string_view what) {
    if (asked && !has)
      throw Error(Errc::bad_argument, fmt::format("metrics.{} is asked of {}, which has no {}", metric, c.loss, what));
  };
  need(c.traits.decides(), m.accuracy, "accuracy", "classes");
  need(c.traits.binary(), m.decisions, "decisions", "answer of yes or no");
  need(c.traits.has_classes(), m.top_k > 0, "top_k", "classes");
  need(c.traits.elementwise, m.errors, "errors", "target for each element");
  need(c.traits.elementwise, m.targets, "targets", "target for each element");
  need(c.traits.has_classes(), static_cast<bool>(m.confusion), "confusion", "rows of classes");
  need(c.traits.probabilities, static_cast<bool>(m.calibration), "calibration", "rows of probabilities");
}

// ---- what it gives --------------------------------------------------------------------------------------------------

void check_gradients(const Checked& c) {
  const LossBatch& b = c.batch;
  const ConstView& y = c.prediction();
  const Inputs& in = c.traits.inputs;
  const auto check = [&](const View& g, std::string_view field, std::string_view input, bool constant) {
    if (!g) return;
    if (input.empty())
      throw Error(Errc::bad_argument, fmt::format("{} is given; {} takes {}", field, c.loss, c.inputs()));
    if (constant)
      throw Error(Errc::bad_argument, fmt::format("{} is given, but {} takes {} as a constant", field, c.loss, input));
    require_shape(g, field, y.rows, y.cols);
    require_type(g, field, y.dtype);
    require_places(g, field);
  };
  check(b.gradient, "gradient", in.prediction, false);
  check(b.second_gradient, "second_gradient", in.second, !in.second_has_gradient || c.traits.row_second);
  check(b.third_gradient, "third_gradient", in.third, false);
  if (b.values) {
    require_type(b.values, "values", DType::f32);
    require_shape(b.values, "values", y.rows, c.traits.elementwise ? y.cols : 1);
    require_places(b.values, "values");
  }
}

/// What a pass adds to beside its report.
void check_tallies(const Checked& c) {
  const ConstView confusion = c.batch.metrics.confusion, calibration = c.batch.metrics.calibration;
  for (const auto& [v, name] : {std::pair{confusion, "metrics.confusion"}, {calibration, "metrics.calibration"}}) {
    if (!v) continue;
    require_type(v, name, DType::i64);
    require_places(v, name);
  }
  if (confusion) require_shape(confusion, "metrics.confusion", c.prediction().cols, c.prediction().cols);
  if (calibration && calibration.rows < 1)
    throw Error(Errc::bad_shape, "metrics.calibration has no bins: it is [bins, 3]");
  if (calibration) require_shape(calibration, "metrics.calibration", calibration.rows, 3);
}

/// Rows in blocks: of predictions, dense targets and gradients of row losses.
void check_blocks(const Checked& c) {
  const LossBatch& b = c.batch;
  const auto refuse = [](const ConstView& v, std::string_view name, std::string_view why) {
    if (v.block > 0)
      throw Error(Errc::bad_shape, fmt::format("{} has its rows in blocks of {}: {}", name, v.block, why));
  };
  if (c.traits.elementwise)
    for (const auto& [view, name] : {std::pair{b.prediction, "prediction"},
                                     {b.second, "second"},
                                     {b.third, "third"},
                                     {b.target, "target"},
                                     {ConstView(b.gradient), "gradient"},
                                     {ConstView(b.second_gradient), "second_gradient"},
                                     {ConstView(b.third_gradient), "third_gradient"}})
      refuse(view, name, "that is for losses of rows; a pointwise loss takes the array as one row");
  else if (is_label(b.target.dtype))
    refuse(b.target, "target", "labels are [rows, 1], one after another");
  for (const auto& [view, name] : {std::pair{b.weight, "weight"},
                                   {b.mask, "mask"},
                                   {b.class_weight, "class_weight"},
                                   {b.upstream, "upstream"},
                                   {b.lengths, "lengths"},
                                   {ConstView(b.values), "values"},
                                   {ConstView(b.metrics.confusion), "metrics.confusion"},
                                   {ConstView(b.metrics.calibration), "metrics.calibration"}})
    refuse(view, name, "only predictions, dense targets and gradients may be so");
}

/// Nothing that is written may be memory that something else is written to or read from; but a gradient may be its own
/// input's memory, element for element.
void check_memory(const Checked& c) {
  const std::vector<BatchView> inputs = inputs_of(c.traits, c.batch), outputs = outputs_of(c.traits, c.batch);
  for (std::size_t o = 0; o < outputs.size(); ++o) {
    const BatchView& out = outputs[o];
    if (!out.view) continue;
    const std::string does = out.name + (out.plural ? " overlap " : " overlaps ");
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i].view || !meet(out.view, inputs[i].view)) continue;
      if (o != i || o > 2) throw Error(Errc::bad_argument, does + "the " + inputs[i].name);
      if (!same_places(out.view, inputs[i].view))
        throw Error(Errc::bad_argument,
                    does + "the " + inputs[i].name + " in part; it may be the same memory, or another");
    }
    for (std::size_t other = 0; other < o; ++other)
      if (outputs[other].view && meet(out.view, outputs[other].view))
        throw Error(Errc::bad_argument, does + "the " + outputs[other].name);
  }
}

}  // namespace

std::vector<BatchView> inputs_of(const LossTraits& traits, const LossBatch& b) {
  const Inputs& in = traits.inputs;
  const auto named = [](std::string_view name, std::string_view otherwise) {
    return std::string(name.empty() ? otherwise : name);
  };
  return {{b.prediction, std::string(in.prediction)},
          {b.second, named(in.second, "second")},
          {b.third, named(in.third, "third")},
          {b.target, "target"},
          {b.weight, "weight"},
          {b.mask, "mask"},
          {b.lengths, "lengths", true},
          {b.class_weight, "class_weight"},
          {b.upstream, "upstream"}};
}

std::vector<BatchView> outputs_of(const LossTraits& traits, const LossBatch& b) {
  const Inputs& in = traits.inputs;
  const auto gradient = [](std::string_view input, std::string_view field) {
    return input.empty() ? std::string(field) : fmt::format("{} ({})", field, input);
  };
  return {{ConstView(b.gradient), "gradient"},
          {ConstView(b.second_gradient), gradient(in.second, "second_gradient")},
          {ConstView(b.third_gradient), gradient(in.third, "third_gradient")},
          {ConstView(b.values), "values", true},
          {ConstView(b.metrics.confusion), "metrics.confusion"},
          {ConstView(b.metrics.calibration), "metrics.calibration"}};
}

void check_report_memory(const LossTraits& traits, const LossBatch& batch, const LossReport* report) {
  require_report(report);
  for (const auto& views : {inputs_of(traits, batch), outputs_of(traits, batch)})
    for (const BatchView& other : views) require_report(report, {{other.view, other.name}});
}

void check_loss(const LossTraits& traits, std::string_view name, const LossBatch& b) {
  const Checked c{b, traits, name};
  const ConstView& y = b.prediction;
  if (!y && !c.empty()) throw Error(Errc::bad_argument, fmt::format("{} is missing", c.traits.inputs.prediction));
  if (!is_real(y.dtype) || y.dtype == DType::f64)
    throw Error(Errc::bad_dtype,
                fmt::format("{} is {}, expected fp32, bf16 or fp16", c.traits.inputs.prediction, name_of(y.dtype)));
  for (const BatchView& input : inputs_of(traits, b)) check_strides(input.view, input.name);
  for (const BatchView& output : outputs_of(traits, b)) check_strides(output.view, output.name);
  if (!c.traits.elementwise && y.rows > 0 && y.cols == 0)
    throw Error(Errc::bad_shape, fmt::format("{} has the shape {}: a row has an element at least",
                                             c.traits.inputs.prediction, shape_text(y)));
  check_further(c, b.second, "second", c.traits.inputs.second);
  check_further(c, b.third, "third", c.traits.inputs.third);
  check_target(c);
  check_blocks(c);
  check_weights(c);
  check_lengths(c);
  check_reduction(c);
  check_metrics(c);
  check_gradients(c);
  check_tallies(c);
  check_memory(c);
}

}  // namespace fuselage
