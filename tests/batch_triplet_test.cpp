// Triplets of a batch: numbers by hand, the formula in double, differences, ties, and what is refused.
#include "fuselage/batch_triplet.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "fuselage/pair_losses.h"
#include "tests/support/batches.h"
#include "tests/support/files.h"

namespace fuselage {
namespace {

using test::expect_error;
using Floats = std::vector<float>;
using Doubles = std::vector<double>;
using Labels = std::vector<std::int32_t>;
using Masks = std::vector<std::uint8_t>;

BatchTriplet spec_of(std::string_view text) { return std::get<BatchTriplet>(PairLosses::parse(text, "spec")); }

/// The textbook: every triplet by itself, in double.
struct Textbook {
  double sum = 0;
  std::int64_t count = 0, active = 0;
  Doubles gradient;
  double value(const BatchTriplet& t) const {
    const std::int64_t by = t.average == triplets::Average::all ? count : active;
    return by > 0 ? sum / static_cast<double>(by) : 0;
  }
};

class Judge {
 public:
  Judge(const BatchTriplet& t, const Doubles& x, const Labels& label, const Masks& mask)
      : t_(t), x_(x), label_(label), rows_(label.size()), cols_(x.size() / label.size()) {
    out_.gradient.resize(x.size());
    const auto kept = [&](std::size_t i) { return mask.empty() || mask[i]; };
    for (std::size_t a = 0; a < rows_; ++a) {
      if (!kept(a)) continue;
      std::vector<std::size_t> like, other;
      for (std::size_t j = 0; j < rows_; ++j)
        if (kept(j) && j != a) (label[j] == label[a] ? like : other).push_back(j);
      if (t.mining == triplets::Mining::hard && !like.empty() && !other.empty()) {
        std::size_t far = like[0], near = other[0];
        for (const std::size_t j : like) far = distance(a, j) > distance(a, far) ? j : far;
        for (const std::size_t j : other) near = distance(a, j) < distance(a, near) ? j : near;
        like = {far}, other = {near};
      }
      for (const std::size_t p : like)
        for (const std::size_t n : other) take(a, p, n);
    }
    const std::int64_t by = t.average == triplets::Average::all ? out_.count : out_.active;
    for (double& g : out_.gradient) g = by > 0 ? g / static_cast<double>(by) : 0;
  }
  const Textbook& result() const { return out_; }

 private:
  double distance(std::size_t a, std::size_t b) const {
    double sum = 0;
    for (std::size_t c = 0; c < cols_; ++c) sum += std::pow(x_[a * cols_ + c] - x_[b * cols_ + c], 2);
    return t_.squared ? sum : std::sqrt(sum + t_.eps);
  }
  void take(std::size_t a, std::size_t p, std::size_t n) {
    ++out_.count;
    const double loss = distance(a, p) - distance(a, n) + t_.margin;
    if (loss <= 0) return;
    ++out_.active;
    out_.sum += loss;
    pull(a, p, 1);
    pull(a, n, -1);
  }
  void pull(std::size_t a, std::size_t b, double sign) {
    const double d = distance(a, b);
    for (std::size_t c = 0; c < cols_; ++c) {
      const double difference = x_[a * cols_ + c] - x_[b * cols_ + c];
      const double slope = t_.squared ? 2 * difference : d > 0 ? difference / d : 0;
      out_.gradient[a * cols_ + c] += sign * slope;
      out_.gradient[b * cols_ + c] -= sign * slope;
    }
  }

  BatchTriplet t_;
  Doubles x_;
  Labels label_;
  std::size_t rows_, cols_;
  Textbook out_;
};

class BatchTriplets : public ::testing::Test {
 protected:
  std::unique_ptr<Backend> cpu_ = make_cpu_backend({2, {}});
  LossReport report_;
  Floats gradient_;

  static TripletBatch batch_of(const Floats& x, const Labels& label, const Masks& mask = {}) {
    TripletBatch b;
    const auto rows = static_cast<std::int64_t>(label.size());
    b.x = {x.data(), rows, rows > 0 ? static_cast<std::int64_t>(x.size()) / rows : 1};
    b.label = {label.data(), rows};
    if (!mask.empty()) b.mask = {mask.data(), rows};
    return b;
  }
  void run(std::string_view spec, TripletBatch b) {
    gradient_.assign(static_cast<std::size_t>(b.x.size()), NAN);
    b.gradient = {gradient_.data(), b.x.rows, b.x.cols};
    cpu_->batch_triplet(spec_of(spec), b, &report_);
    b.gradient = {};
    LossReport alone;
    cpu_->batch_triplet(spec_of(spec), b, &alone);
    EXPECT_EQ(std::memcmp(&alone.value, &report_.value, sizeof(double)), 0) << "without a gradient";
  }
};

TEST_F(BatchTriplets, NumbersByHand) {
  const Floats x{0, 1, 3};
  const Labels label{0, 0, 1};
  // Anchor 0: 1 - 3 + 1.5 < 0. Anchor 1: 1 - 2 + 1.5. Anchor 2 has no positive.
  run("batch_triplet:margin=1.5", batch_of(x, label));
  EXPECT_EQ(report_.value, 0.25);
  EXPECT_EQ(report_.value_sum, 0.5);
  EXPECT_EQ(report_.count, 2);
  EXPECT_EQ(report_.correct, 1);
  EXPECT_EQ(report_.weight_sum, 2);
  EXPECT_FALSE(report_.rejected);
  EXPECT_EQ(gradient_, (Floats{-0.5f, 1, -0.5f}));
  run("batch_triplet:margin=1.5,average=nonzero", batch_of(x, label));
  EXPECT_EQ(report_.value, 0.5);
  EXPECT_EQ(gradient_, (Floats{-1, 2, -1}));
  run("batch_triplet:margin=4.5,squared=true", batch_of(x, label));  // 1 - 9 + 4.5 < 0, 1 - 4 + 4.5
  EXPECT_EQ(report_.value, 0.75);
  EXPECT_EQ(gradient_, (Floats{-1, 3, -2}));
  // Anchors 0 and 1 with two strangers each.
  run("batch_triplet:margin=2.5,mining=all", batch_of({0, 1, 3, 4}, {0, 0, 1, 2}));
  EXPECT_EQ(report_.count, 4);  // 0.5, -0.5, 1.5, 0.5
  EXPECT_EQ(report_.correct, 1);
  EXPECT_EQ(report_.value, 2.5 / 4);
}

TEST_F(BatchTriplets, NothingAtTheKink) {
  run("batch_triplet:margin=1,average=nonzero", batch_of({0, 1, 3}, {0, 0, 1}));
  EXPECT_EQ(report_.count, 2);
  EXPECT_EQ(report_.correct, 2);
  EXPECT_EQ(report_.value, 0);
  EXPECT_EQ(gradient_, (Floats{0, 0, 0}));
}

TEST_F(BatchTriplets, TheFirstOfEqualsCounts) {
  const Floats x{0, 1, -1, 2, -2};
  const Labels label{7, 7, 7, -3, -3};
  run("batch_triplet:margin=2", batch_of(x, label));
  const Textbook expected = Judge(spec_of("batch_triplet:margin=2"), Doubles(x.begin(), x.end()), label, {}).result();
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_FLOAT_EQ(gradient_[i], static_cast<float>(expected.gradient[i]));
  EXPECT_NE(gradient_[1], -gradient_[2]);  // the ties of anchor 0
}

TEST_F(BatchTriplets, TheFormulaInDouble) {
  unsigned seed = 0;
  for (const auto& [rows, cols, classes] :
       {std::tuple{2, 3, 2}, {9, 1, 2}, {17, 5, 4}, {33, 32, 3}, {40, 33, 40}, {70, 100, 5}, {300, 3, 1}, {281, 7, 2}})
    for (const char* mining : {"hard", "all"})
      for (const char* options : {"", ",squared=true", ",average=nonzero", ",eps=0.01,margin=0.1"})
        for (const bool masked : {false, true}) {
          const auto n = static_cast<std::size_t>(rows);
          const Floats x = testing::normal(n * static_cast<std::size_t>(cols), ++seed);
          Labels label(n);
          Masks mask(masked ? n : 0);
          for (std::size_t i = 0; i < n; ++i) label[i] = static_cast<std::int32_t>(i * i * 7 + i) % classes - 1;
          for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = i % 4 != 1;
          const std::string text = std::string("batch_triplet:mining=") + mining + options;
          run(text, batch_of(x, label, mask));
          const BatchTriplet spec = spec_of(text);
          const Textbook expected = Judge(spec, Doubles(x.begin(), x.end()), label, mask).result();
          SCOPED_TRACE(text + " of " + std::to_string(rows) + " x " + std::to_string(cols));
          const double value = expected.value(spec);
          EXPECT_NEAR(report_.value, value, 4e-7 * value + 1e-12);
          EXPECT_EQ(report_.count, expected.count);
          EXPECT_EQ(report_.count - report_.correct, expected.active);
          double most = 0, apart = 0;
          for (std::size_t i = 0; i < x.size(); ++i) {
            most = std::max(most, std::abs(expected.gradient[i]));
            apart = std::max(apart, std::abs(static_cast<double>(gradient_[i]) - expected.gradient[i]));
          }
          EXPECT_LE(apart, 2e-6 * most);
        }
}

TEST_F(BatchTriplets, TheGradientIsThatOfTheValue) {
  const Floats x = testing::normal(12 * 3, 5);
  const Labels label{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 1};
  for (const char* text : {"batch_triplet", "batch_triplet:mining=all,average=nonzero", "batch_triplet:squared=true"}) {
    run(text, batch_of(x, label));
    const BatchTriplet spec = spec_of(text);
    for (std::size_t i = 0; i < x.size(); ++i) {
      Doubles up(x.begin(), x.end()), down = up;
      const double h = 1e-6;
      up[i] += h, down[i] -= h;
      const double difference =
          (Judge(spec, up, label, {}).result().value(spec) - Judge(spec, down, label, {}).result().value(spec)) /
          (2 * h);
      EXPECT_NEAR(gradient_[i], difference, 1e-6) << text << " " << i;
    }
  }
}

TEST_F(BatchTriplets, IdenticalRowsPullNowhere) {
  run("batch_triplet:mining=all", batch_of({2, 3, 2, 3, 2, 3}, {0, 0, 1}));
  EXPECT_EQ(report_.value, 1);
  EXPECT_EQ(report_.count, 2);
  EXPECT_EQ(gradient_, Floats(6, 0));
  EXPECT_EQ(report_.nonfinite, 0);
}

TEST_F(BatchTriplets, WithoutTripletsNothing) {
  const Floats x{1, 2, 3, 4};
  for (const char* mining : {"batch_triplet", "batch_triplet:mining=all,average=nonzero"})
    for (const auto& [label, mask] : {std::pair<Labels, Masks>{{5, 5, 5, 5}, {}},
                                      {{1, 2, 3, 4}, {}},
                                      {{1, 1, 2, 2}, {0, 0, 0, 0}},
                                      {{1, 1, 2, 2}, {1, 1, 0, 0}}}) {
      run(mining, batch_of(x, label, mask));
      EXPECT_EQ(report_.value, 0);
      EXPECT_EQ(report_.count, 0);
      EXPECT_FALSE(report_.rejected);
      EXPECT_EQ(gradient_, Floats(4, 0));
    }
  run("batch_triplet", batch_of({}, {}));
  EXPECT_EQ(report_.count, 0);
}

TEST_F(BatchTriplets, NanIsSeen) {
  const Floats x{0, 1, 3, NAN};
  for (const char* mining : {"batch_triplet", "batch_triplet:mining=all"}) {
    run(mining, batch_of(x, {0, 0, 1, 1}));
    EXPECT_TRUE(std::isnan(report_.value));
    EXPECT_GT(report_.nonfinite, 0);
    EXPECT_TRUE(report_.rejected);
    run(mining, batch_of(x, {0, 0, 1, 1}, {1, 1, 1, 0}));
    EXPECT_FALSE(report_.rejected) << "a masked row is not looked at";
  }
}

TEST_F(BatchTriplets, WhatIsNotFiniteIsSeenWhereverItStands) {
  const float far = 0x1p100f;  // its square is infinite
  for (const char* text : {"batch_triplet", "batch_triplet:mining=all", "batch_triplet:mining=all,average=nonzero",
                           "batch_triplet:squared=true", "batch_triplet:mining=all,squared=true"})
    for (const float bad : {NAN, INFINITY, -INFINITY, far})
      for (std::size_t at = 0; at < 12; ++at) {
        Floats x{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
        x[at] = bad;
        run(text, batch_of(x, {0, 0, 0, 1, 1, 1}));
        SCOPED_TRACE(std::string(text) + " with " + std::to_string(bad) + " at " + std::to_string(at));
        EXPECT_FALSE(std::isfinite(report_.value));
        EXPECT_GT(report_.nonfinite, 0);
        EXPECT_TRUE(report_.rejected);
      }
}

TEST_F(BatchTriplets, RowsOutsideAllTripletsLeaveTheOthersAlone) {
  run("batch_triplet:margin=1.5", batch_of({0, 1, 3, INFINITY}, {0, 0, 1, 2}));  // the far row is nobody's nearest
  EXPECT_EQ(report_.value, 0.25);
  EXPECT_EQ(gradient_, (Floats{-0.5f, 1, -0.5f, 0}));
  EXPECT_FALSE(report_.rejected);
}

TEST_F(BatchTriplets, AnyThreadsStridesTypesAndInPlace) {
  const std::int64_t rows = 61, cols = 37, pitch = 41;
  const auto size = static_cast<std::size_t>(rows * pitch);
  for (const DType type : {DType::f32, DType::bf16, DType::f16})
    for (const char* text : {"batch_triplet", "batch_triplet:mining=all"}) {
      const testing::Stored x(testing::normal(size, 3), type);
      Floats packed;
      const Floats numbers = x.floats();
      for (std::int64_t r = 0; r < rows; ++r)
        packed.insert(packed.end(), numbers.begin() + r * pitch, numbers.begin() + r * pitch + cols);
      Labels label(static_cast<std::size_t>(rows));
      std::vector<std::int64_t> wide;
      for (std::size_t i = 0; i < label.size(); ++i) wide.push_back(label[i] = static_cast<std::int32_t>(i % 3));
      run(text, batch_of(packed, label));
      const testing::Stored expected(gradient_, type);

      testing::Stored own = x;
      TripletBatch b;
      b.x = {own.bytes.data(), type, rows, cols, pitch};
      b.gradient = {own.bytes.data(), type, rows, cols, pitch};
      b.label = {wide.data(), rows};
      LossReport report;
      make_cpu_backend({1, {}})->batch_triplet(spec_of(text), b, &report);
      EXPECT_EQ(report.value, report_.value);
      const Floats is = own.floats(), should = expected.floats();
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < cols; ++c)
          ASSERT_EQ(is[static_cast<std::size_t>(r * pitch + c)], should[static_cast<std::size_t>(r * cols + c)]);
      EXPECT_EQ(is[static_cast<std::size_t>(cols)], numbers[static_cast<std::size_t>(cols)]) << "between the rows";
    }
}

TEST_F(BatchTriplets, ScaleAndUpstreamMultiplyTheGradient) {
  const Floats x{0, 1, 3};
  const Labels label{0, 0, 1};
  const float upstream = 0.5f;
  TripletBatch b = batch_of(x, label);
  b.upstream = {&upstream, 1};
  b.scale = 16;
  run("batch_triplet:margin=1.5", b);
  EXPECT_EQ(report_.value, 0.25);
  EXPECT_EQ(gradient_, (Floats{-4, 8, -4}));
}

TEST_F(BatchTriplets, MemoryThatCannotBeHadIsNamed) {
  constexpr std::int64_t kRows = 1 << 20;  // pairs of 4 TiB, and as much again for the gradient
  Floats x(kRows), gradient(kRows);
  const Labels label(kRows);
  TripletBatch b = batch_of(x, label);
  expect_error(Errc::out_of_memory, {"batch_triplet", "4398046511104 bytes", "1048576 rows"},
               [&] { cpu_->batch_triplet({}, b, &report_); });
  b.gradient = {gradient.data(), kRows};
  expect_error(Errc::out_of_memory, {"8796093022208 bytes"}, [&] { cpu_->batch_triplet({}, b, &report_); });
  run("batch_triplet:margin=1.5", batch_of({0, 1, 3}, {0, 0, 1}));  // the backend is of use afterwards
  EXPECT_EQ(report_.value, 0.25);
}

TEST_F(BatchTriplets, RefusesWhatMakesNoSense) {
  Floats x{0, 1, 3};
  const Labels label{0, 0, 1};
  const TripletBatch good = batch_of(x, label);
  const auto refuse = [&](Errc code, std::initializer_list<std::string_view> words, auto&& change) {
    TripletBatch b = good;
    BatchTriplet spec;
    change(b, spec);
    report_.value = 7;
    expect_error(code, words, [&] { cpu_->batch_triplet(spec, b, &report_); });
    EXPECT_EQ(report_.value, 7);
  };
  refuse(Errc::bad_argument, {"label is missing"}, [](auto& b, auto&) { b.label = {}; });
  refuse(Errc::bad_shape, {"label"}, [&](auto& b, auto&) { b.label = {label.data(), 2}; });
  refuse(Errc::bad_dtype, {"label"}, [&](auto& b, auto&) { b.label = {x.data(), 3}; });
  refuse(Errc::bad_shape, {"gradient"}, [&](auto& b, auto&) { b.gradient = {x.data(), 2}; });
  refuse(Errc::bad_argument, {"overlaps x in part"}, [&](auto& b, auto&) {
    b.x = ConstView(x.data(), 2);
    b.label = ConstView(label.data(), 2);
    b.gradient = View(x.data() + 1, 2);
  });
  refuse(Errc::bad_argument, {"margin"}, [](auto&, auto& spec) { spec.margin = -1; });
  std::vector<double> memory(64);
  TripletBatch at = good;
  at.x = {reinterpret_cast<const float*>(memory.data()), 3};
  expect_error(Errc::bad_argument, {"report overlaps the x"},
               [&] { cpu_->batch_triplet({}, at, reinterpret_cast<LossReport*>(memory.data())); });
  expect_error(Errc::bad_argument, {"report is missing"}, [&] { cpu_->batch_triplet({}, good, nullptr); });
}

}  // namespace
}  // namespace fuselage
