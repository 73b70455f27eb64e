// Losses of one's own with every option of a pass, on every CPU target: the bits of built-in ones.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "support/batches.h"
#include "support/own_losses.h"

namespace fuselage {
namespace {

using testing::normal;
using testing::Stored;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// Everything that a pass leaves behind.
struct Outcome {
  LossReport report;
  std::vector<unsigned char> gradient, second;
  std::vector<float> values;
};

void expect_same(const Outcome& is, const Outcome& should, const std::string& what) {
  EXPECT_TRUE(is.gradient == should.gradient) << "gradient of " << what;
  EXPECT_TRUE(is.second == should.second) << "second gradient of " << what;
  EXPECT_TRUE(same(is.values, should.values)) << "values of " << what;
  const LossReport &a = is.report, &b = should.report;
  const auto doubles = [](const LossReport& r) {
    return std::vector<double>{r.value,           r.value_sum,     r.weight_sum,
                               r.first_bad_label, r.abs_error_sum, r.squared_error_sum,
                               r.target_shift,    r.target_sum,    r.target_squared_sum};
  };
  const std::vector<double> x = doubles(a), z = doubles(b);
  EXPECT_EQ(std::memcmp(x.data(), z.data(), x.size() * sizeof(double)), 0)
      << a.value << ", not " << b.value << ": " << what;
  const auto counts = [](const LossReport& r) {
    return std::vector<std::int64_t>{r.count,     r.bad_labels, r.first_bad_row, r.bad_weights, r.first_bad_weight_row,
                                     r.nonfinite, r.correct,    r.rejected};
  };
  EXPECT_EQ(counts(a), counts(b)) << what;
}

/// The contract: every option of a pass, two values each or more.
struct Option {
  DType type;
  Reduction reduction;
  int weight;      ///< none, of rows, of elements
  bool mask, odd;  ///< odd: strided, and targets in fp32
  bool in_place, ignore, scaled;
  std::string text() const {
    return std::string(name_of(type)) + " " + std::string(name_of(reduction)) + ", weights " + std::to_string(weight) +
           (mask ? ", mask" : "") + (odd ? ", strided" : "") + (in_place ? ", in place" : "") +
           (ignore ? ", bad labels ignored" : "") + (scaled ? ", scaled" : "");
  }
};

std::vector<Option> options() {
  std::vector<Option> list;
  for (const DType type : {DType::f32, DType::bf16, DType::f16})
    for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::mean_over_batch, Reduction::none})
      for (int i = 0; i < 3 * 32; ++i)
        list.push_back({type, reduction, i % 3, (i / 3 & 1) != 0, (i / 3 & 2) != 0, (i / 3 & 4) != 0, (i / 3 & 8) != 0,
                        (i / 3 & 16) != 0});
  return list;
}

/// Numbers of all kinds; targets lie in [0, 1] but for a NaN, second predictions are positive.
struct Inputs {
  std::int64_t rows, cols;
  std::vector<float> y, z, t, weight, upstream;
  std::vector<std::uint8_t> mask;

  Inputs(std::int64_t r, std::int64_t c) : rows(r), cols(c) {
    const auto n = static_cast<std::size_t>(r * (c + 3));
    y = normal(n, 1, 3), z = normal(n, 2), t = normal(n, 3), weight = normal(n, 4), upstream = normal(n, 5);
    for (float& x : z) x = std::abs(x) + 0.01f;
    for (float& x : t) x = std::min(std::abs(x), 1.0f);
    for (float& x : weight) x = std::abs(x);
    for (std::size_t i = 0; i < n; ++i) mask.push_back(i % 5 != 1);
    if (n < 60) return;
    y[5] = kNaN, y[n / 2] = kInf, y[n / 3] = -kInf, y[n / 4] = 1e-41f, y[n / 5] = -0.0f, y[n / 6] = 1e30f;
    t[9] = kNaN, weight[14] = -1, weight[17] = kNaN;
  }
};

template <class Loss>
Outcome run(Backend& backend, const Loss& loss, bool pair, const Inputs& in, const Option& o) {
  const std::int64_t stride = in.cols + (o.odd ? 3 : 0);
  Stored y(in.y, o.type), z(in.z, o.type);
  const Stored t(in.t, o.odd ? DType::f32 : o.type);
  Outcome out{{}, std::vector<unsigned char>(y.bytes.size(), 9), {}, {}};
  if (pair) out.second = out.gradient;
  LossBatch b;
  b.prediction = {y.bytes.data(), o.type, in.rows, in.cols, stride};
  b.gradient = {o.in_place ? y.bytes.data() : out.gradient.data(), o.type, in.rows, in.cols, stride};
  if (pair) b.second = {z.bytes.data(), o.type, in.rows, in.cols, stride};
  if (pair) b.second_gradient = {out.second.data(), o.type, in.rows, in.cols, stride};
  b.target = {t.bytes.data(), t.dtype, in.rows, in.cols, stride};
  if (o.weight == 1) b.weight = {in.weight.data(), in.rows};
  if (o.weight == 2) b.weight = {in.weight.data(), in.rows, in.cols};
  if (o.mask) b.mask = {in.mask.data(), in.rows, o.odd ? 1 : in.cols};
  b.reduction = o.reduction;
  if (o.reduction == Reduction::none) {
    out.values.assign(in.y.size(), 9);
    b.values = {out.values.data(), in.rows, in.cols};
    b.upstream = {in.upstream.data(), in.rows, in.cols};
  } else if (o.scaled) {
    b.upstream = {in.upstream.data(), 1};
  }
  if (o.scaled) b.scale = 1024;
  if (o.scaled && o.reduction == Reduction::mean) b.divisor = 77;
  b.bad_labels = o.ignore ? BadLabels::ignore : BadLabels::error;
  b.metrics.errors = b.metrics.targets = true;
  if constexpr (requires { loss.traits(); })
    b.metrics.accuracy = loss.traits().decides();
  else
    b.metrics.accuracy = traits_of(loss).decides();
  backend.loss(loss, b, &out.report);
  if (o.in_place) out.gradient = y.bytes;
  return out;
}

/// `is` gives what `should` gives, whatever the options; `should` in the arithmetic of the first backend.
template <class L>
void expect_the_same_bits(const CustomLoss& is, const L& should) {
  const auto backends = testing::cpu_backends();
  const bool pair = traits_of(should).inputs.count() == 2;
  for (const auto& [rows, cols] : std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {41, 10}, {3, 1500}}) {
    const Inputs in(rows, cols);
    for (const Option& o : options()) {
      if (o.reduction == Reduction::none && traits_of(should).root) continue;
      const Outcome expected = run(*backends[0], should, pair, in, o);
      for (std::size_t i = 0; i < backends.size(); i += 2)
        expect_same(run(*backends[i], is, pair, in, o), expected,
                    std::string(is.name()) + " on " + backends[i]->description() + ", " + std::to_string(rows) + " x " +
                        std::to_string(cols) + ", " + o.text());
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(CustomLossBits, ValueAndGradientAreThoseOfMseWithEveryOption) {
  expect_the_same_bits(custom_loss(own::GivenMse{}), loss::Mse{});
  expect_the_same_bits(custom_loss(own::ValueMse{}), loss::Mse{});
}

TEST(CustomLossBits, ARootIsTakenAsByRmse) { expect_the_same_bits(custom_loss(own::RootOfSquares{}), loss::Rmse{}); }

// Definitions of the library are losses of one's own as well: these go through most of core/math.h.
TEST(CustomLossBits, DefinitionsOfTheLibraryKeepTheirBits) {
  expect_the_same_bits(custom_loss(loss::LogCosh{}), loss::LogCosh{});
  expect_the_same_bits(custom_loss(loss::BceWithLogits{}), loss::BceWithLogits{});
  expect_the_same_bits(custom_loss(loss::Focal{}), loss::Focal{});
  expect_the_same_bits(custom_loss(loss::Tweedie{}), loss::Tweedie{});
  expect_the_same_bits(custom_loss(loss::GaussianNll{}), loss::GaussianNll{});
}

TEST(CustomLossBits, TwoPredictionsHaveADerivativeEach) {
  const auto backends = testing::cpu_backends();
  const Inputs in(41, 10);
  for (const Option& o : options()) {
    const Outcome expected = run(*backends[0], custom_loss(own::GivenScaled{}), true, in, o);
    for (const auto& backend : backends)
      expect_same(run(*backend, custom_loss(own::Scaled{}), true, in, o), expected, o.text());
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace fuselage
