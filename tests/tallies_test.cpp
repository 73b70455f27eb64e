// Confusion counts and calibration bins of losses of classes: against the reference, and counted by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "fuselage/metric/calibration.h"
#include "host/reference/reference.h"
#include "support/row_batches.h"

namespace fuselage {
namespace {

using Counts = std::vector<std::int64_t>;
using Floats = std::vector<float>;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
constexpr std::int64_t kBins = 7;

struct Tallied {
  Counts confusion, bins = Counts(3 * kBins);
  LossReport report;
  bool operator==(const Tallied& other) const {
    return confusion == other.confusion && bins == other.bins && report.correct == other.report.correct;
  }
};

Tallied tallied(Backend& backend, const AnyLoss& loss, LossBatch b) {
  const std::int64_t cols = b.prediction.cols;
  Tallied out;
  out.confusion.resize(static_cast<std::size_t>(cols * cols));
  b.metrics.confusion = {out.confusion.data(), cols, cols};
  if (std::visit([](const auto& l) { return traits_of(l).probabilities; }, loss))
    b.metrics.calibration = {out.bins.data(), kBins, 3};
  backend.loss(loss, b, &out.report);
  return out;
}

/// The numbers of rows that may lie apart.
std::vector<double> numbers(const testing::Stored& from, const testing::Rows& rows) {
  const Floats all = from.floats();
  std::vector<double> out;
  for (std::int64_t r = 0; r < rows.rows; ++r)
    for (std::int64_t c = 0; c < rows.cols; ++c)
      out.push_back(static_cast<double>(all[static_cast<std::size_t>(r * (rows.cols + rows.gap) + c)]));
  return out;
}

reference::LossOutput by_reference(const testing::Rows& rows, std::string_view name, const reference::Options& options,
                                   bool bins) {
  reference::LossInput in;
  in.rows = rows.rows;
  in.cols = rows.cols;
  in.prediction = numbers(rows.x[0], rows);
  if (rows.shape.row.row_second) in.second.assign(rows.returns.begin(), rows.returns.end());
  if (rows.by_label())
    in.labels.assign(rows.labels.begin(), rows.labels.end());
  else
    in.target = numbers(rows.target, rows);
  in.mask = rows.mask;
  in.bins = bins ? kBins : 0;
  return reference::loss(name, options, in);
}

TEST(Tallies, AreThoseOfTheReference) {
  const auto backends = testing::cpu_backends();
  int losses = 0;
  const auto compare = [&](const std::string& text, const reference::Options& options) {
    const AnyLoss loss = Losses::parse(text, "loss");
    const bool bins = std::visit([](const auto& l) { return traits_of(l).probabilities; }, loss);
    const bool labels = testing::shape_of(loss)->row.target == RowTarget::labels;
    for (const bool dense : {false, true})
      for (const std::int64_t cols : {2, 9, 65}) {
        if (labels && dense) continue;
        const testing::Rows rows(loss, 61, cols, DType::f32, dense, 3, 5);
        LossBatch b = rows.batch();
        b.mask = {rows.mask.data(), rows.rows};
        const Tallied got = tallied(*backends[0], loss, b);
        const std::string what = text + (dense ? " dense " : " ") + std::to_string(cols);
        const reference::LossOutput expected = by_reference(rows, Losses::name_of(loss), options, bins);
        EXPECT_EQ(std::vector<double>(got.confusion.begin(), got.confusion.end()), expected.confusion) << what;
        EXPECT_EQ(std::accumulate(got.confusion.begin(), got.confusion.end(), std::int64_t{0}), got.report.count);
        std::int64_t right = 0;
        for (std::int64_t c = 0; c < cols; ++c) right += got.confusion[static_cast<std::size_t>(c * cols + c)];
        EXPECT_EQ(right, got.report.correct) << what << ": accuracy counts the same rows";
        for (std::size_t i = 0; i < expected.calibration.size(); ++i) {
          const metric::CalibrationBin bin = metric::calibration_bin(got.bins, i);
          EXPECT_EQ(static_cast<double>(bin.rows), expected.calibration[i].rows) << what << " bin " << i;
          EXPECT_EQ(static_cast<double>(bin.right), expected.calibration[i].right) << what << " bin " << i;
          EXPECT_NEAR(bin.confidence, expected.calibration[i].confidence, 1e-5) << what << " bin " << i;
        }
        for (const auto& backend : backends)
          EXPECT_EQ(got, tallied(*backend, loss, b)) << what << " on " << backend->description();
      }
    ++losses;
  };
  for (const std::string_view name : Losses::names) {
    const auto shape = testing::shape_of(Losses::make(name, "loss"));
    if (shape && (shape->row.target == RowTarget::classes || shape->row.target == RowTarget::labels))
      compare(std::string(name), {});
  }
  EXPECT_EQ(losses, 8) << "losses of classes that share a driver";
  compare("cross_entropy:normalise=false", {{"normalise", 0}});
  compare("policy_gradient:form=scores", {{"form", 2}});
  compare("policy_gradient:form=log_probabilities", {{"form", 1}});
}

class TalliesByHand : public ::testing::Test {
 protected:
  Tallied run(const char* loss, const Floats& x, std::int64_t cols) {
    rows_.prediction = {x.data(), static_cast<std::int64_t>(x.size()) / cols, cols};
    rows_.target = {labels_.data(), rows_.prediction.rows};
    return tallied(*cpu_, Losses::parse(loss, "loss"), rows_);
  }
  /// Rows, right ones, and the sum of the confidence of a bin.
  static void expect_bin(const Tallied& t, std::size_t i, std::int64_t rows, std::int64_t right, double confidence) {
    const metric::CalibrationBin bin = metric::calibration_bin(t.bins, i);
    EXPECT_EQ(bin.rows, rows) << i;
    EXPECT_EQ(bin.right, right) << i;
    EXPECT_NEAR(bin.confidence, confidence, 1e-6) << i;
  }

  std::unique_ptr<Backend> cpu_ = make_cpu_backend({1, {}});
  Counts labels_;
  LossBatch rows_;
};

TEST_F(TalliesByHand, OfEqualsTheFirstAndOfNothingButInfinityToo) {
  labels_ = {1, 1, 0, 1};
  const Tallied t = run("nll", {-1, -1, -3, -0.5f, -kInf, -kInf, -2, -kInf}, 2);
  EXPECT_EQ(t.confusion, (Counts{1, 0, 2, 1}));
  expect_bin(t, 0, 2, 1, std::exp(-2.0));  // and exp(-inf)
  expect_bin(t, 2, 1, 0, std::exp(-1.0));  // 0.37 of 7 bins
  expect_bin(t, 4, 1, 1, std::exp(-0.5));  // 0.61
}

TEST_F(TalliesByHand, WhatDoesNotCountIsNotAdded) {
  labels_ = {0, 1, 7, 2, 5, 1};
  const std::vector<std::uint8_t> mask{1, 0, 1, 1, 1, 1};
  const Floats weight{1, 1, 1, 1, 1, -1};
  rows_.mask = {mask.data(), 6};
  rows_.weight = {weight.data(), 6};
  rows_.bad_labels = BadLabels::ignore;
  Floats x(18, 0.25f);
  x[11] = kNaN;  // of row 3
  const Tallied t = run("poly1:ignore_index=5", x, 3);
  EXPECT_EQ(t.report.count, 2) << "a masked row, a bad label, an ignored one and a bad weight do not count";
  EXPECT_EQ(t.confusion, (Counts{1, 0, 0, 0, 0, 0, 0, 0, 0})) << "nor does the row of a NaN";
  expect_bin(t, 2, 1, 1, 1.0 / 3);
}

TEST_F(TalliesByHand, ANaNThatTheValueDoesNotSeeIsPassedOver) {
  labels_ = {1, 0};
  const Tallied t = run("nll", {kNaN, -2, -1, -0.25f, kNaN, -3}, 3);
  EXPECT_EQ(t.report.count, 2);
  EXPECT_EQ(t.report.correct, 1);
  EXPECT_EQ(t.confusion, (Counts{1, 0, 0, 0, 0, 1, 0, 0, 0}));
}

TEST_F(TalliesByHand, ConfidenceIsAProbability) {
  labels_ = {0, 0, 1};
  const Tallied log_p = run("nll", {3, 2, 0, -1, 5000, 0}, 2);
  expect_bin(log_p, kBins - 1, 3, 2, 3);
  const Tallied p = run("cross_entropy:normalise=false,clip=0.01", {2, 0.5f, -1, -2, 0.5f, 0.25f}, 2);
  expect_bin(p, kBins - 1, 1, 1, 1);
  expect_bin(p, 0, 1, 1, 0);
  expect_bin(p, 3, 1, 0, 0.5);
  const Tallied parts = run("cross_entropy", {2, 6, 1, 1, 3, 1}, 2);
  expect_bin(parts, 5, 2, 0, 1.5);
  expect_bin(parts, 3, 1, 1, 0.5);
}

}  // namespace
}  // namespace fuselage
