// Losses of rows: what is left out; the same bits from every instruction set, any number of threads, in place, strided
// and alone.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string>

#include "support/batches.h"
#include "support/row_batches.h"

namespace fuselage {
namespace {

using testing::normal;
using testing::Rows;
using testing::shape_of;
using Shape = testing::TakenRows;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
using Floats = std::vector<float>;

struct Outcome {
  LossReport report;
  testing::Stored g[3];
  Floats values;
};

/// Runs a pass; in_place: the gradients go where the inputs stand, of which copies are made.
Outcome run(Backend& backend, const Rows& rows, LossBatch b, bool in_place) {
  Outcome out;
  out.values.resize(static_cast<std::size_t>(rows.rows));
  b.values = {out.values.data(), rows.rows};
  const std::int64_t stride = rows.cols + rows.gap;
  const int gradients = rows.shape.row.row_second ? 1 : rows.shape.inputs;
  View* const views[] = {&b.gradient, &b.second_gradient, &b.third_gradient};
  ConstView* const inputs[] = {&b.prediction, &b.second, &b.third};
  for (int i = 0; i < gradients; ++i) {
    out.g[i] = rows.x[i];
    *views[i] = {out.g[i].bytes.data(), rows.type, rows.rows, rows.cols, stride};
    if (in_place) *inputs[i] = *views[i];
  }
  backend.loss(rows.loss, b, &out.report);
  return out;
}

void expect_same(const Outcome& a, const Outcome& b, const std::string& what) {
  const auto same = [](double x, double y) { return std::memcmp(&x, &y, sizeof x) == 0; };
  EXPECT_TRUE(same(a.report.value, b.report.value)) << what << ": " << a.report.value << " and " << b.report.value;
  EXPECT_TRUE(same(a.report.weight_sum, b.report.weight_sum)) << what;
  EXPECT_EQ(a.report.count, b.report.count) << what;
  EXPECT_EQ(a.report.nonfinite, b.report.nonfinite) << what;
  EXPECT_EQ(a.report.correct, b.report.correct) << what;
  EXPECT_EQ(a.report.top_k_correct, b.report.top_k_correct) << what;
  EXPECT_EQ(std::memcmp(a.values.data(), b.values.data(), a.values.size() * sizeof(float)), 0) << what;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(a.g[i].bytes, b.g[i].bytes) << what << " gradient " << i;
}

template <class F>
void for_each_row_loss(F&& f) {
  for (const std::string_view name : Losses::names) {
    const AnyLoss loss = Losses::make(name, "loss");
    const std::optional<Shape> shape = shape_of(loss);
    if (!shape) continue;
    f(loss, false);
    if (shape->row.target == RowTarget::classes) f(loss, true);
  }
}

TEST(RowLosses, TheSameBitsEverywhere) {
  const auto backends = testing::cpu_backends();
  for_each_row_loss([&](const AnyLoss& loss, bool dense) {
    for (const DType type : {DType::f32, DType::bf16, DType::f16})
      for (const std::int64_t cols : {1, 31, 32, 257, 4095, 4097}) {
        const std::string what = std::string(Losses::name_of(loss)) + " " + std::to_string(cols);
        const Rows rows(loss, cols > 1000 ? 3 : 37, cols, type, dense, 5);
        LossBatch b = rows.batch();
        b.weight = {rows.weight.data(), rows.rows};
        b.mask = {rows.mask.data(), rows.rows};
        b.metrics.accuracy = rows.by_label();
        b.metrics.top_k = rows.by_label() ? 2 : 0;
        b.scale = 3;
        const Outcome first = run(*backends[0], rows, b, false);
        for (const auto& backend : backends) {
          expect_same(first, run(*backend, rows, b, false), what + " on " + backend->description());
          expect_same(first, run(*backend, rows, b, true), what + " in place on " + backend->description());
        }
      }
  });
}

TEST(RowLosses, StridesChangeNothing) {
  const auto backend = make_cpu_backend({2, {}});
  for_each_row_loss([&](const AnyLoss& loss, bool dense) {
    for (const DType type : {DType::f32, DType::bf16}) {
      const Rows rows(loss, 5, 32, type, dense, 3, 7);
      const LossBatch b = rows.batch();
      const Outcome all = run(*backend, rows, b, false);
      for (std::int64_t r = 0; r < rows.rows; ++r) {  // each row alone, its columns apart from each other
        const auto column = [&](const testing::Stored& from) {
          Floats out;
          for (std::int64_t c = 0; c < rows.cols; ++c) {
            out.push_back(from.floats()[static_cast<std::size_t>(r * 39 + c)]);
            out.insert(out.end(), 2, kNaN);
          }
          return testing::Stored(out, type);
        };
        testing::Stored x[3], g[3];
        LossBatch one = b;
        ConstView* const inputs[] = {&one.prediction, &one.second, &one.third};
        View* const gradients[] = {&one.gradient, &one.second_gradient, &one.third_gradient};
        const int count = rows.shape.row.row_second ? 1 : rows.shape.inputs;
        for (int i = 0; i < count; ++i) {
          x[i] = column(rows.x[i]);
          g[i] = x[i];
          *inputs[i] = {x[i].bytes.data(), type, 1, rows.cols, 1, 3};
          *gradients[i] = {g[i].bytes.data(), type, 1, rows.cols, 1, 3};
        }
        const testing::Stored own = b.target && b.target.cols > 1 ? column(rows.target) : testing::Stored();
        if (b.target && b.target.cols > 1)
          one.target = {own.bytes.data(), type, 1, rows.cols, 1, 3};
        else if (b.target)
          one.target = {
              static_cast<const unsigned char*>(b.target.data) + static_cast<std::size_t>(r) * size_of(b.target.dtype),
              b.target.dtype, 1, 1, 1};
        if (rows.shape.row.row_second) one.second = {rows.returns.data() + r, 1};
        one.reduction = Reduction::sum;
        LossReport report;
        backend->loss(loss, one, &report);
        EXPECT_EQ(static_cast<float>(report.value), all.values[static_cast<std::size_t>(r)]) << Losses::name_of(loss);
      }
    }
  });
}

TEST(RowLosses, WeightsMultiplyAndDivide) {
  const auto backend = make_cpu_backend({2, {}});
  for_each_row_loss([&](const AnyLoss& loss, bool dense) {
    const Rows rows(loss, 6, 9, DType::f32, dense, 11);
    const std::string what(Losses::name_of(loss));
    LossBatch b = rows.batch();
    b.reduction = Reduction::none;
    const Outcome plain = run(*backend, rows, b, false);
    b.weight = {rows.weight.data(), 6};
    b.mask = {rows.mask.data(), 6};
    b.upstream = {rows.upstream.data(), 6};
    const Outcome weighted = run(*backend, rows, b, false);
    double sum = 0, weight = 0;
    for (std::size_t r = 0; r < 6; ++r) {
      const float kept = rows.mask[r] ? 1.0f : 0.0f;
      EXPECT_NEAR(weighted.values[r], plain.values[r] * rows.weight[r] * kept,
                  1e-6 * std::abs(plain.values[r]) + 1e-30);
      for (std::size_t c = 0; c < 9; ++c) {
        const float own = plain.g[0].floats()[r * 9 + c];
        EXPECT_NEAR(weighted.g[0].floats()[r * 9 + c], kept * own * rows.weight[r] * rows.upstream[r],
                    1e-6 * std::abs(own) + 1e-30);
      }
      sum += static_cast<double>(weighted.values[r]);
      weight += static_cast<double>(kept * rows.weight[r]);
    }
    b.upstream = {};
    b.reduction = Reduction::mean;
    const Outcome mean = run(*backend, rows, b, false);
    EXPECT_NEAR(mean.report.value, sum / weight, 1e-6 * std::abs(sum)) << what;
    EXPECT_NEAR(mean.report.weight_sum, weight, 1e-6);
    EXPECT_EQ(mean.report.count, 5);
    b.divisor = 4;
    EXPECT_NEAR(run(*backend, rows, b, false).report.value, sum / 4, 1e-6 * std::abs(sum)) << what;
  });
}

TEST(RowLosses, LabelsWeighWithTheirClass) {
  const auto backend = make_cpu_backend({1, {}});
  for_each_row_loss([&](const AnyLoss& loss, bool dense) {
    const Rows rows(loss, 7, 5, DType::f32, dense, 2);
    if (rows.shape.row.target != RowTarget::classes && rows.shape.row.target != RowTarget::labels) return;
    LossBatch b = rows.batch();
    b.class_weight = {rows.class_weight.data(), 1, 5};
    const Outcome out = run(*backend, rows, b, false);
    double sum = 0;
    for (const std::int16_t label : rows.labels)
      sum += rows.by_label() ? static_cast<double>(rows.class_weight[static_cast<std::size_t>(label)]) : 1.0;
    EXPECT_NEAR(out.report.weight_sum, sum, 1e-6) << Losses::name_of(loss);
    if (!rows.by_label()) return;
    b.class_weight = {};
    b.reduction = Reduction::none;
    const Outcome plain = run(*backend, rows, b, false);
    for (std::size_t r = 0; r < 7; ++r) {
      const float w = rows.class_weight[static_cast<std::size_t>(rows.labels[r])];
      EXPECT_NEAR(out.values[r], w * plain.values[r], 1e-6 * std::abs(plain.values[r]) + 1e-30)
          << Losses::name_of(loss);
    }
  });
}

TEST(RowLosses, BadLabelsAreCountedAndIgnoredOnesAreNot) {
  const auto backend = make_cpu_backend({2, {}});
  const Floats x{1, 2, 3}, returns{1, 1, 1};
  const std::vector<std::int64_t> labels{1, 0, 1};
  for_each_row_loss([&](const AnyLoss& loss, bool dense) {
    const RowShape shape = shape_of(loss)->row;
    if (dense || (shape.target != RowTarget::classes && shape.target != RowTarget::labels)) return;
    LossBatch b;
    b.prediction = {x.data(), 3, 1};
    b.target = {labels.data(), 3};
    if (shape.row_second) b.second = {returns.data(), 3};
    Floats g(3, kNaN), values(3, kNaN);
    b.gradient = {g.data(), 3, 1};
    b.values = {values.data(), 3};
    LossReport report;
    backend->loss(loss, b, &report);
    EXPECT_EQ(report.bad_labels, 2);
    EXPECT_EQ(report.first_bad_row, 0);
    EXPECT_EQ(report.first_bad_label, 1);
    EXPECT_EQ(report.count, 1);
    EXPECT_TRUE(report.rejected);
    EXPECT_EQ(g[0], 0);
    EXPECT_EQ(g[2], 0);
    EXPECT_EQ(values[2], 0);
    AnyLoss ignoring = loss;
    Losses::set(ignoring, "ignore_index", "1");
    backend->loss(ignoring, b, &report);
    EXPECT_EQ(report.bad_labels, 0);
    EXPECT_EQ(report.weight_sum, 1);
    EXPECT_FALSE(report.rejected);
  });
}

TEST(RowLosses, TargetsOutsideTheDomainAreBad) {
  const auto backend = make_cpu_backend({1, {}});
  const Floats x{1, 2, 3, 4, 5, 6}, t{1, 0.5f, kNaN}, dense{1, 2, kNaN, 1, 1, 1};
  LossBatch b;
  b.prediction = {x.data(), 3, 2};
  b.second = {x.data(), 3, 2};
  b.target = {t.data(), 3};
  b.bad_labels = BadLabels::ignore;
  LossReport report;
  backend->loss(loss::CosineEmbedding{}, b, &report);
  EXPECT_EQ(report.bad_labels, 2);
  EXPECT_EQ(report.first_bad_row, 1);
  EXPECT_EQ(report.first_bad_label, 0.5);
  EXPECT_EQ(report.weight_sum, 1);
  backend->loss(loss::Contrastive{}, b, &report);
  EXPECT_EQ(report.bad_labels, 1);
  EXPECT_TRUE(std::isnan(report.first_bad_label));
  b.second = {};
  b.target = {dense.data(), 3, 2};
  for (const AnyLoss& loss : {AnyLoss(loss::CosineSimilarity{}), AnyLoss(loss::Nll{})}) {
    backend->loss(loss, b, &report);
    EXPECT_EQ(report.bad_labels, 1);
    EXPECT_EQ(report.first_bad_row, 1);
    EXPECT_EQ(report.count, 2);
  }
  const std::vector<std::int8_t> labels{1, -1, 0};  // a row's own number may be of an integer type
  b.second = {x.data(), 3, 2};
  b.target = {labels.data(), 3};
  backend->loss(loss::CosineEmbedding{}, b, &report);
  EXPECT_EQ(report.bad_labels, 1);
  EXPECT_EQ(report.first_bad_row, 2);
}

TEST(RowLosses, BadWeightsLeaveRowsOut) {
  const auto backend = make_cpu_backend({2, {}});
  const Floats x{-1, -2, -3, -4, -5, -6}, weight{1, -1, kInf}, class_weight{1, kNaN};
  const std::vector<std::uint8_t> labels{0, 0, 1};
  LossBatch b;
  b.prediction = {x.data(), 3, 2};
  b.target = {labels.data(), 3};
  b.weight = {weight.data(), 3};
  LossReport report;
  backend->loss(loss::Nll{}, b, &report);
  EXPECT_EQ(report.bad_weights, 2);
  EXPECT_EQ(report.first_bad_weight_row, 1);
  EXPECT_EQ(report.first_bad_weight, -1);
  EXPECT_EQ(report.value, 1);
  EXPECT_TRUE(report.rejected);
  b.weight = {};
  b.class_weight = {class_weight.data(), 1, 2};
  backend->loss(loss::Nll{}, b, &report);
  EXPECT_EQ(report.bad_weights, 1);
  EXPECT_EQ(report.first_bad_weight_row, 2);
  EXPECT_TRUE(std::isnan(report.first_bad_weight));
  EXPECT_EQ(report.value, 2);
}

TEST(RowLosses, NaNInARowStaysInTheRow) {
  for (const auto& backend : testing::cpu_backends())
    for_each_row_loss([&](const AnyLoss& loss, bool dense) {
      Rows rows(loss, 4, 40, DType::f32, dense, 9);
      if (Losses::name_of(loss) == "nll" && !dense) return;  // which looks at the label's element alone
      LossBatch b = rows.batch();
      const Outcome good = run(*backend, rows, b, false);
      const auto at = static_cast<std::size_t>(2 * 40 + (rows.labels[2] + 1) % 40);
      std::memcpy(rows.x[0].bytes.data() + at * 4, &kNaN, 4);
      const Outcome bad = run(*backend, rows, b, false);
      EXPECT_TRUE(std::isnan(bad.values[2])) << Losses::name_of(loss) << (dense ? " dense " : " ") << bad.values[2];
      EXPECT_TRUE(bad.report.nonfinite > 0 || Losses::name_of(loss) == "nll") << Losses::name_of(loss);
      for (const std::size_t r : {0, 1, 3}) EXPECT_EQ(bad.values[r], good.values[r]) << Losses::name_of(loss);
    });
}

TEST(RowLosses, RowsOfAMillionColumns) {
  const std::int64_t n = std::int64_t{1} << 20;
  const Floats zeros(static_cast<std::size_t>(n)), ones(static_cast<std::size_t>(n), 1.0f);
  const std::vector<std::int64_t> label{n - 1};
  const auto backend = make_cpu_backend({2, {}});
  const auto value = [&](const char* text, const ConstView& x, const ConstView& second, const ConstView& target) {
    LossBatch b;
    b.prediction = x;
    b.second = second;
    b.target = target;
    LossReport report;
    backend->loss(Losses::parse(text, "loss"), b, &report);
    return report.value;
  };
  const ConstView x{zeros.data(), 1, n}, one{ones.data(), 1, n}, own{ones.data(), 1}, y{label.data(), 1};
  const double lse = 20 * 0.69314718055994531;
  EXPECT_NEAR(value("poly1", x, {}, y), lse + 1, 1e-6);
  EXPECT_NEAR(value("categorical_focal:alpha=1", x, {}, y), lse, 2e-4);
  EXPECT_NEAR(value("cross_entropy:clip=0", one, {}, y), lse, 2e-6);
  EXPECT_NEAR(value("multi_margin", x, {}, y), 1, 1e-6);
  EXPECT_EQ(value("categorical_hinge", x, {}, y), 1);
  EXPECT_EQ(value("policy_gradient", x, own, y), static_cast<double>(static_cast<float>(lse)));
  EXPECT_EQ(value("cosine_similarity", one, {}, one), 0);
  EXPECT_EQ(value("contrastive:eps=0", one, x, own), 0x1p19);
}

TEST(RowLosses, NoRows) {
  const auto backend = make_cpu_backend({2, {}});
  for_each_row_loss([&](const AnyLoss& loss, bool dense) {
    const Rows rows(loss, 0, 8, DType::f32, dense, 1);
    LossReport report;
    backend->loss(loss, rows.batch(), &report);
    EXPECT_EQ(report.value, 0);
    EXPECT_EQ(report.count, 0);
  });
}

}  // namespace
}  // namespace fuselage
