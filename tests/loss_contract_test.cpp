// The contracts that every loss keeps: divisors, what is left out, bad labels, aliasing, strides, sizes, bad arguments.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/batches.h"

namespace fuselage {
namespace {

using testing::message_of;
using testing::normal;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

class LossContract : public ::testing::Test {
 protected:
  LossReport run(const AnyLoss& loss, const LossBatch& batch) {
    LossReport report;
    cpu->loss(loss, batch, &report);
    return report;
  }
  LossReport run(const char* loss, const LossBatch& batch) { return run(Losses::parse(loss, "loss"), batch); }

  std::unique_ptr<Backend> cpu = make_cpu_backend({2, {}});
};

LossBatch pair_of(const std::vector<float>& y, const std::vector<float>& t) {
  LossBatch b;
  b.prediction = {y.data(), static_cast<std::int64_t>(y.size())};
  b.target = {t.data(), static_cast<std::int64_t>(t.size())};
  return b;
}

LossBatch rows_of(const std::vector<float>& x, const std::vector<std::int64_t>& labels) {
  LossBatch b;
  const auto rows = static_cast<std::int64_t>(labels.size());
  b.prediction = {x.data(), rows, static_cast<std::int64_t>(x.size()) / rows};
  b.target = {labels.data(), rows};
  return b;
}

TEST_F(LossContract, NumbersFromTheBooks) {
  EXPECT_EQ(run("mse", pair_of({2.5, 0, 2, 8}, {3, -0.5, 2, 7})).value, 0.375);
  EXPECT_NEAR(run("hinge", pair_of({-1.5f, 1.2f, 0.9f, -0.8f}, {-1, 1, 1, -1})).value, 0.075, 1e-7);
  EXPECT_NEAR(run("bce", pair_of({0.1f, 0.8f, 0.9f, 0.2f}, {0, 1, 1, 0})).value, 0.164252, 5e-7);
  const std::vector<float> x{1, 0, 0, 0, 2, 0, 9, 9, 9}, w{1, 2, 3};
  const std::vector<std::int64_t> labels{0, 1, -100};
  LossBatch b = rows_of(x, labels);
  b.class_weight = {w.data(), 1, 3};
  EXPECT_NEAR(run("softmax_cross_entropy:label_smoothing=0.1,ignore_index=-100", b).value, 0.506337350, 5e-8);
}

TEST_F(LossContract, SmallLossesKeepTheirDigits) {
  const std::vector<float> x{0, -17, 0, -12, 1e8f, 1e8f, 0, 200};
  const std::vector<std::int64_t> labels{0, 0, 0, 0};
  std::vector<float> values(4), g(8);
  LossBatch b = rows_of(x, labels);
  b.values = {values.data(), 4};
  b.gradient = {g.data(), 4, 2};
  b.reduction = Reduction::none;
  run("softmax_cross_entropy", b);
  EXPECT_NEAR(values[0] / 4.13993763e-8, 1, 3e-7);
  EXPECT_NEAR(g[0] / -4.1399375e-8, 1, 3e-7);
  EXPECT_NEAR(values[1] / 6.14419348e-6, 1, 3e-7);
  EXPECT_FLOAT_EQ(values[2], 0.69314718f);
  EXPECT_EQ(g[4], -0.5f);
  EXPECT_EQ(values[3], 200);
  EXPECT_EQ(g[6], -1);
  EXPECT_EQ(g[7], 1);
}

TEST_F(LossContract, SaturatedProbabilitiesAreDefined) {
  const std::vector<float> p{0, 1, 0, 1}, t{0, 1, 1, 0};
  std::vector<float> values(4), g(4);
  LossBatch b = pair_of(p, t);
  b.values = {values.data(), 4};
  b.gradient = {g.data(), 4};
  b.reduction = Reduction::none;
  run("bce", b);
  EXPECT_EQ(values, (std::vector<float>{0, 0, 100, 100}));
  EXPECT_EQ(g, (std::vector<float>{1, -1, 0, 0})) << "no slope where the floor acts";
  run("bce:clip=1e-7", b);
  EXPECT_NEAR(values[2], -std::log(1e-7), 1e-5);
  EXPECT_EQ(g[2], 0) << "a clipped probability has no slope";
}

TEST_F(LossContract, LogitsSaturateWithTheirGradient) {
  const std::vector<float> x{-100, 100, -20, -50, 0, 0}, t{0, 1, 0, 1, 0, 1};
  std::vector<float> values(6), g(6);
  LossBatch b = pair_of(x, t);
  b.values = {values.data(), 6};
  b.gradient = {g.data(), 6};
  b.reduction = Reduction::none;
  run("bce_with_logits", b);
  EXPECT_TRUE(std::isfinite(values[0]) && std::isfinite(values[1]));
  EXPECT_NEAR(values[2] / 2.06115362e-9, 1, 3e-7);
  EXPECT_EQ(g[3], -1);
  EXPECT_EQ(g[4], 0.5f);
  EXPECT_EQ(g[5], -0.5f);
}

TEST_F(LossContract, DivisorsAreExplicit) {
  const std::vector<float> y{1, 2, 3, 4}, t{0, 0, 0, 0}, w{1, 0, 2, 1};
  const std::vector<unsigned char> mask{1, 1, 1, 0};
  LossBatch b = pair_of(y, t);
  b.weight = {w.data(), 4};
  b.mask = {mask.data(), 4};
  const LossReport mean = run("mse", b);
  EXPECT_EQ(mean.value_sum, 1 + 2 * 9);
  EXPECT_EQ(mean.weight_sum, 3);
  EXPECT_EQ(mean.count, 3);
  EXPECT_EQ(mean.value, 19.0 / 3);
  b.reduction = Reduction::sum;
  EXPECT_EQ(run("mse", b).value, 19);
  b.reduction = Reduction::mean_over_batch;
  EXPECT_EQ(run("mse", b).value, 19.0 / 4);
}

TEST_F(LossContract, AMaskedRowChangesNothingElse) {
  const std::vector<float> x{1, 2, 3, kNaN, kInf, 0, 0, 1, 0}, kept{1, 2, 3, 0, 1, 0};
  const std::vector<unsigned char> mask{1, 0, 1};
  std::vector<float> g(9), g_kept(6);
  const std::vector<std::int64_t> three{0, 1, 2}, two{0, 2};
  LossBatch b = rows_of(x, three), c = rows_of(kept, two);
  b.mask = {mask.data(), 3};
  b.gradient = {g.data(), 3, 3};
  c.gradient = {g_kept.data(), 2, 3};
  const LossReport r = run("softmax_cross_entropy", b), s = run("softmax_cross_entropy", c);
  EXPECT_EQ(r.value, s.value);
  EXPECT_EQ(r.nonfinite, 0);
  EXPECT_EQ(std::vector<float>(g.begin(), g.begin() + 3), std::vector<float>(g_kept.begin(), g_kept.begin() + 3));
  EXPECT_EQ(std::vector<float>(g.begin() + 3, g.begin() + 6), std::vector<float>(3, 0.0f));
}

TEST_F(LossContract, EmptyAndFullyIgnoredAreZero) {
  std::vector<float> x(8, 1), g(8, 7);
  const std::vector<std::int64_t> labels(4, -100);
  LossBatch b = rows_of(x, labels);
  b.gradient = {g.data(), 4, 2};
  const LossReport r = run("softmax_cross_entropy:ignore_index=-100", b);
  EXPECT_EQ(r.value, 0);
  EXPECT_EQ(r.count, 0);
  EXPECT_EQ(g, std::vector<float>(8, 0));
  for (const auto& [rows, cols] : {std::pair<std::int64_t, std::int64_t>{0, 5}, {5, 0}, {0, 0}}) {
    LossBatch empty;
    empty.prediction = {x.data(), DType::f32, rows, cols, cols};
    empty.target = empty.prediction;
    for (const char* loss : {"mse", "softmax_cross_entropy"}) {
      if (rows > 0 && loss == std::string_view("softmax_cross_entropy")) continue;  // refused: rows without classes
      const LossReport e = run(loss, empty);
      EXPECT_EQ(e.value, 0) << loss;
      EXPECT_EQ(e.count, 0) << loss;
    }
  }
}

TEST_F(LossContract, BadLabelsAreCountedAndNamed) {
  const std::vector<float> x(12, 0.5f);
  const std::vector<std::int64_t> labels{0, 3, -1, std::numeric_limits<std::int64_t>::min()};
  std::vector<float> g(12, 7);
  LossBatch b = rows_of(x, labels);
  b.gradient = {g.data(), 4, 3};
  const LossReport r = run("softmax_cross_entropy", b);
  EXPECT_EQ(r.bad_labels, 3);
  EXPECT_EQ(r.first_bad_row, 1);
  EXPECT_EQ(r.first_bad_label, 3);
  EXPECT_TRUE(r.rejected);
  EXPECT_EQ(std::vector<float>(g.begin() + 3, g.end()), std::vector<float>(9, 0));
  EXPECT_EQ(message_of([&] { check_report(r, BadLabels::error, false); }),
            "bad_label: 3 bad labels; the first is 3, in row 1");
  EXPECT_NO_THROW(check_report(r, BadLabels::ignore, false));
  b.bad_labels = BadLabels::ignore;
  const LossReport ignored = run("softmax_cross_entropy", b);
  EXPECT_FLOAT_EQ(static_cast<float>(ignored.value), std::log(3.0f));
  EXPECT_FALSE(ignored.rejected);

  const std::vector<float> one_class(3, 0.1f);
  const std::vector<std::int64_t> ones{1, 0, 1};
  EXPECT_EQ(run("softmax_cross_entropy", rows_of(one_class, ones)).bad_labels, 2);
}

TEST_F(LossContract, NaNTargetsAreBadLabels) {
  const std::vector<float> y{1, 2, 3}, t{1, kNaN, 2};
  std::vector<float> g(3);
  LossBatch b = pair_of(y, t);
  b.gradient = {g.data(), 3};
  b.bad_labels = BadLabels::ignore;
  const LossReport r = run("mse", b);
  EXPECT_EQ(r.bad_labels, 1);
  EXPECT_EQ(r.first_bad_row, 1);
  EXPECT_EQ(r.value, 0.5);
  EXPECT_EQ(g[1], 0);
  EXPECT_EQ(g[2], 1);
}

TEST_F(LossContract, NonFiniteGradientsAreCountedAsStored) {
  const std::vector<float> y{1e6f, 1, kNaN, kInf}, t{0, 0, 0, 0};
  testing::Stored yh(y, DType::f16), th(t, DType::f16), gh(y, DType::f16);
  LossBatch b;
  b.prediction = {yh.bytes.data(), DType::f16, 4, 1, 1};
  b.target = {th.bytes.data(), DType::f16, 4, 1, 1};
  b.gradient = {gh.bytes.data(), DType::f16, 4, 1, 1};
  b.reduction = Reduction::sum;
  EXPECT_EQ(run("mse", b).nonfinite, 3) << "1e6 is infinity in fp16";
  b.scale = 40000;  // 2 * 40000 overflows fp16, not fp32
  EXPECT_EQ(run("mse", b).nonfinite, 4);
}

TEST_F(LossContract, InPlaceGivesTheSameBits) {
  for (const std::int64_t cols : {1, 7, 40, 5000}) {
    const std::int64_t rows = 9;
    const std::vector<float> x = normal(static_cast<std::size_t>(rows * cols), 1), t = normal(x.size(), 2);
    std::vector<std::int64_t> labels(static_cast<std::size_t>(rows));
    for (std::size_t r = 0; r < labels.size(); ++r) labels[r] = static_cast<std::int64_t>(r) % cols;
    for (const std::string_view name : Losses::names) {
      const LossTraits traits = traits_of(Losses::make(name, "loss"));
      if (traits.inputs.count() > 1 || traits.target == RowTarget::single) continue;  // theirs stand in other tests
      const bool row = traits.has_classes();
      std::vector<float> g(x.size()), both = x;
      LossBatch b;
      b.prediction = {x.data(), rows, cols};
      b.target = row ? ConstView(labels.data(), rows) : ConstView(t.data(), rows, cols);
      b.gradient = {g.data(), rows, cols};
      const LossReport apart = run(Losses::make(name, "loss"), b);
      EXPECT_EQ(x, normal(x.size(), 1)) << "the prediction is not written";
      b.prediction = {static_cast<const float*>(both.data()), rows, cols};
      b.gradient = {both.data(), rows, cols};
      const LossReport together = run(Losses::make(name, "loss"), b);
      EXPECT_EQ(std::memcmp(g.data(), both.data(), g.size() * 4), 0) << name << " " << cols;
      EXPECT_EQ(std::memcmp(&apart.value, &together.value, 8), 0) << name;
    }
  }
}

TEST_F(LossContract, StridesEqualAPackedCopy) {
  const std::int64_t rows = 6, cols = 50, pitch = 64;
  const std::vector<float> wide = normal(static_cast<std::size_t>(rows * pitch * 2), 3);
  for (const std::int64_t col_stride : {1, 2}) {
    std::vector<float> packed, g(static_cast<std::size_t>(rows * cols)), g_wide(wide.size(), 7);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < cols; ++c)
        packed.push_back(wide[static_cast<std::size_t>(r * 2 * pitch + c * col_stride)]);
    const std::vector<float> t = normal(packed.size(), 4);
    const std::vector<std::int64_t> labels{0, 49, 7, 8, 9, 10};
    for (const char* name : {"huber", "softmax_cross_entropy"}) {
      LossBatch b;
      b.target = name[0] == 'h' ? ConstView(t.data(), rows, cols) : ConstView(labels.data(), rows);
      b.prediction = {packed.data(), rows, cols};
      b.gradient = {g.data(), rows, cols};
      const LossReport p = run(name, b);
      b.prediction = {wide.data(), DType::f32, rows, cols, 2 * pitch, col_stride};
      b.gradient = {g_wide.data(), DType::f32, rows, cols, 2 * pitch, col_stride};
      const LossReport s = run(name, b);
      EXPECT_EQ(p.value, s.value) << name;
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < cols; ++c)
          ASSERT_EQ(g[static_cast<std::size_t>(r * cols + c)],
                    g_wide[static_cast<std::size_t>(r * 2 * pitch + c * col_stride)]);
      EXPECT_EQ(g_wide[static_cast<std::size_t>((cols - 1) * col_stride + 1)], 7) << "nothing between rows is written";
    }
  }
}

TEST_F(LossContract, UpstreamScalesEachRow) {
  const std::vector<float> x = normal(12, 5), up{1, 0, 2, -1};
  const std::vector<std::int64_t> labels{0, 1, 2, 0};
  std::vector<float> g(12), plain(12);
  LossBatch b = rows_of(x, labels);
  b.reduction = Reduction::none;
  b.gradient = {plain.data(), 4, 3};
  run("softmax_cross_entropy", b);
  b.gradient = {g.data(), 4, 3};
  b.upstream = {up.data(), 4};
  run("softmax_cross_entropy", b);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(g[i], plain[i] * up[i / 3]);
}

TEST_F(LossContract, TheLastRowCountsLikeTheFirst) {
  // A row's gradient does not depend on its neighbours, and sums see every element of every tail.
  for (const std::int64_t n : {1, 2, 15, 16, 17, 255, 256, 257, 4095, 4096, 4097, 12289}) {
    const std::vector<float> y(static_cast<std::size_t>(n), 1), t(static_cast<std::size_t>(n), 0);
    std::vector<float> g(static_cast<std::size_t>(n) + 1, 7);
    LossBatch b = pair_of(y, t);
    b.gradient = {g.data(), n};
    b.reduction = Reduction::sum;
    EXPECT_EQ(run("mse", b).value, static_cast<double>(n));
    for (std::int64_t i = 0; i < n; ++i) ASSERT_EQ(g[static_cast<std::size_t>(i)], 2) << i << " of " << n;
    EXPECT_EQ(g.back(), 7);
  }
}

TEST_F(LossContract, AValueThatIsNaNHasNoGradient) {
  const std::vector<float> x{kInf, -kInf, 0}, t{1, 0, 1};
  std::vector<float> g(3);
  LossBatch b = pair_of(x, t);
  b.gradient = {g.data(), 3};
  const LossReport r = run("bce_with_logits", b);
  EXPECT_EQ(r.nonfinite, 2) << "infinity times 0: the step must not be made";
  EXPECT_TRUE(r.rejected);
}

TEST_F(LossContract, ViewsThatCannotBeAreRefused) {
  std::vector<float> x(12), g(12);
  LossBatch b;
  b.prediction = {x.data(), 4, 3};
  b.target = {x.data(), 4, 3};
  b.gradient = {g.data(), 4, 3};
  b.values = {g.data(), 4, 3};
  EXPECT_EQ(message_of([&] { run("mse", b); }), "bad_argument: values overlap the gradient");
  b.values = {};
  b.prediction = {x.data(), DType::f32, 4, 3, std::int64_t{1} << 62};
  EXPECT_NE(message_of([&] { run("mse", b); }).find("prediction has the row stride 4611686018427387904"),
            std::string::npos);
  b.prediction = b.target = {x.data(), DType::f32, 5, 0, 0};
  b.gradient = {g.data(), DType::f32, 5, 0, 0};
  EXPECT_EQ(message_of([&] { run("mse", b); }), "no error") << "rows without columns are empty, not wrong";
  EXPECT_EQ(message_of([&] { run("softmax_cross_entropy", b); }),
            "bad_shape: prediction has the shape [5, 0]: a row has an element at least");
  b.gradient = {};
  b.prediction = b.target = {x.data(), 4, 3};
  b.values = {g.data(), DType::f32, 4, 3, 0};
  EXPECT_EQ(message_of([&] { run("mse", b); }),
            "bad_shape: values has a stride of 0: elements would overwrite each other");
}

// 2^18 times the same row of 4,096: its mean in double is the mean of all. fp32 sums would stop growing at 2^24 terms.
TEST_F(LossContract, AMeanOverManyTermsIsRight) {
  constexpr std::int64_t kRows = 1 << 18, kCols = 4096;
  const std::vector<float> x = normal(kCols, 1), t = normal(kCols, 2);
  LossBatch b;
  b.prediction = ConstView(x.data(), DType::f32, kRows, kCols, 0, 1);
  b.target = ConstView(t.data(), DType::f32, kRows, kCols, 0, 1);
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double d = static_cast<double>(x[i]) - static_cast<double>(t[i]);
    sum += d * d;
  }
  const LossReport report = run("mse", b);
  EXPECT_EQ(report.count, kRows * kCols);
  const float mean = static_cast<float>(sum / kCols);
  EXPECT_NEAR(report.value, mean, std::nextafter(mean, kInf) - mean);
}

TEST_F(LossContract, BadArgumentsAreRefusedByName) {
  std::vector<float> x(12), t(12), w(5);
  const std::vector<std::int64_t> labels(4);
  LossBatch b;
  b.prediction = {x.data(), 4, 3};
  b.target = {t.data(), 12};
  EXPECT_EQ(message_of([&] { run("mse", b); }), "bad_shape: target has the shape [12, 1], expected [4, 3]");
  b.target = {labels.data(), 4};
  EXPECT_NE(message_of([&] { run("mse", b); }).find("takes real targets"), std::string::npos);
  b.weight = {w.data(), 5};
  EXPECT_EQ(message_of([&] { run("softmax_cross_entropy", b); }),
            "bad_shape: weight has the shape [5, 1], which does not fit the prediction's [4, 3]");
  b.weight = {};
  b.gradient = {x.data() + 1, 4, 2};
  EXPECT_NE(message_of([&] { run("softmax_cross_entropy", b); }).find("gradient has the shape"), std::string::npos);
  std::vector<float> long_x(20);
  b.prediction = {static_cast<const float*>(long_x.data()), 4, 3};
  b.gradient = {long_x.data() + 1, 4, 3};
  EXPECT_NE(message_of([&] { run("softmax_cross_entropy", b); }).find("overlaps the prediction in part"),
            std::string::npos);
  b.gradient = {};
  b.class_weight = {w.data(), 1, 5};
  EXPECT_NE(message_of([&] { run("softmax_cross_entropy", b); }).find("class_weight has the shape"), std::string::npos);
  EXPECT_NE(message_of([&] { run(loss::Huber{.delta = kNaN}, b); }).find("delta"), std::string::npos);
}

}  // namespace
}  // namespace fuselage
