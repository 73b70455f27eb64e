// Dataset: conversion, shapes that must agree, subsets, splits, the shuffle, and loading from files.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "fuselage/core/rng.h"
#include "fuselage/data.h"
#include "tests/support/files.h"

namespace fuselage {
namespace {

using test::expect_error;
using test::TempFolder;
using Rows = std::vector<std::int64_t>;

template <class T>
Array ramp(const Rows& shape) {
  Array a(dtype_of<T>(), shape);
  for (std::size_t i = 0; i < a.as<T>().size(); ++i) a.as<T>()[i] = static_cast<T>(i);
  return a;
}

std::vector<float> features_of(const Dataset& d, const Rows& rows) {
  std::vector<float> x(rows.size() * static_cast<std::size_t>(d.feature_size()), -99);
  d.gather(rows, {x.data(), nullptr, nullptr, nullptr});
  return x;
}

TEST(Dataset, EveryFeatureTypeConverts) {
  const auto check = [](Array features) {
    const Dataset d(std::move(features), Array(DType::u8, {4}), {}, {{2.0}, {0.5}});
    EXPECT_EQ(features_of(d, {3, 0, 3}), (std::vector<float>{3.5f, 4, 4.5f, -1, -.5f, 0, 3.5f, 4, 4.5f}));
  };
  check(ramp<std::uint8_t>({4, 3}));
  check(ramp<std::int8_t>({4, 3, 1}));
  check(ramp<std::int16_t>({4, 1, 3}));
  check(ramp<std::int32_t>({4, 3}));
  check(ramp<std::int64_t>({4, 3}));
  check(ramp<float>({4, 3}));
  check(ramp<double>({4, 3}));
  Array half(DType::f16, {4, 3}), brain(DType::bf16, {4, 3});
  for (std::size_t i = 0; i < 12; ++i) {
    half.as<f16>()[i] = from_float<f16>(static_cast<float>(i));
    brain.as<bf16>()[i] = from_float<bf16>(static_cast<float>(i));
  }
  check(std::move(half));
  check(std::move(brain));
}

TEST(Dataset, ImagesOfAnyWidthEqualTheFormula) {
  for (const std::int64_t width : {1, 15, 16, 17, 31, 33, 784}) {
    const Dataset d(ramp<std::uint8_t>({5, width}), Array(DType::u8, {5}), {}, {{33.25}, {1.0 / 71}});
    const std::vector<float> x = features_of(d, {4, 1});
    for (std::int64_t j = 0; j < width; ++j) {
      const auto expected = [&](std::int64_t row) {
        return (static_cast<float>(static_cast<std::uint8_t>(row * width + j)) - 33.25f) * static_cast<float>(1.0 / 71);
      };
      EXPECT_EQ(x[static_cast<std::size_t>(j)], expected(4)) << width;
      EXPECT_EQ(x[static_cast<std::size_t>(width + j)], expected(1)) << width;
    }
  }
}

TEST(Dataset, LargeValuesAreShiftedInDouble) {
  const Array f = Array::of<double>({2, 1}, std::vector<double>{1e9 + 1, 1e9 + 2});
  EXPECT_EQ(features_of(Dataset(f, Array(DType::u8, {2}), {}, {{1e9}, {1}}), {0, 1}), (std::vector<float>{1, 2}));
  const Array g = Array::of<std::int32_t>({2, 1}, std::vector<std::int32_t>{1000000001, 1000000002});
  EXPECT_EQ(features_of(Dataset(g, Array(DType::u8, {2}), {}, {{1e9}, {1}}), {0, 1}), (std::vector<float>{1, 2}));
}

TEST(Dataset, ScalingPerFeatureAndUnit) {
  const Dataset d(ramp<std::uint8_t>({2, 3}), Array(DType::u8, {2}), {}, {{0, 1, 2}, {1, 10, 100}});
  EXPECT_EQ(features_of(d, {0, 1}), (std::vector<float>{0, 0, 0, 3, 30, 300}));
  const Dataset unit =
      Dataset(Array::of<std::uint8_t>({2, 1}, std::vector<std::uint8_t>{0, 255}), Array(DType::u8, {2}))
          .with_scaling({{0}, {1.0 / 255}});
  EXPECT_EQ(features_of(unit, {0, 1}), (std::vector<float>{0, 1}));
  expect_error(Errc::bad_shape, {"2 shifts", "1 or 3"}, [&] { d.with_scaling({{0, 1}, {1, 1}}); });
  expect_error(Errc::bad_argument, {"feature 1", "not finite"}, [&] { d.with_scaling({{0, NAN, 0}, {1, 1, 1}}); });
}

TEST(Dataset, StandardScalingHasMeanZeroAndDeviationOne) {
  const Array f = Array::of<float>({4, 2}, std::vector<float>{1, 7, 3, 7, 5, 7, 7, 7});
  const Dataset d(f, Array(DType::u8, {4}));
  const Scaling s = d.standard_scaling();
  EXPECT_EQ(s.shift, (std::vector<double>{4, 7}));
  EXPECT_DOUBLE_EQ(s.scale[0], 1 / std::sqrt(5.0));
  EXPECT_EQ(s.scale[1], 1.0);  // a constant feature is centred and left alone
  const Rows some{1, 2};
  EXPECT_EQ(d.subset(some).standard_scaling().scale, (std::vector<double>{1, 1}));
}

TEST(Dataset, TargetsAndWeights) {
  const Array labels = Array::of<std::int64_t>({3}, std::vector<std::int64_t>{2, -1, 7});
  const Array weights = Array::of<double>({3}, std::vector<double>{.5, 1, 2});
  const Dataset d(ramp<float>({3, 2}), labels, weights);
  EXPECT_TRUE(d.has_labels() && d.has_weights());
  EXPECT_EQ(d.classes(), 8);
  EXPECT_EQ(d.target_size(), 0);
  std::vector<std::int32_t> got(2);
  std::vector<float> w(2);
  d.gather(Rows{1, 2}, {nullptr, got.data(), nullptr, w.data()});
  EXPECT_EQ(got, (std::vector<std::int32_t>{-1, 7}));
  EXPECT_EQ(w, (std::vector<float>{1, 2}));
  EXPECT_EQ(Dataset(ramp<float>({3, 2}), labels, {}, {}, 5).classes(), 5);  // the loss reports label 7

  const Dataset r(ramp<float>({3, 2}), ramp<double>({3, 2}));
  EXPECT_EQ(r.target_size(), 2);
  EXPECT_EQ(r.classes(), 0);
  std::vector<float> t(4);
  r.gather(Rows{2, 0}, {nullptr, nullptr, t.data(), w.data()});
  EXPECT_EQ(t, (std::vector<float>{4, 5, 0, 1}));
  EXPECT_EQ(w, (std::vector<float>{1, 1}));
  EXPECT_EQ(r.feature_shape(), (Rows{2}));
}

TEST(Dataset, RefusalsNameBothSides) {
  const Array f = ramp<float>({3, 2});
  expect_error(Errc::bad_shape, {"3 rows", "targets 4"}, [&] { Dataset(f, Array(DType::u8, {4})); });
  expect_error(Errc::bad_shape, {"3 rows", "weights 2"},
               [&] { Dataset(f, Array(DType::u8, {3}), Array(DType::f32, {2})); });
  expect_error(Errc::bad_shape, {"weights", "u8"}, [&] { Dataset(f, Array(DType::u8, {3}), Array(DType::u8, {3})); });
  expect_error(Errc::bad_shape, {"labels", "[3, 2]"}, [&] { Dataset(f, Array(DType::i32, {3, 2})); });
  expect_error(Errc::bad_label, {"4294967296", "row 1"}, [&] {
    Dataset(f, Array::of<std::int64_t>({3}, std::vector<std::int64_t>{0, 1LL << 32, 0}));
  });
  expect_error(Errc::bad_argument, {"3 classes"}, [&] { Dataset(f, Array(DType::f32, {3}), {}, {}, 3); });
  const Dataset d(f, Array(DType::u8, {3}));
  std::vector<float> x(6, -1);
  for (const std::int64_t row : {3, -1}) {
    expect_error(Errc::bad_argument, {"entry 1", "row " + std::to_string(row), "[0, 3)"}, [&] {
      d.gather(Rows{0, row}, {x.data(), nullptr, nullptr, nullptr});
    });
    expect_error(Errc::bad_argument, {"entry 0"}, [&] { d.subset(Rows{row}); });
  }
  EXPECT_EQ(x, std::vector<float>(6, -1)) << "written before the refusal";
  expect_error(Errc::bad_argument, {"real targets"}, [&] { d.gather(Rows{0}, {nullptr, nullptr, x.data(), nullptr}); });
}

TEST(Dataset, SubsetsOfSubsets) {
  const Dataset d(ramp<std::uint8_t>({10, 1}), ramp<std::uint8_t>({10}));
  const Dataset s = d.subset(Rows{9, 7, 5, 3}).subset(Rows{2, 0});
  EXPECT_EQ(s.size(), 2);
  EXPECT_EQ(features_of(s, {0, 1}), (std::vector<float>{5, 9}));
  std::vector<std::int32_t> labels(2);
  s.gather(Rows{1, 0}, {nullptr, labels.data(), nullptr, nullptr});
  EXPECT_EQ(labels, (std::vector<std::int32_t>{9, 5}));
  expect_error(Errc::bad_argument, {"[0, 2)"}, [&] { features_of(s, {2}); });
}

TEST(Dataset, SplitIsDisjointCompleteAndSeeded) {
  const Dataset d(ramp<std::int16_t>({1000, 1}), Array(DType::u8, {1000}));
  const auto values = [](const Dataset& part) {
    Rows all(static_cast<std::size_t>(part.size()));
    std::iota(all.begin(), all.end(), 0);
    return features_of(part, all);
  };
  const auto [a, b] = split(d, 0.8, 1);
  EXPECT_EQ(a.size(), 800);
  EXPECT_EQ(b.size(), 200);
  const std::vector<float> va = values(a), vb = values(b);
  EXPECT_TRUE(std::is_sorted(va.begin(), va.end()) && std::is_sorted(vb.begin(), vb.end()));
  std::set<float> all(va.begin(), va.end());
  all.insert(vb.begin(), vb.end());
  EXPECT_EQ(all.size(), 1000u);
  EXPECT_EQ(values(split(d, 0.8, 1).first), va);
  EXPECT_NE(values(split(d, 0.8, 2).first), va);
  EXPECT_NEAR(std::accumulate(vb.begin(), vb.end(), 0.0) / 200, 499.5, 100);
  for (const double bad : {0.0, 1.0, -1.0, 0.0001, 0.9999, std::nan("")})
    expect_error(Errc::bad_argument, {"fraction"}, [&] { split(d, bad, 1); });
}

TEST(SampleOrder, IsTheSortOfKeysAndIndices) {
  for (const std::int64_t n : {0, 1, 2, 255, 257, 5000}) {
    SampleOrder order(n, 99);
    for (const std::int64_t epoch : {0, 3, 1}) {
      std::vector<std::pair<std::uint64_t, std::int64_t>> keyed;
      for (std::int64_t i = 0; i < n; ++i)
        keyed.emplace_back(random_word64(99, static_cast<std::uint64_t>(i), stream_of(RandomUse::shuffle),
                                         static_cast<std::uint32_t>(epoch)),
                           i);
      std::sort(keyed.begin(), keyed.end());
      const auto got = order.at(epoch);
      ASSERT_EQ(got.size(), keyed.size());
      for (std::size_t i = 0; i < keyed.size(); ++i) ASSERT_EQ(got[i], keyed[i].second) << n << " " << epoch;
    }
  }
  SampleOrder plain(5, 1, false);
  EXPECT_TRUE(std::ranges::equal(plain.at(7), Rows{0, 1, 2, 3, 4}));
  expect_error(Errc::bad_argument, {"-1"}, [&] { plain.at(-1); });
}

TEST(SampleOrder, PositionsAreUniform) {
  // Where sample 0 goes, over many epochs: ten bins of equal chance.
  std::vector<int> bins(10);
  SampleOrder order(100, 5);
  for (int epoch = 0; epoch < 2000; ++epoch) {
    const auto o = order.at(epoch);
    ++bins[static_cast<std::size_t>((std::ranges::find(o, 0) - o.begin()) / 10)];
  }
  for (const int b : bins) EXPECT_NEAR(b, 200, 5 * std::sqrt(180.0));
}

TEST(LoadDataset, FromIdxAndNpy) {
  const TempFolder folder;
  write_idx(folder / "x-idx3-ubyte", ramp<std::uint8_t>({4, 2, 2}));
  write_idx(folder / "y", Array::of<std::uint8_t>({4}, std::vector<std::uint8_t>{0, 1, 2, 1}));
  DataSource source;
  source.features = folder / "x-idx3-ubyte";
  source.targets = folder / "y";
  source.normalise = Normalise::unit;
  const Dataset d = load_dataset(source);
  EXPECT_EQ(d.classes(), 3);
  EXPECT_EQ(d.feature_shape(), (Rows{2, 2}));
  EXPECT_EQ(features_of(d, {0})[3], 3.0f * static_cast<float>(1.0 / 255));

  write_npy(folder / "x.npy", ramp<float>({4, 2}));
  write_npy(folder / "y.npy", ramp<float>({4}));
  write_npy(folder / "w.npy", ramp<float>({4}));
  DataSource real;
  real.features = folder / "x.npy";
  real.targets = folder / "y.npy";
  real.weights = folder / "w.npy";
  real.normalise = Normalise::standard;
  const Dataset r = load_dataset(real);
  EXPECT_EQ(r.target_size(), 1);
  EXPECT_TRUE(r.has_weights());
  EXPECT_EQ(r.scaling().shift, (std::vector<double>{3, 4}));

  write_npy(folder / "y.npy", ramp<float>({5}));
  expect_error(Errc::bad_shape, {"x.npy", "4 rows", "y.npy", "5"}, [&] { load_dataset(real); });
}

TEST(LoadDataset, FromCsv) {
  const TempFolder folder;
  DataSource source;
  source.features = folder.file("t.csv", "a,kind,b,w\n1,red,2,0.5\n3,blue,4,1\n");
  source.csv.label_column = "kind";
  source.weight_column = "w";
  source.normalise = Normalise::given;
  source.scaling = {{1}, {2}};
  const Dataset d = load_dataset(source);
  EXPECT_EQ(d.classes(), 2);
  EXPECT_EQ(d.class_names(), (std::vector<std::string>{"blue", "red"}));
  EXPECT_EQ(features_of(d, {0, 1}), (std::vector<float>{0, 2, 4, 6}));
  std::vector<std::int32_t> labels(2);
  std::vector<float> weights(2);
  d.gather(Rows{0, 1}, {nullptr, labels.data(), nullptr, weights.data()});
  EXPECT_EQ(labels, (std::vector<std::int32_t>{1, 0}));
  EXPECT_EQ(weights, (std::vector<float>{.5f, 1}));

  DataSource real;
  real.features = folder.file("r.csv", "a,b,c\n1,2,3\n4,5,6\n");
  expect_error(Errc::bad_argument, {"label column or target columns"}, [&] { load_dataset(real); });
  real.target_columns = {"c", "a"};
  const Dataset r = load_dataset(real);
  EXPECT_EQ(r.feature_size(), 1);
  std::vector<float> t(4);
  r.gather(Rows{0, 1}, {nullptr, nullptr, t.data(), nullptr});
  EXPECT_EQ(t, (std::vector<float>{3, 1, 6, 4}));
  real.target_columns = {"a", "b", "c"};
  expect_error(Errc::bad_argument, {"no column is left"}, [&] { load_dataset(real); });
  real.target_columns = {"z"};
  expect_error(Errc::unknown_name, {"'z'"}, [&] { load_dataset(real); });
}

TEST(LoadDataset, TargetsInTheFormAsked) {
  const auto signs = [](Array targets) { return in_form(std::move(targets), TargetForm::signs); };
  const auto f32 = [](std::vector<float> x) { return Array::of({static_cast<std::int64_t>(x.size())}, x); };
  EXPECT_EQ(signs(f32({0, 1, 1})), f32({-1, 1, 1}));
  EXPECT_EQ(signs(f32({-1, 1, 1})), f32({-1, 1, 1}));
  EXPECT_EQ(signs(f32({0, 1, 0.5f})), f32({0, 1, 0.5f}));  // the loss names the targets that are no signs
  EXPECT_EQ(signs(Array::of({3}, std::vector<std::int64_t>{0, 1, 0})), f32({-1, 1, -1}));
  EXPECT_EQ(signs(Array::of({2}, std::vector<std::int8_t>{-1, 1})), f32({-1, 1}));
  EXPECT_EQ(signs(Array(DType::u8, {0})), f32({}));

  const auto labels = [](Array targets) { return in_form(std::move(targets), TargetForm::one_hot); };
  const Array two = Array::of({2}, std::vector<std::int64_t>{2, 0});
  EXPECT_EQ(labels(Array::of({2, 3}, std::vector<double>{0, 0, 1, 1, 0, 0})), two);
  EXPECT_EQ(labels(Array::of({2, 3}, std::vector<std::uint8_t>{0, 0, 1, 1, 0, 0})), two);
  EXPECT_EQ(labels(two), two);
  EXPECT_EQ(labels(Array(DType::f32, {0, 3})), Array(DType::i64, {0}));
  for (const std::vector<float>& row : {std::vector<float>{0, 0, 0}, {1, 1, 0}, {0.5f, 0.5f, 0}, {1, 0, -0.5f}}) {
    std::vector<float> rows{0, 1, 0};
    rows.insert(rows.end(), row.begin(), row.end());
    expect_error(Errc::format, {"row 1 of the targets is not one 1 among zeros"}, [&] {
      labels(Array::of({2, 3}, rows));
    });
  }
  expect_error(Errc::format, {"targets of 1 axes"}, [&] { labels(f32({0, 1})); });

  const TempFolder folder;
  write_npy(folder / "x.npy", ramp<float>({2, 4}));
  write_npy(folder / "t.npy", Array::of({2, 3}, std::vector<float>{1, 0, 0, 0, 1, 0}));
  DataSource source;
  source.features = folder / "x.npy", source.targets = folder / "t.npy", source.target_form = TargetForm::one_hot;
  EXPECT_EQ(load_dataset(source).classes(), 3);  // also of a class that no row has
  write_npy(folder / "t.npy", Array::of({2, 3}, std::vector<float>{1, 0, 0, 0, 2, 0}));
  expect_error(Errc::format, {"t.npy", "row 1"}, [&] { load_dataset(source); });
  source = {};
  source.features = folder.file("t.csv", "a,kind\n1,no\n2,yes\n3,no\n"), source.csv.label_column = "kind";
  source.target_form = TargetForm::signs;
  const Dataset table = load_dataset(source);
  EXPECT_FALSE(table.has_labels());
  float targets[3] = {};
  table.gather(Rows{0, 1, 2}, {nullptr, nullptr, targets, nullptr});
  EXPECT_EQ((std::vector<float>(targets, targets + 3)), (std::vector<float>{-1, 1, -1}));
}

TEST(Array, CopiesShapesAndTypes) {
  Array a = Array::of<float>({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.data()) % 64, 0u);
  EXPECT_EQ(a.rows(), 2);
  EXPECT_EQ(a.row_size(), 3);
  const Array b = a;
  a.as<float>()[0] = 9;
  EXPECT_EQ(b.as<float>()[0], 1);
  EXPECT_FALSE(a == b);
  a.reshape({3, 2});
  EXPECT_EQ(a.row_size(), 2);
  expect_error(Errc::bad_shape, {"[3, 2]", "[5]"}, [&] { a.reshape({5}); });
  expect_error(Errc::bad_dtype, {"fp32", "i32"}, [&] { a.as<std::int32_t>(); });
  expect_error(Errc::bad_shape, {"-1"}, [] { Array(DType::u8, {2, -1}); });
  expect_error(Errc::bad_shape, {"rank 9"}, [] { Array(DType::u8, Rows(9, 1)); });
  expect_error(Errc::bad_shape, {"2^63"}, [] { Array(DType::f64, {std::int64_t{1} << 31, std::int64_t{1} << 31}); });
  expect_error(Errc::bad_shape, {"2^63"}, [] { Array(DType::u8, {0, INT64_MAX, 2}); });
  expect_error(Errc::bad_shape, {"5 values", "[2, 3]"}, [] { Array::of<float>({2, 3}, std::vector<float>(5)); });
  EXPECT_EQ(Array(DType::f32, {}).size(), 1);
  EXPECT_EQ(Array(DType::f32, {3, 0}).bytes(), 0);
}

}  // namespace
}  // namespace fuselage
