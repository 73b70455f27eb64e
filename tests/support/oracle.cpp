// Oracle files through nlohmann-json; passes through device memory, so that any backend can be asked.
#include "tests/support/oracle.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fuselage/loss_pass.h"
#include "host/validate/problem.h"
#include "tests/support/paths.h"

namespace fuselage::test {
namespace {

using Json = nlohmann::json;

double number_of(const Json& json) {
  if (json.is_null()) return NAN;
  if (json.is_string()) {
    const std::string text = json.get<std::string>();
    return text == "inf" ? INFINITY : text == "-inf" ? -INFINITY : NAN;
  }
  return json.get<double>();
}

std::vector<double> numbers_of(const Json& json, const char* key) {
  std::vector<double> result;
  if (json.contains(key))
    for (const Json& item : json.at(key)) result.push_back(number_of(item));
  return result;
}

/// Inputs are floats, written in the fewest digits that tell them from others.
std::vector<double> floats_of(const Json& json, const char* key) {
  std::vector<double> result = numbers_of(json, key);
  for (double& x : result) x = static_cast<double>(static_cast<float>(x));
  return result;
}

Reduction reduction_of(const std::string& name) {
  Reduction reduction{};
  require(detail::read_value(name, reduction), Errc::format, "no reduction '" + name + "'");
  return reduction;
}

OracleCase case_of(const Json& json) {
  OracleCase c;
  c.loss = json.at("loss");
  c.peer = json.at("peer");
  c.call = json.at("call");
  c.compat = json.value("compat", "");
  c.reduction = reduction_of(json.at("reduction"));
  c.rows = json.at("shape").at(0);
  c.cols = json.at("shape").at(1);
  const char* inputs[] = {"prediction", "second", "third"};
  const char* gradients[] = {"gradient", "second_gradient", "third_gradient"};
  for (int i = 0; i < 3; ++i) {
    c.inputs[i] = floats_of(json, inputs[i]);
    c.gradient[i] = numbers_of(json, gradients[i]);
  }
  c.target = floats_of(json, "target");
  c.labels = numbers_of(json, "labels");
  c.single = floats_of(json, "single");
  c.weight = floats_of(json, "weight");
  c.class_weight = floats_of(json, "class_weight");
  if (json.contains("value")) c.value = number_of(json.at("value"));
  c.values = numbers_of(json, "values");
  c.terms = numbers_of(json, "terms");
  c.slopes = numbers_of(json, "slopes");
  return c;
}

/// Device memory with the numbers as T; a view of [rows, n/rows].
template <class T>
struct Input {
  Buffer memory;
  ConstView view;

  Input(Backend& backend, const std::vector<double>& numbers, std::int64_t rows) {
    if (numbers.empty()) return;
    std::vector<T> host(numbers.size());
    std::transform(numbers.begin(), numbers.end(), host.begin(), [](double x) { return static_cast<T>(x); });
    memory = Buffer(backend, host.size() * sizeof(T));
    backend.copy(memory.data(), host.data(), host.size() * sizeof(T));
    backend.synchronize();
    const std::int64_t cols = static_cast<std::int64_t>(numbers.size()) / rows;
    view = ConstView(memory.data(), dtype_of<T>(), rows, cols, cols);
  }
};

struct Output {
  Buffer memory;
  View view;
  std::size_t size;

  Output(Backend& backend, std::int64_t rows, std::int64_t cols) : size(static_cast<std::size_t>(rows * cols)) {
    memory = Buffer(backend, size * sizeof(float));
    view = View(memory.data(), DType::f32, rows, cols, cols);
  }
  std::vector<double> read(Backend& backend) const {
    std::vector<float> host(size);
    backend.copy(host.data(), memory.data(), size * sizeof(float));
    backend.synchronize();
    return {host.begin(), host.end()};
  }
};

bool by_elements(const AnyLoss& loss) {
  return std::visit([]<class L>(const L&) { return loss::Elementwise<L>; }, loss);
}

/// The distance of numbers of so many binary digits at the magnitude of x; no less than float's least.
double unit(double x, int digits) {
  return std::max(std::ldexp(1.0, std::ilogb(std::max(std::abs(x), 0x1p-126)) - digits + 1), 0x1p-149);
}

bool agrees(double got, double expected, double largest, double ulp, int digits) {
  if (std::isnan(expected) || std::isinf(expected)) return std::isnan(expected) ? std::isnan(got) : got == expected;
  return std::abs(got - expected) <= ulp * unit(std::max(std::abs(expected), largest), digits);
}

/// The terms of element i where a file has some for elements or rows.
double at(const std::vector<double>& terms, std::size_t i, std::size_t of) {
  if (terms.empty()) return 0;
  return terms[i / (of / terms.size())];
}

/// Sum of the terms of all outputs, times their weights.
double sum_of_terms(const OracleCase& c, const OracleAnswer& got) {
  if (got.whole) return c.terms.empty() ? 0 : c.terms[0];
  double sum = 0;
  const std::size_t size = c.terms.size();
  for (std::size_t i = 0; i < size; ++i) sum += c.terms[i] * (c.weight.empty() ? 1 : at(c.weight, i, size));
  return sum;
}

}  // namespace

std::string OracleCase::text() const { return fmt::format("{} case {}: {}, {}: {}", file, number, loss, peer, call); }

std::vector<OracleCase> read_oracle(const std::filesystem::path& file) {
  std::ifstream in(file);
  const Json json = Json::parse(in);
  std::vector<OracleCase> cases;
  for (const Json& item : json.at("cases")) {
    OracleCase& c = cases.emplace_back(case_of(item));
    c.file = file.filename().string();
    c.number = cases.size();
  }
  return cases;
}

std::map<std::string, std::vector<OracleCase>> read_oracles() {
  std::map<std::string, std::vector<OracleCase>> result;
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() / "tests/oracle/data"))
    result[entry.path().stem().string()] = read_oracle(entry.path());
  return result;
}

OracleAnswer answer(Backend& backend, const AnyLoss& loss, const OracleCase& c) {
  const Input<float> inputs[] = {
      {backend, c.inputs[0], c.rows}, {backend, c.inputs[1], c.rows}, {backend, c.inputs[2], c.rows}};
  const Input<float> target(backend, c.target.empty() ? c.single : c.target, c.rows), weight(backend, c.weight, c.rows),
      class_weight(backend, c.class_weight, 1);
  const Input<std::int64_t> labels(backend, c.labels, c.rows);
  const Output values(backend, c.rows, by_elements(loss) ? c.cols : 1);
  std::vector<Output> gradients;
  for (const auto& wanted : c.gradient) gradients.emplace_back(backend, wanted.empty() ? 1 : c.rows, c.cols);
  const Buffer report(backend, sizeof(LossReport));

  LossBatch batch;
  batch.prediction = inputs[0].view;
  batch.second = inputs[1].view;
  batch.third = inputs[2].view;
  batch.target = c.labels.empty() ? target.view : labels.view;
  batch.weight = weight.view;
  batch.class_weight = class_weight.view;
  if (!c.gradient[0].empty()) batch.gradient = gradients[0].view;
  if (!c.gradient[1].empty()) batch.second_gradient = gradients[1].view;
  if (!c.gradient[2].empty()) batch.third_gradient = gradients[2].view;
  batch.values = values.view;
  batch.reduction = c.reduction;
  backend.loss(loss, batch, report.as<LossReport>());
  LossReport found;
  backend.copy(&found, report.data(), sizeof found);
  backend.synchronize();
  const auto outputs = static_cast<double>(by_elements(loss) ? c.rows * c.cols : c.rows);
  OracleAnswer result;
  result.value = found.value;
  result.divisor = divisor_of(c.reduction, 0, found.weight_sum, c.rows, static_cast<std::int64_t>(outputs));
  result.values = values.read(backend);
  for (std::size_t i = 0; i < 3; ++i)
    if (!c.gradient[i].empty()) result.gradient[i] = gradients[i].read(backend);
  return result;
}

namespace {

void run(Backend& backend, const InfoNce& loss, const OracleCase& c, const Input<float>* inputs,
         const std::vector<Output>& gradients, LossReport* report) {
  const Input<float> weight(backend, c.weight, c.rows);
  InfoNceBatch batch;
  batch.a = inputs[0].view;
  batch.b = inputs[1].view;
  batch.weight = weight.view;
  batch.gradient_a = gradients[0].view;
  batch.gradient_b = gradients[1].view;
  InfoNceLoss pass(backend);
  pass.run(loss, batch, report);
  backend.synchronize();  // before its memory goes
}

void run(Backend& backend, const BatchTriplet& loss, const OracleCase& c, const Input<float>* inputs,
         const std::vector<Output>& gradients, LossReport* report) {
  const Input<std::int64_t> labels(backend, c.labels, c.rows);
  TripletBatch batch;
  batch.x = inputs[0].view;
  batch.label = labels.view;
  batch.gradient = gradients[0].view;
  backend.batch_triplet(loss, batch, report);
  backend.synchronize();
}

}  // namespace

OracleAnswer answer(Backend& backend, const AnyPairLoss& loss, const OracleCase& c) {
  require(c.reduction == Reduction::mean && c.value, Errc::format, c.text() + ": losses of pairs give means");
  const Input<float> inputs[] = {{backend, c.inputs[0], c.rows}, {backend, c.inputs[1], c.rows}};
  std::vector<Output> gradients;
  for (int i = 0; i < 2; ++i) gradients.emplace_back(backend, c.rows, c.cols);
  const Buffer report(backend, sizeof(LossReport));
  std::visit([&](const auto& l) { run(backend, l, c, inputs, gradients, report.as<LossReport>()); }, loss);
  LossReport found;
  backend.copy(&found, report.data(), sizeof found);
  backend.synchronize();
  OracleAnswer result;
  result.value = found.value;
  result.whole = true;
  for (std::size_t i = 0; i < 2; ++i)
    if (!c.gradient[i].empty()) result.gradient[i] = gradients[i].read(backend);
  return result;
}

OracleAnswer reference_answer(const AnyLoss& loss, const OracleCase& c) {
  reference::LossInput in;
  in.rows = c.rows;
  in.cols = c.cols;
  in.prediction = c.inputs[0];
  in.second = c.inputs[1];
  in.third = c.inputs[2];
  in.target = c.target.empty() ? c.single : c.target;
  in.labels.assign(c.labels.begin(), c.labels.end());
  in.ignore_index = ignored_label(loss);
  in.weight = c.weight;
  in.class_weight = c.class_weight;
  in.reduction = std::string(name_of(c.reduction));
  const auto options = validate::reference_options(loss);
  const reference::LossOutput out = reference::loss(Losses::name_of(loss), options, in);
  return {out.value, out.divisor, out.values, {out.gradient, out.second_gradient, out.third_gradient}, false};
}

std::string difference(const OracleAnswer& got, const OracleCase& c, const ErrorBudget& budget, int digits) {
  const std::size_t outputs = got.values.size();
  if (c.value && !agrees(got.value, *c.value, sum_of_terms(c, got) / got.divisor, budget.value, digits))
    return fmt::format("{}\n  value {:.12g}, expected {:.12g}", c.text(), got.value, *c.value);
  for (std::size_t i = 0; i < c.values.size(); ++i)
    if (!agrees(got.values[i], c.values[i], at(c.terms, i, outputs), budget.value, digits))
      return fmt::format("{}\n  value {} of {}: {:.12g}, expected {:.12g}", c.text(), i, outputs, got.values[i],
                         c.values[i]);
  for (std::size_t k = 0; k < 3; ++k) {
    const std::size_t size = c.gradient[k].size();
    for (std::size_t i = 0; i < size; ++i) {
      if (std::isnan(c.gradient[k][i])) continue;
      const double weight = c.weight.empty() || got.whole ? 1 : at(c.weight, i, size);
      const double largest = at(c.slopes, i, size) * weight / got.divisor;
      if (!agrees(got.gradient[k][i], c.gradient[k][i], largest, budget.gradient, digits))
        return fmt::format("{}\n  derivative {} of {} by input {}: {:.12g}, expected {:.12g}", c.text(), i, size, k,
                           got.gradient[k][i], c.gradient[k][i]);
    }
  }
  return {};
}

}  // namespace fuselage::test
