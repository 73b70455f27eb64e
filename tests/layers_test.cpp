// The layer operations of a backend: products, bias and activation, their backward pass, against plain loops.
#include <gtest/gtest.h>

#include <cmath>

#include "fuselage/core/partition.h"
#include "host/reference/reference.h"
#include "support/batches.h"

namespace fuselage {
namespace {

using testing::normal;

TEST(Product, AlphaAndWhatCHolds) {
  const auto cpu = make_cpu_backend({2, {}});
  const std::vector<float> a{1, 2, 3, 4}, b{5, 6, 7, 8};
  std::vector<float> c{1, 10, 100, 1000};
  Product product{false, false, 2, 2, 2, a.data(), b.data(), c.data()};
  product.alpha = 0.5f;
  product.accumulate = true;
  cpu->product(product);
  EXPECT_EQ(c, (std::vector<float>{10.5f, 21, 121.5f, 1025}));
  product.k = 0;
  cpu->product(product);
  EXPECT_EQ(c, (std::vector<float>{10.5f, 21, 121.5f, 1025}));
  product.k = 2;
  product.accumulate = false;
  cpu->product(product);
  EXPECT_EQ(c, (std::vector<float>{9.5f, 11, 21.5f, 25}));
}

TEST(Product, AllTranspositions) {
  const auto cpu = make_cpu_backend({2, {}});
  for (const auto& [m, n, k] :
       {std::tuple<std::int64_t, std::int64_t, std::int64_t>{3, 5, 7}, {64, 10, 33}, {1, 1, 1}, {4, 3, 0}}) {
    const std::vector<float> a = normal(static_cast<std::size_t>(m * k), 1),
                             b = normal(static_cast<std::size_t>(k * n), 2);
    for (const bool ta : {false, true})
      for (const bool tb : {false, true}) {
        std::vector<float> c(static_cast<std::size_t>(m * n), 7);
        cpu->product({ta, tb, m, n, k, a.data(), b.data(), c.data()});
        for (std::int64_t i = 0; i < m; ++i)
          for (std::int64_t j = 0; j < n; ++j) {
            double sum = 0;
            for (std::int64_t l = 0; l < k; ++l)
              sum += static_cast<double>(a[static_cast<std::size_t>(ta ? l * m + i : i * k + l)]) *
                     static_cast<double>(b[static_cast<std::size_t>(tb ? j * k + l : l * n + j)]);
            ASSERT_NEAR(c[static_cast<std::size_t>(i * n + j)], sum, 1e-4) << ta << tb << " " << i << " " << j;
          }
      }
  }
}

TEST(Events, TimeWhatLiesBetween) {
  const auto cpu = make_cpu_backend({1, {}});
  const auto start = cpu->make_event(true), end = cpu->make_event(true);
  const std::vector<float> a(256 * 256, 1), b(256 * 256, 1);
  std::vector<float> c(256 * 256);
  cpu->record(*start);
  cpu->product({false, false, 256, 256, 256, a.data(), b.data(), c.data()});
  cpu->record(*end);
  EXPECT_GT(cpu->seconds_between(*start, *end), 0);
  EXPECT_LT(cpu->seconds_between(*end, *start), 0);
}

TEST(Activation, ForwardAndBackwardMatchTheReference) {
  const std::int64_t rows = 600, cols = 37;  // three partial sums of columns, and a tail in every vector width
  const std::vector<float> z0 = normal(static_cast<std::size_t>(rows * cols), 3, 2), bias = normal(37, 4),
                           upstream = normal(z0.size(), 5);
  for (const std::string_view name : Activations::names) {
    std::vector<std::vector<float>> gradients;
    for (const auto& cpu : testing::cpu_backends()) {
      const AnyActivation activation = Activations::make(name, "activation");
      std::vector<float> z = z0, a(z.size()), da = upstream, bias_gradient(37, 7);
      cpu->bias_activation(activation, rows, cols, z.data(), bias.data(), a.data());
      cpu->bias_activation_backward(activation, rows, cols, z.data(), a.data(), da.data(), bias_gradient.data());
      std::vector<double> sums(37);
      for (std::size_t i = 0; i < z.size(); ++i) {
        const float input = z0[i] + bias[i % 37];
        const auto expected =
            name == "identity" ? reference::ActivationOutput{input, 1} : reference::activation(name, {}, input);
        ASSERT_NEAR(a[i], expected.value, 2e-6 * std::max(1.0, std::abs(expected.value))) << name << " at " << input;
        ASSERT_NEAR(da[i], expected.derivative * static_cast<double>(upstream[i]),
                    4e-6 * std::max(1.0f, std::abs(upstream[i])))
            << name << " at " << input;
        sums[i % 37] += static_cast<double>(da[i]);
      }
      for (std::size_t c = 0; c < sums.size(); ++c) ASSERT_NEAR(bias_gradient[c], sums[c], 1e-4) << name;
      da.insert(da.end(), bias_gradient.begin(), bias_gradient.end());
      da.insert(da.end(), a.begin(), a.end());
      gradients.push_back(da);
    }
    for (const auto& g : gradients)
      EXPECT_EQ(std::memcmp(g.data(), gradients[0].data(), g.size() * 4), 0) << name << ": targets differ";
  }
}

TEST(Activation, ColumnSumsFollowTheCanonicalOrder) {
  const auto cpu = make_cpu_backend({2, {}});
  const std::int64_t rows = 2 * kColumnRows;
  std::vector<float> a(static_cast<std::size_t>(rows), 1), da(a.size(), 0), sum(1);
  da[0] = 1, da[1] = 0x1p-24f, da[2] = 0x1p-24f;  // added one by one to the 1, both are lost
  da[kColumnRows] = 0x1p-23f;                     // in the second part, it is not
  cpu->bias_activation_backward(activation::Identity{}, rows, 1, nullptr, a.data(), da.data(), sum.data());
  EXPECT_EQ(sum[0], 1.0f + 0x1p-23f);
}

}  // namespace
}  // namespace fuselage
