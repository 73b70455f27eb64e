// Problems on a backend and before the reference: copies in, the call, copies out.
#include "host/validate/problem.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "fuselage/loss/concepts.h"
#include "host/validate/device_arrays.h"

namespace fuselage::validate {
namespace {

constexpr unsigned char kGapByte = 0xa5;

/// A matrix with a gap after each row, and back.
std::vector<unsigned char> spread(const Array& a, std::int64_t gap) {
  const std::size_t element = size_of(a.dtype()), row = static_cast<std::size_t>(a.row_size()) * element,
                    pitch = row + static_cast<std::size_t>(gap) * element, rows = static_cast<std::size_t>(a.rows());
  std::vector<unsigned char> bytes(rows * pitch, kGapByte);
  for (std::size_t r = 0; r < rows && row > 0; ++r) std::memcpy(bytes.data() + r * pitch, a.data() + r * row, row);
  return bytes;
}

/// False when a gap was written to.
bool gather(const std::vector<unsigned char>& bytes, std::int64_t gap, Array& to) {
  const std::size_t element = size_of(to.dtype()), row = static_cast<std::size_t>(to.row_size()) * element,
                    space = static_cast<std::size_t>(gap) * element, rows = static_cast<std::size_t>(to.rows());
  bool kept = true;
  for (std::size_t r = 0; r < rows; ++r) {
    const unsigned char* from = bytes.data() + r * (row + space);
    if (row > 0) std::memcpy(to.data() + r * row, from, row);
    for (std::size_t i = 0; i < space; ++i) kept &= from[row + i] == kGapByte;
  }
  return kept;
}

/// [rows, 1] or [rows, cols], by its number of elements; one column is both.
OptionalInput output_input(Backend& backend, const std::optional<Array>& a, const LossProblem& p) {
  const bool for_rows = !a || p.is_row() || a->size() == p.rows();
  return optional_input(backend, a, p.rows(), for_rows ? 1 : p.cols());
}

/// A prediction on the device with gaps after its rows, and memory for its gradient. Nothing where there is none.
struct Matrix {
  std::vector<unsigned char> image;
  Buffer memory, own_gradient;
  ConstView input;
  View gradient;

  Matrix(Backend& backend, const Array* a, const LossProblem& p, bool has_gradient)
      : image(a ? spread(*a, a->shape().size() > 1 ? p.row_gap : 0) : std::vector<unsigned char>()),
        memory(upload(backend, image.data(), static_cast<std::int64_t>(image.size()))),
        own_gradient(blank(backend, p.in_place ? 0 : image.size())) {
    if (!a) return;
    // A constant of each row has neither gaps nor a gradient.
    const bool of_rows = a->shape().size() == 1;
    const std::int64_t cols = of_rows ? 1 : a->row_size(), pitch = of_rows ? 1 : cols + p.row_gap;
    input = ConstView(memory.data(), a->dtype(), a->rows(), cols, pitch);
    void* const to = p.in_place ? memory.data() : own_gradient.data();
    if (has_gradient) gradient = View(to, a->dtype(), a->rows(), cols, pitch);
  }
  /// The gradient, once the device has it; `kept` turns false where a gap was written to.
  Array fetch(Backend& backend, DType type, const LossProblem& p, bool& kept) {
    Array result(type, p.prediction.shape());
    download(backend, image.data(), gradient.data, static_cast<std::int64_t>(image.size()));
    backend.synchronize();
    kept &= gather(image, p.row_gap, result);
    return result;
  }

 private:
  static Buffer blank(Backend& backend, std::size_t bytes) {
    const std::vector<unsigned char> gaps(bytes, kGapByte);
    return upload(backend, gaps.data(), static_cast<std::int64_t>(bytes));
  }
};

std::vector<double> doubles_of(const std::optional<Array>& a) { return a ? to_doubles(*a) : std::vector<double>(); }

}  // namespace

bool LossProblem::is_row() const { return !traits_of(loss).elementwise; }

LossSolution solve(Backend& backend, const LossProblem& p) {
  const std::int64_t rows = p.rows(), cols = p.cols();
  const DType type = p.prediction.dtype();
  const reference::Definition definition = definition_of(p);
  const int gradients = definition.gradients;
  Matrix prediction(backend, &p.prediction, p, true),
      second(backend, p.second ? &*p.second : nullptr, p, gradients > 1),
      third(backend, p.third ? &*p.third : nullptr, p, gradients > 2);
  const Buffer target = upload(backend, p.target.data(), p.target.bytes());
  const OptionalInput weight = output_input(backend, p.weight, p), mask = output_input(backend, p.mask, p);
  const OptionalInput class_weight = optional_input(backend, p.class_weight, 1, cols);
  const OptionalInput lengths = optional_input(backend, p.lengths, p.lengths ? p.lengths->size() : 0, 1);
  const bool one_upstream = p.upstream && p.reduction != Reduction::none;
  const OptionalInput upstream = one_upstream ? optional_input(backend, p.upstream, 1, 1)
                                              : optional_input(backend, p.upstream, rows, p.is_row() ? 1 : cols);
  LossSolution result;
  result.values = Array(DType::f32, {p.outputs()});
  const Buffer values(backend, static_cast<std::size_t>(std::max<std::int64_t>(result.values.bytes(), 1)));
  const Buffer report(backend, sizeof(LossReport));

  LossBatch batch;
  batch.prediction = prediction.input;
  batch.second = second.input;
  batch.third = third.input;
  const reference::RowKind kind = definition.traits.target;
  if (!p.is_row() || kind != reference::RowKind::none) {
    const bool of_rows = is_label(p.target.dtype()) || (p.is_row() && kind == reference::RowKind::single);
    const std::int64_t width = of_rows ? 1 : cols;
    batch.target = ConstView(target.data(), p.target.dtype(), rows, width, width);
  }
  batch.weight = weight.view;
  batch.mask = mask.view;
  batch.lengths = lengths.view;
  batch.class_weight = class_weight.view;
  batch.upstream = upstream.view;
  batch.gradient = prediction.gradient;
  batch.second_gradient = second.gradient;
  batch.third_gradient = third.gradient;
  const std::int64_t value_cols = p.is_row() ? 1 : cols;
  if (!p.without_values) batch.values = View(values.data(), DType::f32, rows, value_cols, value_cols);
  batch.reduction = p.reduction;
  batch.bad_labels = p.bad_labels;
  batch.scale = p.scale;
  batch.divisor = p.divisor;
  batch.metrics = p.metrics;
  result.confusion.resize(p.confusion ? static_cast<std::size_t>(cols * cols) : 0);
  result.calibration.resize(static_cast<std::size_t>(3 * p.bins));
  const auto bytes = [](const std::vector<std::int64_t>& v) { return static_cast<std::int64_t>(v.size() * 8); };
  const Buffer confusion = upload(backend, result.confusion.data(), bytes(result.confusion));
  const Buffer calibration = upload(backend, result.calibration.data(), bytes(result.calibration));
  if (p.confusion) batch.metrics.confusion = {confusion.as<std::int64_t>(), cols, cols};
  if (p.bins > 0) batch.metrics.calibration = {calibration.as<std::int64_t>(), p.bins, 3};
  backend.loss(p.loss, batch, report.as<LossReport>());

  download(backend, &result.report, report.data(), sizeof result.report);
  download(backend, result.confusion.data(), confusion.data(), bytes(result.confusion));
  download(backend, result.calibration.data(), calibration.data(), bytes(result.calibration));
  if (!p.without_values) download(backend, result.values.data(), values.data(), result.values.bytes());
  result.gradient = prediction.fetch(backend, type, p, result.gap_kept);
  if (gradients > 1) result.second_gradient = second.fetch(backend, type, p, result.gap_kept);
  if (gradients > 2) result.third_gradient = third.fetch(backend, type, p, result.gap_kept);
  backend.synchronize();
  return result;
}

reference::LossInput reference_input(const LossProblem& p) {
  reference::LossInput in;
  in.rows = p.rows();
  in.cols = p.cols();
  in.prediction = to_doubles(p.prediction);
  in.second = doubles_of(p.second);
  in.third = doubles_of(p.third);
  const reference::RowKind kind = definition_of(p).traits.target;
  if (is_label(p.target.dtype()) && kind != reference::RowKind::single) {
    const Array labels = converted(p.target, DType::i64);
    in.labels.assign(labels.as<std::int64_t>().begin(), labels.as<std::int64_t>().end());
  } else if (!p.is_row() || kind != reference::RowKind::none) {
    in.target = to_doubles(p.target);
  }
  in.ignore_index = ignored_label(p.loss);
  if (p.lengths) {
    const Array lengths = converted(*p.lengths, DType::i64);
    in.lengths.assign(lengths.as<std::int64_t>().begin(), lengths.as<std::int64_t>().end());
  }
  in.weight = doubles_of(p.weight);
  for (const double m : doubles_of(p.mask)) in.mask.push_back(m != 0);
  in.class_weight = doubles_of(p.class_weight);
  in.reduction = std::string(name_of(p.reduction));
  in.divisor = p.divisor;
  in.bins = p.bins;
  in.upstream = doubles_of(p.upstream);
  if (in.upstream.empty() && p.scale != 1) in.upstream = {1.0};
  for (double& u : in.upstream) u *= p.scale;
  return in;
}

reference::Definition definition_of(const LossProblem& p) {
  const auto options = reference_options(p.loss);
  return reference::define(Losses::name_of(p.loss), options);
}

reference::LossOutput solve_by_reference(const LossProblem& p) {
  const auto options = reference_options(p.loss);
  const int top_k = p.metrics.top_k > 0 ? p.metrics.top_k : 5;
  return reference::loss(Losses::name_of(p.loss), options, reference_input(p), top_k);
}

std::vector<StepSolution> solve(Backend& backend, const StepProblem& p) {
  const std::size_t slots = std::visit([](const auto& r) { return std::size_t{r.slots}; }, p.optimizer.rule);
  std::vector<Buffer> values, gradients;
  std::vector<Trainable> tensors;
  for (const Array& a : p.parameters) {
    Trainable t{"tensor " + std::to_string(tensors.size()), nullptr, nullptr, a.shape(), a.dtype()};
    t.value = values.emplace_back(upload(backend, a.data(), a.bytes())).data();
    t.gradient = gradients.emplace_back(upload(backend, a.data(), a.bytes())).data();
    tensors.push_back(std::move(t));
  }
  Optimizer optimizer(backend, tensors, ParameterGroup{p.optimizer, p.schedule});
  const std::vector<Parameter>& parameters = optimizer.parameters();
  for (std::size_t s = 0; s < p.state.size(); ++s)
    for (std::size_t t = 0; t < parameters.size(); ++t)
      if (float* to = parameters[t].state[s])
        backend.copy(to, p.state[s][t].data(), static_cast<std::size_t>(p.state[s][t].bytes()));
  for (std::size_t t = 0; t < p.kept.size(); ++t)
    if (parameters[t].kept) backend.copy(parameters[t].kept, &p.kept[t], sizeof(double));
  const StepState start{p.steps_before, 0, 0};
  backend.copy(optimizer.steps(), &start, sizeof start);
  backend.copy(optimizer.group_states(), &p.group, sizeof p.group);
  const Buffer gate(backend, sizeof(LossReport));
  std::vector<StepSolution> results;
  for (const std::vector<Array>& step : p.gradients) {
    LossReport found;
    for (std::size_t t = 0; t < step.size(); ++t) {
      if (step[t].bytes() > 0)
        backend.copy(gradients[t].data(), step[t].data(), static_cast<std::size_t>(step[t].bytes()));
      if (p.skip_non_finite)
        for (const double g : to_doubles(step[t])) found.nonfinite += !std::isfinite(g);
    }
    found.rejected = found.nonfinite > 0;
    backend.copy(gate.data(), &found, sizeof found);
    optimizer.step(p.skip_non_finite ? gate.as<LossReport>() : nullptr);
    StepSolution& result = results.emplace_back();
    result.state.resize(slots);
    result.kept.resize(parameters.size());
    for (std::size_t t = 0; t < parameters.size(); ++t) {
      Array& value = result.parameters.emplace_back(p.parameters[t].dtype(), p.parameters[t].shape());
      download(backend, value.data(), parameters[t].value, value.bytes());
      for (std::size_t s = 0; s < slots; ++s) {
        Array& state = result.state[s].emplace_back(DType::f32, value.shape());
        if (parameters[t].state[s]) download(backend, state.data(), parameters[t].state[s], state.bytes());
      }
      if (parameters[t].kept) backend.copy(&result.kept[t], parameters[t].kept, sizeof(double));
    }
    download(backend, &result.counters, optimizer.steps(), sizeof result.counters);
    download(backend, &result.group, optimizer.group_states(), sizeof result.group);
    backend.synchronize();
  }
  return results;
}

reference::Options reference_options(const detail::Entry& entry, const void* value, std::string_view without) {
  reference::Options options;
  for (const detail::AnyField& field : entry.fields) {
    if (field.name == without) continue;
    if (field.type->kind == detail::FieldKind::integer && field.type->optional)
      continue;  // a label, which is among the inputs: a double does not hold all of them
    const std::string name(field.name);
    const std::vector<double> numbers = field.type->numbers(field.in(value));
    const bool list = field.type->kind == detail::FieldKind::list;
    for (std::size_t i = 0; i < numbers.size(); ++i) options[list ? name + "." + std::to_string(i) : name] = numbers[i];
  }
  return options;
}

reference::Options reference_options(const OptimizerSpec& optimizer) {
  auto options = reference_options(optimizer.rule, "lr");
  options.merge(reference_options(optimizer.options));
  return options;
}

double reference_factor(const ScheduleSpec& schedule, std::int64_t step, const schedule::PlateauState& plateau) {
  double product = 1;
  for (const ScheduleTerm& term : schedule.terms) {
    const bool runs =
        term.from <= step && std::none_of(schedule.terms.begin(), schedule.terms.end(),
                                          [&](const auto& t) { return term.from < t.from && t.from <= step; });
    if (!runs) continue;
    const reference::Options options = reference_options(term.entry);
    product *= std::holds_alternative<schedule::Plateau>(term.entry)
                   ? plateau.factor()
                   : reference::schedule(Schedules::name_of(term.entry), options, step - term.from);
  }
  return product;
}

}  // namespace fuselage::validate
