// Models: initial weights, and forward and backward against a plain double-precision writing of the same chain.
#include "fuselage/nn.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "fuselage/core/rng.h"

namespace fuselage {
namespace {

/// The chain with an activation after each layer, one row at a time, in double, from the formulas.
struct PlainChain {
  ModelSpec spec;
  std::vector<TensorPlace> tensors;
  std::vector<double> values;

  static double act(const std::string& name, double z) {
    if (name == "relu") return z > 0 ? z : 0;
    if (name == "tanh") return std::tanh(z);
    if (name == "gelu") return 0.5 * z * (1 + std::erf(z / std::sqrt(2.0)));
    if (name == "sigmoid") return 1 / (1 + std::exp(-z));
    return z;
  }

  std::vector<double> operator()(std::vector<double> x) const {
    for (std::size_t l = 0; l < spec.layers.size(); ++l) {
      const TensorPlace &w = tensors[2 * l], &b = tensors[2 * l + 1];
      std::vector<double> a(static_cast<std::size_t>(w.shape[0]));
      for (std::size_t o = 0; o < a.size(); ++o) {
        double z = values[static_cast<std::size_t>(b.offset) + o];
        for (std::size_t i = 0; i < x.size(); ++i)
          z += values[static_cast<std::size_t>(w.offset) + o * x.size() + i] * x[i];
        a[o] = act(std::string(Activations::name_of(spec.layers[l].activation)), z);
      }
      x = std::move(a);
    }
    return x;
  }
};

std::vector<float> numbers(std::int64_t n, std::uint32_t use) {
  std::vector<float> result;
  for (std::int64_t i = 0; i < n; ++i)
    result.push_back(2 * uniform(random_word(3, static_cast<std::uint64_t>(i), use, 0)) - 1);
  return result;
}

ModelSpec mixed() { return {5, {{7, "gelu"}, {6, "relu"}, {4, "tanh"}, {3, "sigmoid"}, {2}}, Init::xavier, 11}; }

PlainChain plain(const Sequential& model) {
  PlainChain chain{model.spec(), model.tensors(), {}};
  for (std::int64_t i = 0; i < model.arena_size(); ++i) chain.values.push_back(model.values()[i]);
  return chain;
}

TEST(Nn, ForwardIsTheChainOfFormulas) {
  const auto backend = make_cpu_backend();
  Sequential model(*backend, mixed());
  for (const std::int64_t rows : {1, 9, 4}) {
    model.reserve(rows);
    const std::vector<float> x = numbers(rows * 5, 1);
    const float* y = model.forward(x.data(), rows);
    const PlainChain chain = plain(model);
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::vector<double> want = chain({x.begin() + r * 5, x.begin() + (r + 1) * 5});
      for (std::int64_t c = 0; c < 2; ++c) EXPECT_NEAR(y[r * 2 + c], want[static_cast<std::size_t>(c)], 2e-6);
    }
  }
}

TEST(Nn, BackwardIsTheDerivative) {
  const auto backend = make_cpu_backend();
  Sequential model(*backend, mixed());
  const std::int64_t rows = 6;
  model.reserve(rows + 5);
  const std::vector<float> x = numbers(rows * 5, 1), upstream = numbers(rows * 2, 2);
  model.forward(x.data(), rows);
  std::memcpy(model.output_gradient(), upstream.data(), upstream.size() * sizeof(float));
  model.backward(x.data(), rows);

  PlainChain chain = plain(model);
  const auto total = [&] {  // sum of upstream * y
    double sum = 0;
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::vector<double> y = chain({x.begin() + r * 5, x.begin() + (r + 1) * 5});
      for (std::size_t c = 0; c < 2; ++c) sum += upstream[static_cast<std::size_t>(r) * 2 + c] * y[c];
    }
    return sum;
  };
  double largest = 0;
  for (const TensorPlace& tensor : model.tensors())
    for (std::int64_t i = 0; i < tensor.size; ++i) {
      double& value = chain.values[static_cast<std::size_t>(tensor.offset + i)];
      const double at = value, step = 1e-6;
      value = at + step;
      const double above = total();
      value = at - step;
      const double slope = (above - total()) / (2 * step);
      value = at;
      EXPECT_NEAR(model.gradients()[tensor.offset + i], slope, 5e-6) << tensor.name << "[" << i << "]";
      largest = std::max(largest, std::fabs(slope));
    }
  EXPECT_GT(largest, 0.1);  // there was something to compare
}

TEST(Nn, InitialWeightsHaveTheirDistributions) {
  for (const Init init : {Init::he, Init::xavier}) {
    const auto backend = make_cpu_backend();
    Sequential model(*backend, {300, {{200, "relu"}, {300}}, init, 4});
    for (const TensorPlace& tensor : model.tensors()) {
      const float* values = model.values() + tensor.offset;
      double sum = 0, square = 0, largest = 0, neighbours = 0;
      for (std::int64_t i = 0; i < tensor.size; ++i) {
        if (i % 2 == 1) neighbours += double{values[i]} * values[i - 1];
        sum += values[i], square += double{values[i]} * values[i];
        largest = std::max(largest, std::fabs(double{values[i]}));
      }
      if (tensor.shape.size() == 1) {
        EXPECT_EQ(square, 0) << tensor.name;
        continue;
      }
      const double n = static_cast<double>(tensor.size), out = double(tensor.shape[0]), in = double(tensor.shape[1]);
      const double variance = init == Init::he ? 2 / in : 2 / (in + out);
      EXPECT_NEAR(square / n / variance, 1, 0.03) << tensor.name;  // 60,000 samples: 5 standard errors
      EXPECT_NEAR(sum / n, 0, 5 * std::sqrt(variance / n)) << tensor.name;
      // Neighbours come from one block of random words, and are independent all the same.
      EXPECT_NEAR(neighbours / variance, 0, 5 * std::sqrt(n / 2)) << tensor.name;
      if (init == Init::xavier) {
        EXPECT_LE(largest, std::sqrt(6 / (in + out)) * (1 + 1e-7));
      } else {
        EXPECT_GT(largest, 3.5 * std::sqrt(variance));  // normal, so there are tails
      }
    }
  }
}

TEST(Nn, InitialWeightsAreFunctionsOfSeedTensorAndIndex) {
  const auto backend = make_cpu_backend();
  const auto first = [&](std::uint64_t seed, std::int64_t width) {
    Sequential model(*backend, {4, {{width, "relu"}, {4}}, Init::he, seed});
    return std::vector<float>{model.values()[0], model.values()[5], model.values()[model.tensors()[2].offset]};
  };
  EXPECT_EQ(first(1, 4), first(1, 4));
  EXPECT_NE(first(1, 4), first(2, 4));
  EXPECT_EQ(first(1, 4)[1], first(1, 9)[1]);  // a wider layer keeps the numbers of the places that it shares
  EXPECT_NE(first(1, 4)[0], first(1, 4)[2]);  // layers have numbers of their own
}

TEST(Nn, RefusesModelsThatAreNone) {
  const auto backend = make_cpu_backend();
  const auto message = [&](ModelSpec spec) {
    try {
      Sequential model(*backend, std::move(spec));
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(message({4, {}}), "model: it has no layers");
  EXPECT_NE(message({0, {{2}}}).find("inputs = 0"), std::string::npos);
  EXPECT_NE(message({4, {{3}, {-1}}}).find("layer 1: outputs = -1"), std::string::npos);
  EXPECT_THROW(Dense(3, "rleu"), Error);
}

}  // namespace
}  // namespace fuselage
