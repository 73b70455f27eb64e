// Rules on problems: how far many steps go from the double trajectory, and whether they get where they should.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "fuselage/core/rng.h"
#include "fuselage/optimizer.h"
#include "host/reference/reference.h"
#include "host/validate/problem.h"
#include "support/batches.h"

namespace fuselage {
namespace {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

/// One tensor of fp32, moved by the CPU backend.
class Mover {
 public:
  Mover(std::string_view optimizer, Floats start) : values(std::move(start)), gradient(values.size()) {
    const Trainable tensor{"p", values.data(), gradient.data(), {static_cast<std::int64_t>(values.size())}};
    optimizer_.emplace(*cpu_, std::span(&tensor, 1), ParameterGroup{OptimizerSpec::parse(optimizer), {}});
  }
  void step() { optimizer_->step(); }
  const Parameter& parameter() const { return optimizer_->parameters()[0]; }

  Floats values, gradient;

 private:
  std::unique_ptr<Backend> cpu_ = make_cpu_backend({1, {}});
  std::optional<Optimizer> optimizer_;
};

/// The same by the reference, in double; `rounded`: what a step leaves is rounded to fp32.
class ReferenceMover {
 public:
  ReferenceMover(std::string_view optimizer, const Floats& start, bool rounded = false)
      : values(start.begin(), start.end()), spec_(OptimizerSpec::parse(optimizer)), rounded_(rounded) {}
  void step(const Doubles& gradient) {
    reference::step(Optimizers::name_of(spec_.rule), options_, ++t_, spec_.lr(), values, gradient, state_, memory_);
    if (!rounded_) return;
    round(values);
    for (Doubles& state : state_) round(state);
  }
  Doubles values;

 private:
  static void round(Doubles& x) {
    for (double& v : x) v = static_cast<double>(static_cast<float>(v));
  }
  OptimizerSpec spec_;
  reference::Options options_ = validate::reference_options(spec_);
  bool rounded_;
  std::int64_t t_ = 0;
  std::vector<Doubles> state_;
  reference::Memory memory_;
};

template <class A, class B>
double distance(const A& a, const B& b) {
  double sum = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    size += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(sum / size);
}

/// Rounding adds up over steps; it must not add up faster than where each step is rounded correctly.
TEST(Problems, TenThousandStepsStayNearTheDoubleTrajectory) {
  for (const char* optimizer : {"adamw:lr=1e-3,weight_decay=0.1", "adam:lr=1e-4", "sgd:lr=1e-3,momentum=0.9", "lion"}) {
    constexpr std::size_t kSize = 200;
    const Floats start = testing::normal(kSize, 1);
    Mover ours(optimizer, start);
    ReferenceMover exact(optimizer, start), rounded(optimizer, start, true);
    Doubles gradient(kSize);
    for (std::uint64_t t = 0; t < 10000; ++t) {
      for (std::size_t i = 0; i < kSize; ++i) {
        ours.gradient[i] = uniform(random_word(7, t * kSize + i, 0, 0)) - 0.4f;
        gradient[i] = static_cast<double>(ours.gradient[i]);
      }
      ours.step();
      exact.step(gradient);
      rounded.step(gradient);
    }
    const double best = distance(rounded.values, exact.values);
    EXPECT_GT(best, 1e-9) << optimizer;
    EXPECT_LE(distance(ours.values, exact.values), 3 * best) << optimizer;
  }
}

/// Rosenbrock's valley, whose least value is 0 at (1, 1).
TEST(Problems, RosenbrockFromThreeStarts) {
  struct Case {
    const char* optimizer;
    int steps;
    double within;
  };
  for (const Case& c : {Case{"adam:lr=0.01", 20000, 1e-3}, Case{"amsgrad:lr=0.02", 20000, 3e-2},
                        Case{"nadam:lr=0.01", 20000, 3e-3}, Case{"sgd:lr=2e-4,momentum=0.9", 40000, 1e-2},
                        Case{"adabelief:lr=0.01", 20000, 1e-3}, Case{"rprop:lr=0.01", 5000, 1e-2}})
    for (const auto& [x, y] : {std::pair{-1.2f, 1.0f}, std::pair{0.0f, 0.0f}, std::pair{-0.5f, 2.0f}}) {
      Mover point(c.optimizer, {x, y});
      for (int i = 0; i < c.steps; ++i) {
        const double a = static_cast<double>(point.values[0]), b = static_cast<double>(point.values[1]), d = b - a * a;
        point.gradient = {static_cast<float>(-2 * (1 - a) - 400 * a * d), static_cast<float>(200 * d)};
        point.step();
      }
      EXPECT_NEAR(point.values[0], 1, c.within) << c.optimizer << " from " << x << ", " << y;
      EXPECT_NEAR(point.values[1], 1, 2 * c.within) << c.optimizer << " from " << x << ", " << y;
    }
}

/// Logistic regression on two clouds that overlap: value and gradient of the mean loss at p = (w, b).
double logistic(const Doubles& p, const Floats& points, Doubles& gradient) {
  double loss = 0;
  gradient.assign(p.size(), 0);
  const std::size_t n = points.size() / 2;
  for (std::size_t i = 0; i < n; ++i) {
    const double sign = i % 2 == 0 ? 1 : -1, x = static_cast<double>(points[2 * i]) + sign * 0.8,
                 y = static_cast<double>(points[2 * i + 1]) - sign * 0.5, z = sign * (p[0] * x + p[1] * y + p[2]),
                 slope = -sign / (1 + std::exp(z));
    loss += std::log1p(std::exp(-z)) / static_cast<double>(n);
    gradient[0] += slope * x / static_cast<double>(n);
    gradient[1] += slope * y / static_cast<double>(n);
    gradient[2] += slope / static_cast<double>(n);
  }
  return loss;
}

/// Every rule gets from its start to where the same steps in double get, and lower than it began.
TEST(Problems, LogisticRegressionReachesTheLossOfTheReference) {
  const Floats points = testing::normal(400, 3);
  for (const std::string_view name : Optimizers::names) {
    const Floats start{0.1f, -0.2f, 0.3f};
    Mover ours(name, start);
    ReferenceMover exact(name, start);
    Doubles gradient;
    const double before = logistic(exact.values, points, gradient);
    for (int i = 0; i < 500; ++i) {
      logistic(Doubles(ours.values.begin(), ours.values.end()), points, gradient);
      for (std::size_t k = 0; k < 3; ++k) ours.gradient[k] = static_cast<float>(gradient[k]);
      ours.step();
      logistic(exact.values, points, gradient);
      exact.step(gradient);
    }
    const double reached = logistic(Doubles(ours.values.begin(), ours.values.end()), points, gradient),
                 should = logistic(exact.values, points, gradient);
    EXPECT_LT(reached, before) << name;
    EXPECT_NEAR(reached, should, 1e-4 * before) << name;
  }
}

}  // namespace
}  // namespace fuselage
