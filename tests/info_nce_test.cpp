// InfoNCE: numbers by hand, the formula in double, differences, blocks under a budget, and what is refused.
#include "fuselage/info_nce.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "fuselage/pair_losses.h"
#include "tests/support/batches.h"
#include "tests/support/files.h"

namespace fuselage {
namespace {

using test::expect_error;
using Floats = std::vector<float>;
using Doubles = std::vector<double>;
using Masks = std::vector<std::uint8_t>;

InfoNce spec_of(std::string_view text) { return std::get<InfoNce>(PairLosses::parse(text, "spec")); }

/// Two sets of rows with all that goes with them.
struct Pairs {
  std::size_t rows, cols;
  Doubles a, b;
  Floats weight;
  Masks mask;

  bool kept(std::size_t i) const { return mask.empty() || mask[i]; }
  /// The textbook, in double.
  double value(const InfoNce& t) const {
    const bool one_set = t.pairs == PairSets::one_set;
    std::vector<Doubles> left, right;
    std::vector<std::size_t> number;
    const auto row = [&](const Doubles& x, std::size_t i) {
      Doubles u(x.begin() + static_cast<std::ptrdiff_t>(i * cols),
                x.begin() + static_cast<std::ptrdiff_t>((i + 1) * cols));
      double square = 0;
      for (const double v : u) square += v * v;
      if (t.normalise)
        for (double& v : u) v /= std::max(std::sqrt(square), t.eps);
      return u;
    };
    for (std::size_t i = 0; i < rows; ++i) {
      if (!kept(i)) continue;
      left.push_back(row(a, i));
      right.push_back(row(b, i));
      number.push_back(i);
    }
    double sum = 0, weights = 0;
    const auto look = [&](const std::vector<Doubles>& from, const std::vector<Doubles>& to) {
      for (std::size_t i = 0; i < from.size(); ++i) {
        const auto similarity = [&](const Doubles& v) {
          double s = 0;
          for (std::size_t c = 0; c < cols; ++c) s += from[i][c] * v[c];
          return s / t.temperature;
        };
        Doubles all;
        for (const Doubles& v : to) all.push_back(similarity(v));
        for (std::size_t j = 0; one_set && j < from.size(); ++j)
          if (j != i) all.push_back(similarity(from[j]));
        double max = -INFINITY, total = 0;
        for (const double s : all) max = std::max(max, s);
        for (const double s : all) total += std::exp(s - max);
        const double w = weight.empty() ? 1 : static_cast<double>(weight[number[i]]);
        sum += w * (max + std::log(total) - all[i]);
        weights += w;
      }
    };
    look(left, right);
    if (one_set || t.symmetric) look(right, left);
    return weights > 0 ? sum / weights : 0;
  }
};

Pairs pairs_of(std::size_t rows, std::size_t cols, unsigned seed, bool options = false) {
  const Floats a = testing::normal(rows * cols, seed), b = testing::normal(rows * cols, seed + 1);
  Pairs p{rows, cols, Doubles(a.begin(), a.end()), Doubles(b.begin(), b.end()), {}, {}};
  for (std::size_t i = 0; options && i < rows; ++i) {
    p.weight.push_back(static_cast<float>(i % 4) / 2);
    p.mask.push_back(i % 5 != 2);
  }
  return p;
}

class InfoNces : public ::testing::Test {
 protected:
  std::unique_ptr<Backend> cpu_ = make_cpu_backend({2, {}});
  LossReport report_;
  Floats a_, b_, da_, db_;

  /// What `p` is in float, with gradients da_ and db_.
  InfoNceBatch batch_of(const Pairs& p) {
    a_.assign(p.a.begin(), p.a.end());
    b_.assign(p.b.begin(), p.b.end());
    da_.assign(a_.size(), NAN);
    db_.assign(b_.size(), NAN);
    const auto rows = static_cast<std::int64_t>(p.rows), cols = static_cast<std::int64_t>(p.cols);
    InfoNceBatch batch;
    batch.a = {a_.data(), rows, cols};
    batch.b = {b_.data(), rows, cols};
    batch.gradient_a = {da_.data(), rows, cols};
    batch.gradient_b = {db_.data(), rows, cols};
    if (!p.weight.empty()) batch.weight = {p.weight.data(), rows};
    if (!p.mask.empty()) batch.mask = {p.mask.data(), rows};
    return batch;
  }
  void run(const InfoNce& spec, const InfoNceBatch& batch) { InfoNceLoss(*cpu_).run(spec, batch, &report_); }
  void run(std::string_view text, const Pairs& p) { run(spec_of(text), batch_of(p)); }

  static double apart(const Floats& x, const Floats& y) {
    double most = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
      most = std::max(most, std::abs(static_cast<double>(x[i]) - static_cast<double>(y[i])));
    return most;
  }
};

TEST_F(InfoNces, NumbersByHand) {
  const Pairs p{2, 2, {1, 0, 0, 1}, {1, 0, 0, 1}, {}, {}};
  run("info_nce:temperature=1", p);  // rows of logits 1, 0
  const double value = std::log1p(std::exp(-1.0)), q = 1 / (1 + std::exp(1.0));
  EXPECT_NEAR(report_.value, value, 1e-7);
  EXPECT_EQ(report_.count, 4);
  EXPECT_EQ(report_.weight_sum, 4);
  EXPECT_FALSE(report_.rejected);
  run("info_nce:temperature=0.5,normalise=false", p);  // of logits 2, 0
  const double r = 1 / (1 + std::exp(2.0));
  EXPECT_NEAR(report_.value, std::log1p(std::exp(-2.0)), 1e-7);
  // Each direction gives (softmax - one-hot)/T over 2 rows, and the mean of both is the same.
  const Doubles expected{-r, r, r, -r};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(da_[i], expected[i], 1e-7);
    EXPECT_NEAR(db_[i], expected[i], 1e-7);
  }
  // Normalised rows move across themselves alone.
  run("info_nce:temperature=1,symmetric=false", p);
  EXPECT_NEAR(report_.value, value, 1e-7);
  EXPECT_EQ(report_.count, 2);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(da_[i], i % 3 == 0 ? 0 : q / 2, 1e-7);
  // Four rows: of the three others the partner has the cosine 1, the rest 0.
  run("info_nce:temperature=1,pairs=one_set", p);
  EXPECT_NEAR(report_.value, std::log(1 + 2 * std::exp(-1.0)), 1e-7);
  EXPECT_EQ(report_.count, 4);
}

TEST_F(InfoNces, TheFormulaInDoubleAndItsDifferences) {
  unsigned seed = 0;
  for (const auto& [rows, cols] : {std::pair<std::size_t, std::size_t>{2, 3}, {7, 4}, {13, 20}})
    for (const char* text :
         {"info_nce", "info_nce:symmetric=false", "info_nce:normalise=false,temperature=2",
          "info_nce:normalise=false,symmetric=false,temperature=3", "info_nce:pairs=one_set,temperature=0.5",
          "info_nce:pairs=one_set,normalise=false,temperature=4", "info_nce:eps=3,temperature=0.3"})
      for (const bool options : {false, true}) {
        const Pairs p = pairs_of(rows, cols, seed += 2, options);
        const InfoNce spec = spec_of(text);
        run(text, p);
        SCOPED_TRACE(std::string(text) + " of " + std::to_string(rows));
        const double value = p.value(spec);
        EXPECT_NEAR(report_.value, value, 4e-6 * (1 + value));
        double most = 0;
        for (const float g : da_) most = std::max(most, std::abs(static_cast<double>(g)));
        for (std::size_t i = 0; i < 2 * p.a.size(); ++i) {
          Pairs up = p, down = p;
          const bool of_b = i >= p.a.size();
          const std::size_t at = i % p.a.size();
          const double h = 1e-6;
          (of_b ? up.b : up.a)[at] += h;
          (of_b ? down.b : down.a)[at] -= h;
          const double difference = (up.value(spec) - down.value(spec)) / (2 * h);
          EXPECT_NEAR((of_b ? db_ : da_)[at], difference, 1e-5 * (most + 1e-3)) << i;
        }
      }
}

TEST_F(InfoNces, BlocksGiveWhatTheWholeGives) {
  for (const char* text : {"info_nce", "info_nce:symmetric=false", "info_nce:pairs=one_set"}) {
    const Pairs p = pairs_of(150, 24, 3, true);
    run(text, p);
    const double value = report_.value;
    const Floats da = da_, db = db_;
    const std::size_t row = (std::string_view(text).ends_with("one_set") ? 300 : 150) * sizeof(float);
    for (const std::size_t budget : {std::size_t{1}, 7 * row, 64 * row + 3, 100 * row}) {
      InfoNceLoss loss(*cpu_, budget);
      loss.run(spec_of(text), batch_of(p), &report_);
      EXPECT_NEAR(report_.value, value, 1e-6 * value);
      EXPECT_LE(apart(da_, da), 1e-7);
      EXPECT_LE(apart(db_, db), 1e-7);
      EXPECT_LE(loss.block_bytes(), std::max(budget, row));
      EXPECT_GE(2 * loss.block_bytes(), std::min(budget, 150 * row)) << "blocks smaller than they may be";
    }
  }
}

TEST_F(InfoNces, MemoryGrowsWithTheRowsNotWithTheirSquare) {
  InfoNceLoss loss(*cpu_, 1 << 16);
  const Pairs p = pairs_of(3000, 2, 1);
  const InfoNceBatch batch = batch_of(p);
  loss.run({}, batch, &report_);
  EXPECT_LE(loss.bytes(), (1u << 16) + 3000u * 200u);
  const std::size_t bytes = loss.bytes();
  loss.run({}, batch, &report_);
  EXPECT_EQ(loss.bytes(), bytes);
  EXPECT_NEAR(report_.value, p.value({}), 1e-5 * report_.value);
}

TEST_F(InfoNces, AnyTemperature) {
  for (const char* temperature : {"1e-6", "1e-3", "10", "1e6"}) {
    const std::string text = std::string("info_nce:temperature=") + temperature;
    const Pairs p = pairs_of(9, 8, 11);
    run(text, p);
    const double value = p.value(spec_of(text));
    EXPECT_NEAR(report_.value, value, 2e-6 * std::max(value, 1 / spec_of(text).temperature)) << text;
    EXPECT_EQ(report_.nonfinite, 0);
    EXPECT_FALSE(report_.rejected);
  }
}

TEST_F(InfoNces, DuplicatesSingleRowsAndZeros) {
  Pairs same{4, 2, {}, {}, {}, {}};
  for (int i = 0; i < 4; ++i) same.a.insert(same.a.end(), {3, 4}), same.b.insert(same.b.end(), {3, 4});
  run("info_nce", same);
  EXPECT_NEAR(report_.value, std::log(4.0), 1e-6);
  for (const float g : da_) EXPECT_NEAR(g, 0, 1e-6);
  run("info_nce:pairs=one_set", same);
  EXPECT_NEAR(report_.value, std::log(7.0), 1e-6);

  for (const char* text : {"info_nce", "info_nce:pairs=one_set"}) {
    run(text, pairs_of(1, 3, 1));
    EXPECT_EQ(report_.value, 0);
    EXPECT_EQ(da_, Floats(3, 0));
    run(text, pairs_of(0, 3, 1));
    EXPECT_EQ(report_.value, 0);
    EXPECT_EQ(report_.count, 0);
    Pairs masked = pairs_of(3, 2, 1);
    masked.mask = {0, 0, 0};
    masked.a[1] = NAN;
    run(text, masked);
    EXPECT_EQ(report_.value, 0);
    EXPECT_EQ(report_.count, 0);
    EXPECT_FALSE(report_.rejected);
    EXPECT_EQ(da_, Floats(6, 0));
  }
  // A row of zeros has the cosine 0 with all, and a length of eps.
  Pairs zeros = pairs_of(3, 2, 5);
  zeros.a[2] = zeros.a[3] = 0;
  run("info_nce:eps=0.5,temperature=1", zeros);
  EXPECT_NEAR(report_.value, zeros.value(spec_of("info_nce:eps=0.5,temperature=1")), 1e-6);
  EXPECT_NE(da_[2], 0);
  run("info_nce:eps=0", zeros);
  EXPECT_EQ(da_[2], 0);
  EXPECT_EQ(report_.nonfinite, 0);
}

TEST_F(InfoNces, BadNumbersAreCounted) {
  Pairs p = pairs_of(4, 2, 1);
  p.weight = {1, -1, NAN, 1};
  run("info_nce", p);
  EXPECT_EQ(report_.bad_weights, 2);
  EXPECT_EQ(report_.first_bad_weight_row, 1);
  EXPECT_EQ(report_.count, 4);
  EXPECT_TRUE(report_.rejected);
  p = pairs_of(4, 2, 1);
  p.a[3] = NAN;
  run("info_nce", p);
  EXPECT_TRUE(std::isnan(report_.value));
  EXPECT_GT(report_.nonfinite, 0);
  EXPECT_TRUE(report_.rejected);
}

TEST_F(InfoNces, TypesStridesInPlaceScaleAndUpstream) {
  const std::int64_t rows = 9, cols = 6, pitch = 8;
  for (const DType type : {DType::f32, DType::bf16, DType::f16}) {
    const auto size = static_cast<std::size_t>(rows * pitch);
    testing::Stored a(testing::normal(size, 1), type), b(testing::normal(size, 2), type);
    Pairs packed{9, 6, {}, {}, {}, {}};
    const Floats numbers = a.floats(), others = b.floats();
    for (std::int64_t r = 0; r < rows; ++r) {
      packed.a.insert(packed.a.end(), numbers.begin() + r * pitch, numbers.begin() + r * pitch + cols);
      packed.b.insert(packed.b.end(), others.begin() + r * pitch, others.begin() + r * pitch + cols);
    }
    const float upstream = 0.25f;
    InfoNceBatch batch = batch_of(packed);
    batch.upstream = {&upstream, 1};
    batch.scale = 32;
    run({}, batch);
    const double value = report_.value;
    EXPECT_NEAR(value, packed.value({}), 4e-6 * value);
    const testing::Stored da(da_, type), db(db_, type);
    run({}, batch_of(packed));
    for (std::size_t i = 0; i < da_.size(); ++i) EXPECT_NEAR(8 * da_[i], testing::Stored(da).floats()[i], 0.02);

    batch.a = {a.bytes.data(), type, rows, cols, pitch};
    batch.b = {b.bytes.data(), type, rows, cols, pitch};
    batch.gradient_a = {a.bytes.data(), type, rows, cols, pitch};
    batch.gradient_b = {b.bytes.data(), type, rows, cols, pitch};
    run({}, batch);
    EXPECT_EQ(report_.value, value);
    const Floats is = a.floats(), should = da.floats(), is_b = b.floats(), should_b = db.floats();
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < cols; ++c) {
        const auto at = static_cast<std::size_t>(r * pitch + c), wanted = static_cast<std::size_t>(r * cols + c);
        ASSERT_EQ(is[at], should[wanted]);
        ASSERT_EQ(is_b[at], should_b[wanted]);
      }
    EXPECT_EQ(is[6], numbers[6]) << "between the rows";
  }
}

TEST_F(InfoNces, OneGradientOrNone) {
  const Pairs p = pairs_of(6, 5, 2);
  run("info_nce", p);
  const double value = report_.value;
  const Floats da = da_, db = db_;
  InfoNceBatch batch = batch_of(p);
  batch.gradient_b = {};
  run({}, batch);
  EXPECT_EQ(da_, da);
  batch = batch_of(p);
  batch.gradient_a = {};
  run({}, batch);
  EXPECT_EQ(db_, db);
  batch.gradient_b = {};
  run({}, batch);
  EXPECT_EQ(report_.value, value);
}

TEST_F(InfoNces, RefusesWhatMakesNoSense) {
  const Pairs p = pairs_of(3, 2, 1);
  const auto refuse = [&](Errc code, std::initializer_list<std::string_view> words, auto&& change) {
    InfoNceBatch batch = batch_of(p);
    InfoNce spec;
    change(batch, spec);
    expect_error(code, words, [&] { run(spec, batch); });
    EXPECT_TRUE(std::isnan(da_[0]));
  };
  refuse(Errc::bad_argument, {"temperature"}, [](auto&, auto& spec) { spec.temperature = 0; });
  refuse(Errc::bad_shape, {"b has"}, [&](auto& batch, auto&) { batch.b = {b_.data(), 2, 2}; });
  refuse(Errc::bad_shape, {"weight"}, [&](auto& batch, auto&) { batch.weight = {b_.data(), 2}; });
  refuse(Errc::bad_shape, {"gradient_a"}, [&](auto& batch, auto&) { batch.gradient_a = {da_.data(), 3, 1}; });
  refuse(Errc::bad_argument, {"gradient_a overlaps b"}, [&](auto& batch, auto&) {
    batch.gradient_a = {b_.data(), 3, 2};
  });
  refuse(Errc::bad_argument, {"gradient_a overlaps gradient_b"},
         [&](auto& batch, auto&) { batch.gradient_b = batch.gradient_a; });
  refuse(Errc::bad_argument, {"a is missing"}, [](auto& batch, auto&) { batch.a.data = nullptr; });
  std::vector<double> memory(64);
  InfoNceBatch at = batch_of(p);
  at.b = {reinterpret_cast<const float*>(memory.data()), 3, 2};
  expect_error(Errc::bad_argument, {"report overlaps the b"},
               [&] { InfoNceLoss(*cpu_).run({}, at, reinterpret_cast<LossReport*>(memory.data())); });
  expect_error(Errc::bad_argument, {"report is missing"}, [&] { InfoNceLoss(*cpu_).run({}, batch_of(p), nullptr); });
}

}  // namespace
}  // namespace fuselage
