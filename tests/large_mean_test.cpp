// Means of 2^30 terms: right to 1 ulp, also of terms that are all equal, whose roundings would all go the same way.
// Views with a row stride of 0 give that many elements without the memory for them.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "fuselage/backend.h"
#include "fuselage/core/rng.h"

namespace fuselage {
namespace {

constexpr std::int64_t kRows = std::int64_t{1} << 18, kCols = std::int64_t{1} << 12;

ConstView repeated(const std::vector<float>& row) { return {row.data(), DType::f32, kRows, kCols, 0}; }

double ulp_of(double x) { return std::ldexp(1.0, std::ilogb(x) - 23); }

LossReport mean_of(const char* loss, const std::vector<float>& y, const std::vector<float>& t,
                   const std::vector<float>& weight) {
  LossBatch batch;
  batch.prediction = repeated(y);
  batch.target = repeated(t);
  if (!weight.empty()) batch.weight = repeated(weight);
  batch.metrics.errors = true;
  LossReport report;
  make_cpu_backend({2, {}})->loss(Losses::parse(loss, "loss"), batch, &report);
  return report;
}

/// mean |y - t| for t = 0, and of its weights.
void expect_exact(const std::vector<float>& y, const std::vector<float>& weight) {
  const LossReport report = mean_of("mae", y, std::vector<float>(kCols, 0.0f), weight);
  long double sum = 0, weights = 0, errors = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const float w = weight.empty() ? 1.0f : weight[i];
    sum += static_cast<long double>(w * std::abs(y[i]));  // a term is a float
    weights += static_cast<long double>(w);
    errors += static_cast<long double>(std::abs(y[i]));
  }
  const auto wanted = static_cast<double>(sum / weights);
  EXPECT_EQ(report.count, kRows * kCols);
  EXPECT_NEAR(report.value, wanted, ulp_of(wanted)) << y[0];
  EXPECT_NEAR(report.weight_sum, static_cast<double>(weights) * kRows, static_cast<double>(weights) * kRows * 1e-14);
  EXPECT_NEAR(report.abs_error_sum, static_cast<double>(errors) * kRows, static_cast<double>(errors) * kRows * 1e-14);
}

TEST(LargeMean, OfEqualTerms) {
  for (const float term : {0.1f, 0.3f, 0.7f, 1e-3f, 1e30f, 0x1.fffffep0f}) expect_exact(std::vector(kCols, term), {});
}

TEST(LargeMean, OfEqualWeights) { expect_exact(std::vector(kCols, 0.1f), std::vector(kCols, 0.7f)); }

TEST(LargeMean, OfTermsOfAllSizes) {
  std::vector<float> y(kCols), weight(kCols);
  for (std::size_t i = 0; i < y.size(); ++i) {
    y[i] = std::ldexp(1 + uniform(random_word(1, i, 0, 0)), static_cast<int>(i % 40) - 20);
    weight[i] = uniform(random_word(2, i, 0, 0));
  }
  expect_exact(y, {});
  expect_exact(y, weight);
}

}  // namespace
}  // namespace fuselage
