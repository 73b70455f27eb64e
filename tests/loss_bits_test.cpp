// The same bits from every CPU target and thread count: values, gradients, reports, for every loss, type and option.
#include <gtest/gtest.h>

#include <cmath>

#include "support/batches.h"

namespace fuselage {
namespace {

using testing::normal;
using testing::Stored;

/// FNV-1a over everything that a pass leaves behind.
class Hash {
 public:
  void add(const void* data, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i)
      value_ = (value_ ^ static_cast<const unsigned char*>(data)[i]) * 1099511628211ull;
  }
  template <class T>
  void add(const T& x) {
    add(&x, sizeof x);
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 1469598103934665603ull;
};

/// One shape's inputs, with everything that numbers can be among them.
struct Inputs {
  std::int64_t rows, cols;
  std::vector<float> y, t, weight, class_weight, upstream;
  std::vector<std::int32_t> labels;
  std::vector<unsigned char> mask;

  Inputs(std::int64_t r, std::int64_t c) : rows(r), cols(c) {
    const auto n = static_cast<std::size_t>(r * c);
    y = normal(n, 1, 3), t = normal(n, 2), weight = normal(n, 3), upstream = normal(n, 4);
    class_weight = normal(static_cast<std::size_t>(c), 5);
    for (auto* v : {&t, &weight, &class_weight})
      for (float& x : *v) x = std::abs(x);
    for (std::size_t i = 0; i < n; ++i) mask.push_back(i % 5 != 1);
    for (std::int64_t i = 0; i < r; ++i) labels.push_back(static_cast<std::int32_t>(i * 7 % c));
    if (n > 60) {
      const float inf = __builtin_inff();
      y[5] = __builtin_nanf(""), y[n / 2] = inf, y[n / 3] = -inf, y[n - 1] = 1e-41f, y[n - 2] = -0.0f;
      y[n / 5] = 1e8f, y[n / 5 + 1] = 1e8f, t[9] = __builtin_nanf("");
    }
    if (r > 10) labels[3] = -1, labels[4] = static_cast<std::int32_t>(c), labels[6] = -100;
  }
};

struct Case {
  AnyLoss loss;
  DType dtype;
  int option;
};

std::uint64_t run(Backend& backend, const Inputs& in, const Case& c) {
  const bool row = std::holds_alternative<loss::SoftmaxCrossEntropy>(c.loss);
  const Stored y(in.y, c.dtype), t(in.t, c.dtype);
  std::vector<unsigned char> gradient(y.bytes.size(), 7);
  std::vector<float> values(in.y.size(), 7);
  LossBatch b;
  b.prediction = {y.bytes.data(), c.dtype, in.rows, in.cols, in.cols};
  b.gradient = {gradient.data(), c.dtype, in.rows, in.cols, in.cols};
  b.target = {t.bytes.data(), c.dtype, in.rows, in.cols, in.cols};
  if (c.option == 5) b.target = {in.t.data(), in.rows, in.cols};
  if (row && c.option != 2 && c.option != 5) b.target = {in.labels.data(), in.rows};
  b.reduction = static_cast<Reduction>(c.option % 4);
  b.bad_labels = c.option & 1 ? BadLabels::ignore : BadLabels::error;
  const std::int64_t width = row ? 1 : in.cols;
  if (b.reduction == Reduction::none) {
    b.values = {values.data(), in.rows, width};
    b.upstream = {in.upstream.data(), in.rows, width};
  }
  if (c.option == 1) b.weight = {in.weight.data(), in.rows};
  if (c.option == 4) b.weight = {in.weight.data(), in.rows, width};
  if (c.option >= 4) b.mask = {in.mask.data(), in.rows, width};
  if (row && c.option >= 3) b.class_weight = {in.class_weight.data(), 1, in.cols};
  b.metrics.accuracy = traits_of(c.loss).decides();
  b.metrics.top_k = row ? 3 : 0;
  b.metrics.errors = !row;
  LossReport r;
  backend.loss(c.loss, b, &r);
  Hash hash;
  hash.add(gradient.data(), gradient.size());
  hash.add(values.data(), values.size() * sizeof(float));
  for (const double x : {r.value, r.value_sum, r.weight_sum, r.first_bad_label, r.abs_error_sum, r.squared_error_sum})
    hash.add(x);
  for (const std::int64_t x : {r.count, r.bad_labels, r.first_bad_row, r.nonfinite, r.correct, r.top_k_correct})
    hash.add(x);
  return hash.value();
}

std::vector<Case> cases() {
  std::vector<Case> list;
  for (const std::string_view name : Losses::names)
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16})
      for (int option = 0; option < 6; ++option) {
        AnyLoss loss = Losses::make(name, "loss");
        const LossTraits traits = traits_of(loss);
        const bool softmax = std::holds_alternative<loss::SoftmaxCrossEntropy>(loss);
        if (!softmax && (!traits.elementwise || traits.inputs.count() > 1)) continue;  // the case matrix has them
        if (traits.root && static_cast<Reduction>(option % 4) == Reduction::none) continue;
        if (auto* ce = std::get_if<loss::SoftmaxCrossEntropy>(&loss); ce && option >= 3) {
          ce->label_smoothing = 0.1 * (option - 3);
          if (option == 4) ce->ignore_index = -100;
        }
        list.push_back({loss, dtype, option});
      }
  return list;
}

TEST(LossBits, TargetsAndThreadsAgree) {
  const auto backends = testing::cpu_backends();
  int compared = 0;
  for (const auto& [rows, cols] : std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1},
                                                                                     {17, 1},
                                                                                     {300, 10},
                                                                                     {33, 32},
                                                                                     {33, 33},
                                                                                     {12, 257},
                                                                                     {5, 4095},
                                                                                     {4, 4096},
                                                                                     {3, 4097},
                                                                                     {2, 12289},
                                                                                     {20011, 1}}) {
    const Inputs in(rows, cols);
    for (const Case& c : cases()) {
      const std::uint64_t expected = run(*backends[0], in, c);
      for (const auto& backend : backends) {
        ASSERT_EQ(run(*backend, in, c), expected)
            << backend->description() << ": " << Losses::to_string(c.loss) << ", " << name_of(c.dtype) << ", option "
            << c.option << ", " << rows << " x " << cols;
        ++compared;
      }
    }
  }
  RecordProperty("passes", compared);
}

TEST(LossBits, ARunAgainGivesTheSame) {
  const auto cpu = make_cpu_backend({2, {}});
  const Inputs in(300, 100);
  const Case c{loss::SoftmaxCrossEntropy{}, DType::f32, 0};
  const std::uint64_t first = run(*cpu, in, c);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(run(*cpu, in, c), first);
}

TEST(LossBits, ARowDoesNotDependOnItsNeighbours) {
  const auto cpu = make_cpu_backend({2, {}});
  for (const std::int64_t cols : {10, 100}) {
    const std::int64_t rows = 40;
    const std::vector<float> x = normal(static_cast<std::size_t>(rows * cols), 8);
    std::vector<std::int32_t> labels(static_cast<std::size_t>(rows), 3);
    std::vector<float> all(x.size()), alone(static_cast<std::size_t>(cols));
    LossReport report;
    LossBatch b;
    b.reduction = Reduction::sum;
    b.prediction = {x.data(), rows, cols};
    b.target = {labels.data(), rows};
    b.gradient = {all.data(), rows, cols};
    cpu->loss(loss::SoftmaxCrossEntropy{}, b, &report);
    for (std::int64_t r = 0; r < rows; ++r) {
      b.prediction = {x.data() + r * cols, 1, cols};
      b.target = {labels.data(), 1};
      b.gradient = {alone.data(), 1, cols};
      cpu->loss(loss::SoftmaxCrossEntropy{}, b, &report);
      ASSERT_EQ(std::memcmp(alone.data(), all.data() + r * cols, alone.size() * 4), 0) << "row " << r << " of " << cols;
    }
  }
}

}  // namespace
}  // namespace fuselage
