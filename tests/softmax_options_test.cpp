// The options of softmax_cross_entropy: temperature, softcap, z-loss; the class axis; lengths; confusion and
// calibration.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "fuselage/metric/calibration.h"
#include "fuselage/metric/confusion.h"
#include "support/batches.h"

namespace fuselage {
namespace {

using loss::SoftmaxCrossEntropy;
using testing::cpu_backends;
using testing::message_of;
using testing::normal;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// The value of a row, as the definition has it, in double: coefficients q, options `l`.
double textbook(const std::vector<double>& x, const std::vector<double>& q, const SoftmaxCrossEntropy& l) {
  std::vector<double> logits;
  for (double v : x) {
    v /= l.temperature;
    logits.push_back(l.softcap > 0 ? l.softcap * std::tanh(v / l.softcap) : v);
  }
  double sum = 0, most = -kInf, value = 0;
  for (const double v : logits) most = std::max(most, v);
  for (const double v : logits) sum += std::exp(v - most);
  const double lse = most + std::log(sum);
  for (std::size_t c = 0; c < x.size(); ++c) value += q[c] * (lse - logits[c]);
  return value + l.z_loss * lse * lse;
}

std::vector<SoftmaxCrossEntropy> options() {
  std::vector<SoftmaxCrossEntropy> all;
  for (const double temperature : {1.0, 0.5, 3.0})
    for (const double softcap : {0.0, 2.0, 30.0})
      for (const double z_loss : {0.0, 0.1})
        for (const double smoothing : {0.0, 0.2}) {
          SoftmaxCrossEntropy l;
          l.temperature = temperature;
          l.softcap = softcap;
          l.z_loss = z_loss;
          l.label_smoothing = smoothing;
          all.push_back(l);
        }
  return all;
}

/// What a pass writes.
struct Result {
  LossReport report;
  std::vector<float> gradient, values;
  bool operator==(const Result& r) const {
    return report.value == r.report.value && report.count == r.report.count &&
           report.bad_labels == r.report.bad_labels && report.first_bad_row == r.report.first_bad_row &&
           report.correct == r.report.correct && report.weight_sum == r.report.weight_sum && gradient == r.gradient &&
           values == r.values;
  }
};

/// Logits [rows, classes] with labels; the batch is what the caller makes of `batch`.
struct Rows {
  std::int64_t rows, classes;
  std::vector<float> x;
  std::vector<std::int32_t> labels;
  LossBatch batch;

  Rows(std::int64_t r, std::int64_t c, float scale = 3)
      : rows(r), classes(c), x(normal(static_cast<std::size_t>(r * c), 5, scale)) {
    for (std::int64_t i = 0; i < r; ++i) labels.push_back(static_cast<std::int32_t>(i * 7 % c));
    batch.prediction = {x.data(), r, c};
    batch.target = {labels.data(), r};
    batch.metrics.accuracy = true;
  }
  Result run(Backend& backend, const SoftmaxCrossEntropy& l) {
    Result result{{}, std::vector<float>(x.size()), std::vector<float>(static_cast<std::size_t>(rows))};
    LossBatch b = batch;
    b.gradient = {result.gradient.data(), rows, classes};
    b.values = {result.values.data(), rows};
    backend.loss(l, b, &result.report);
    return result;
  }
};

class SoftmaxOptions : public ::testing::Test {
 protected:
  std::unique_ptr<Backend> cpu = make_cpu_backend({2, {}});
};

TEST_F(SoftmaxOptions, ValuesAndGradientsAreThoseOfTheDefinition) {
  for (const auto& [rows, classes] : {std::pair<std::int64_t, std::int64_t>{5, 4}, {2, 40}, {1, 4100}}) {
    Rows in(rows, classes);
    in.batch.reduction = Reduction::sum;
    for (const SoftmaxCrossEntropy& l : options()) {
      const Result got = in.run(*cpu, l);
      for (std::int64_t r = 0; r < rows; ++r) {
        const auto first = static_cast<std::size_t>(r * classes), n = static_cast<std::size_t>(classes);
        std::vector<double> x(in.x.begin() + r * classes, in.x.begin() + (r + 1) * classes);
        std::vector<double> q(n, l.label_smoothing / static_cast<double>(classes));
        q[static_cast<std::size_t>(in.labels[static_cast<std::size_t>(r)])] += 1 - l.label_smoothing;
        const double value = textbook(x, q, l);
        ASSERT_NEAR(got.values[static_cast<std::size_t>(r)], value, 1e-6 * (1 + value))
            << Losses::to_string(AnyLoss(l));
        for (std::size_t c = 0; c < n; c += 1 + n / 9) {
          const double at = x[c], h = 1e-5;
          x[c] = at + h;
          const double above = textbook(x, q, l);
          x[c] = at - h;
          const double slope = (above - textbook(x, q, l)) / (2 * h);
          x[c] = at;
          ASSERT_NEAR(got.gradient[first + c], slope, 2e-6 * (1 + std::abs(slope)))
              << Losses::to_string(AnyLoss(l)) << ", class " << c;
        }
      }
    }
  }
}

TEST_F(SoftmaxOptions, EveryTargetAndThreadGivesTheSameBits) {
  for (const auto& [rows, classes] : {std::pair<std::int64_t, std::int64_t>{37, 9}, {5, 33}, {3, 4100}}) {
    Rows in(rows, classes, 20);
    for (const SoftmaxCrossEntropy& l : options()) {
      const Result expected = in.run(*cpu, l);
      for (const auto& backend : cpu_backends())
        ASSERT_TRUE(in.run(*backend, l) == expected) << Losses::to_string(AnyLoss(l)) << ' ' << classes;
    }
  }
}

TEST_F(SoftmaxOptions, SmallLossesKeepTheirDigits) {
  std::vector<float> x{0, -34}, g(2), values(1);
  const std::vector<std::int64_t> label{0};
  LossBatch b;
  b.prediction = {x.data(), 1, 2};
  b.target = {label.data(), 1};
  b.gradient = {g.data(), 1, 2};
  b.values = {values.data(), 1};
  LossReport report;
  const auto run = [&](const char* text) { cpu->loss(Losses::parse(text, "loss"), b, &report); };
  run("softmax_cross_entropy:temperature=2");
  EXPECT_NEAR(values[0] / 4.1399377e-8, 1, 3e-7);
  EXPECT_NEAR(g[0] / -2.06996875e-8, 1, 3e-7);
  x[1] = -17;
  run("softmax_cross_entropy:softcap=100");
  EXPECT_NEAR(values[0] / std::log1p(std::exp(100 * std::tanh(-0.17))), 1, 3e-7);
  x = {1e8f, 1e8f - 8};  // large, and close to each other
  run("softmax_cross_entropy:temperature=0.3");
  EXPECT_NEAR(values[0] / std::log1p(std::exp(-8 / 0.3)), 1, 3e-7);
}

TEST_F(SoftmaxOptions, MaskedLogitsAndSaturatedOnes) {
  const std::vector<float> x{1, -kInf, 2, 1e30f, -1e30f, -1e30f};
  const std::vector<std::int64_t> labels{2, 0};
  std::vector<float> g(6), values(2);
  LossBatch b;
  b.prediction = {x.data(), 2, 3};
  b.target = {labels.data(), 2};
  b.gradient = {g.data(), 2, 3};
  b.values = {values.data(), 2};
  b.reduction = Reduction::sum;
  LossReport report;
  cpu->loss(Losses::parse("softmax_cross_entropy:temperature=2", "loss"), b, &report);
  EXPECT_NEAR(values[0], std::log1p(std::exp(-0.5)), 1e-7);
  EXPECT_EQ(g[1], 0);
  EXPECT_EQ(values[1], 0);
  cpu->loss(Losses::parse("softmax_cross_entropy:softcap=3", "loss"), b, &report);
  const double u = 2 * std::exp(-6);  // -inf becomes -3
  EXPECT_NEAR(values[1] / std::log1p(u), 1, 3e-7);
  EXPECT_EQ((std::vector<float>{g[1], g[3], g[4], g[5]}), std::vector<float>(4, 0.0f)) << "flat where it is saturated";
  EXPECT_EQ(report.nonfinite, 0);
}

TEST_F(SoftmaxOptions, AChunkOfMaskedClassesIsOnlyLeftOut) {
  for (const char* text : {"softmax_cross_entropy", "softmax_cross_entropy:temperature=2"})
    for (const float level : {-5.0f, -4000.0f, -5000.0f, -1e8f}) {
      std::vector<float> x(8192, -kInf), g(8192);
      for (std::size_t c = 4096; c < 8192; ++c) x[c] = level;
      const std::vector<std::int64_t> label{5000};
      LossBatch b;
      b.prediction = {x.data(), 1, 8192};
      b.target = {label.data(), 1};
      b.gradient = {g.data(), 1, 8192};
      LossReport report;
      cpu->loss(Losses::parse(text, "loss"), b, &report);
      EXPECT_NEAR(report.value, std::log(4096.0), 1e-6) << text << ' ' << level;
      EXPECT_EQ(report.nonfinite, 0) << text << ' ' << level;
      EXPECT_EQ(g[0], 0);
    }
}

/// [outer, classes, inner] of rows [outer * inner, classes], and back.
std::vector<float> to_channels_first(const std::vector<float>& rows, std::size_t outer, std::size_t classes,
                                     std::size_t inner) {
  std::vector<float> out(rows.size());
  for (std::size_t o = 0; o < outer; ++o)
    for (std::size_t i = 0; i < inner; ++i)
      for (std::size_t c = 0; c < classes; ++c)
        out[(o * classes + c) * inner + i] = rows[(o * inner + i) * classes + c];
  return out;
}

TEST_F(SoftmaxOptions, TheClassAxisMayBeTheSecond) {
  for (const auto& [outer, classes, inner] :
       {std::array<std::int64_t, 3>{3, 7, 19}, {1, 5, 40}, {4, 6, 1}, {2, 40, 5}, {2, 4100, 3}, {5, 3, 2}})
    for (const char* text : {"softmax_cross_entropy", "softmax_cross_entropy:label_smoothing=0.1,softcap=5"}) {
      const auto loss = std::get<SoftmaxCrossEntropy>(Losses::parse(text, "loss"));
      Rows in(outer * inner, classes);
      const std::vector<float> t = normal(in.x.size(), 9, 0.1f);
      const auto first = [&](const std::vector<float>& rows) {
        return to_channels_first(rows, static_cast<std::size_t>(outer), static_cast<std::size_t>(classes),
                                 static_cast<std::size_t>(inner));
      };
      for (const bool dense : {false, true}) {
        if (dense) in.batch.target = {t.data(), in.rows, classes};
        const Result expected = in.run(*cpu, loss);
        std::vector<float> x = first(in.x), g(x.size()), values(expected.values.size());
        const std::vector<float> target = first(t);
        for (const auto& backend : cpu_backends())
          for (const bool in_place : {false, true}) {
            std::vector<float> y = x;
            LossBatch b = in.batch;
            b.prediction = channels_first(y.data(), outer, classes, inner);
            b.gradient = channels_first(in_place ? y.data() : g.data(), outer, classes, inner);
            if (dense) b.target = channels_first(target.data(), outer, classes, inner);
            b.values = {values.data(), in.rows};
            LossReport report;
            backend->loss(loss, b, &report);
            ASSERT_EQ(in_place ? y : g, first(expected.gradient)) << text << ' ' << outer << ' ' << classes;
            ASSERT_EQ(values, expected.values);
            ASSERT_EQ(report.value, expected.report.value);
            ASSERT_EQ(report.correct, expected.report.correct);
          }
      }
    }
}

TEST_F(SoftmaxOptions, LengthsAreMasks) {
  constexpr std::int64_t kSequences = 5, kSteps = 7;
  const std::vector<std::int32_t> lengths{7, 0, 3, 1, 6};
  const std::vector<std::int64_t> wide(lengths.begin(), lengths.end());
  for (const std::int64_t classes : {9, 50}) {
    Rows in(kSequences * kSteps, classes);
    std::vector<unsigned char> mask;
    for (std::int64_t r = 0; r < in.rows; ++r)
      mask.push_back(r % kSteps < lengths[static_cast<std::size_t>(r / kSteps)]);
    for (std::int64_t r = 0; r < in.rows; ++r)
      if (!mask[static_cast<std::size_t>(r)]) in.labels[static_cast<std::size_t>(r)] = -9;  // never looked at
    LossBatch plain = in.batch;
    in.batch.mask = {mask.data(), in.rows};
    const Result expected = in.run(*cpu, {});
    EXPECT_EQ(expected.report.count, 17);
    for (const auto& backend : cpu_backends()) {
      in.batch = plain;
      in.batch.lengths = {lengths.data(), kSequences};
      EXPECT_TRUE(in.run(*backend, {}) == expected);
      in.batch.lengths = {wide.data(), kSequences};
      EXPECT_TRUE(in.run(*backend, {}) == expected);
    }
  }
}

TEST_F(SoftmaxOptions, ABadLengthIsABadLabelOfItsFirstRow) {
  const std::vector<std::int64_t> lengths{2, 4, -3, 3};
  const std::vector<unsigned char> mask(12, 0);
  Rows in(12, 4);
  in.batch.lengths = {lengths.data(), 4};
  for (const BadLabels policy : {BadLabels::error, BadLabels::ignore}) {
    in.batch.bad_labels = policy;
    const Result got = in.run(*cpu, {});
    EXPECT_EQ(got.report.bad_labels, 2);
    EXPECT_EQ(got.report.first_bad_row, 3);
    EXPECT_EQ(got.report.first_bad_label, 4);
    EXPECT_EQ(got.report.count, 5);
    EXPECT_EQ(got.report.weight_sum, 5);
    for (std::size_t r = 3; r < 9; ++r) EXPECT_EQ(got.values[r], 0);
  }
  in.batch.mask = {mask.data(), 12};
  EXPECT_EQ(in.run(*cpu, {}).report.bad_labels, 2) << "a mask hides no length";
}

TEST_F(SoftmaxOptions, ConfusionAndCalibrationCountRows) {
  const float four = std::log(4.0f);  // of two classes: p = 0.8
  const std::vector<float> x{four, 0, 0, four, 0, 0, kNaN, 0, 0, 40, four, 0};
  const std::vector<std::int64_t> labels{0, 0, 1, 0, 1, -1};
  std::vector<std::int64_t> confusion(4, 100), calibration(12, 1000);
  LossBatch b;
  b.prediction = {x.data(), 6, 2};
  b.target = {labels.data(), 6};
  b.bad_labels = BadLabels::ignore;
  b.metrics.confusion = {confusion.data(), 2, 2};
  b.metrics.calibration = {calibration.data(), 4, 3};
  LossReport report;
  cpu->loss(SoftmaxCrossEntropy{}, b, &report);
  EXPECT_EQ(report.count, 5);
  EXPECT_EQ(confusion, (std::vector<std::int64_t>{101, 101, 101, 101})) << "of equals the first; NaN is left out";
  const std::vector<std::int64_t> counted{calibration[6] - 1000, calibration[7] - 1000, calibration[9] - 1000,
                                          calibration[10] - 1000};
  EXPECT_EQ(counted, (std::vector<std::int64_t>{1, 0, 3, 2})) << "1/2 is in [1/2, 3/4), 1 in the last bin";
  EXPECT_EQ(calibration[8] - 1000, std::int64_t{1} << 31);
  EXPECT_NEAR(static_cast<double>(calibration[11] - 1000) * 0x1p-32, 2.6, 1e-6);
  EXPECT_EQ(calibration[0], 1000);
}

TEST_F(SoftmaxOptions, LongRowsAndDenseTargetsAreCountedAlike) {
  for (const std::int64_t classes : {20, 50, 4100}) {
    Rows in(40, classes, 1);
    std::vector<float> t(in.x.size());
    std::vector<std::int64_t> by_hand(static_cast<std::size_t>(classes * classes));
    for (std::int64_t r = 0; r < in.rows; ++r) {
      const float* row = in.x.data() + r * classes;
      const auto label = in.labels[static_cast<std::size_t>(r)];
      t[static_cast<std::size_t>(r * classes + label)] = 0.5f;
      ++by_hand[static_cast<std::size_t>(label * classes + (std::max_element(row, row + classes) - row))];
    }
    for (const bool dense : {false, true})
      for (const auto& backend : cpu_backends()) {
        std::vector<std::int64_t> confusion(by_hand.size()), bins(30);
        in.batch.metrics.confusion = {confusion.data(), classes, classes};
        in.batch.metrics.calibration = {bins.data(), 10, 3};
        if (dense) in.batch.target = {t.data(), in.rows, classes};
        const Result got = in.run(*backend, {});
        ASSERT_EQ(confusion, by_hand) << classes;
        std::int64_t rows = 0, right = 0;
        for (std::size_t i = 0; i < 10; ++i) rows += bins[3 * i], right += bins[3 * i + 1];
        EXPECT_EQ(rows, 40);
        EXPECT_EQ(right, got.report.correct);
        EXPECT_EQ(metric::confusion_scores(confusion, classes).accuracy, static_cast<double>(right) / 40);
      }
  }
}

TEST_F(SoftmaxOptions, WhatDoesNotFitIsRefusedByName) {
  std::vector<float> x(24), t(24);
  std::vector<std::int64_t> counts(16);
  const std::vector<std::int64_t> labels(6), lengths(4);
  LossReport report;
  LossBatch rows, pair;
  rows.prediction = {x.data(), 6, 4};
  rows.target = {labels.data(), 6};
  pair.prediction = {x.data(), 6, 4};
  pair.target = {t.data(), 6, 4};
  const auto message = [&](const LossBatch& b, const char* loss) {
    return message_of([&] { cpu->loss(Losses::parse(loss, "loss"), b, &report); });
  };
  LossBatch b = pair;
  b.prediction = channels_first(x.data(), 2, 4, 3);
  EXPECT_NE(message(b, "mse").find("prediction has its rows in blocks of 3"), std::string::npos);
  b = pair;
  b.lengths = {lengths.data(), 3};
  EXPECT_NE(message(b, "mse").find("lengths are for losses of rows"), std::string::npos);
  b = rows;
  b.lengths = {lengths.data(), 4};
  EXPECT_NE(message(b, "softmax_cross_entropy").find("a divisor of the 6 rows"), std::string::npos);
  b.lengths = {x.data(), 3};
  EXPECT_NE(message(b, "softmax_cross_entropy").find("expected i32 or i64"), std::string::npos);
  b = rows;
  b.metrics.confusion = {counts.data(), 3, 3};
  EXPECT_NE(message(b, "softmax_cross_entropy").find("metrics.confusion has the shape [3, 3], expected [4, 4]"),
            std::string::npos);
  b.metrics.confusion = {counts.data(), 4, 4};
  b.metrics.calibration = {counts.data() + 10, 2, 3};
  EXPECT_NE(message(b, "softmax_cross_entropy").find("metrics.calibration overlaps"), std::string::npos);
  b = pair;
  b.metrics.confusion = {counts.data(), 4, 4};
  EXPECT_NE(message(b, "mse").find("no rows of classes"), std::string::npos);
  EXPECT_NE(message(rows, "softmax_cross_entropy:softcap=1e-12").find("1e-9 and more"), std::string::npos);
  EXPECT_NE(message(rows, "softmax_cross_entropy:temperature=0").find("temperature"), std::string::npos);
  const std::int64_t large = std::int64_t{1} << 40;
  EXPECT_NE(message_of([&] { channels_first(x.data(), large, large, 1); }).find("too large"), std::string::npos);
  b = rows;
  b.prediction = channels_first(x.data(), 2, 4, 3);
  b.prediction.block_stride = std::int64_t{1} << 62;
  EXPECT_NE(message(b, "softmax_cross_entropy").find("block stride"), std::string::npos);
}

}  // namespace
}  // namespace fuselage
