// The reference optimizers: trajectories from Optax in float64, and numbers worked by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "host/reference/reference.h"

namespace fuselage::reference {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Doubles = std::vector<double>;

void expect_near(double got, double expected, double relative = 1e-14) {
  EXPECT_LE(std::abs(got - expected), relative * std::abs(expected)) << "got " << got << ", expected " << expected;
}

/// A tensor on its way.
struct Walk {
  std::string name;
  Options options;
  Doubles p;
  double lr = 1;
  std::int64_t t = 0;
  std::vector<Doubles> state = {};
  Memory memory = {};

  Walk& go(const Doubles& g) {
    step(name, options, ++t, lr, p, g, state, memory);
    return *this;
  }
  /// One parameter: what a step takes from it.
  double taken(double g) {
    const double before = p[0];
    go({g});
    return before - p[0];
  }
};

/// What the steps with these gradients take from one parameter that starts at 0, at the rate 1.
void expect_taken(const std::string& name, const Options& options, const Doubles& gradients, const Doubles& expected) {
  Walk walk{name, options, {0}};
  for (std::size_t k = 0; k < gradients.size(); ++k) {
    SCOPED_TRACE(name + ", step " + std::to_string(k + 1));
    const double taken = walk.taken(gradients[k]);
    EXPECT_NEAR(taken, expected[k], 1e-13);
  }
}

/// One parameter and a constant gradient.
double after(const std::string& name, const Options& options, int steps, double lr, double p0, double g) {
  Walk walk{name, options, {p0}, lr};
  for (int t = 1; t <= steps; ++t) walk.go({g});
  return walk.p[0];
}

/// Three steps with lr 0.1 on three parameters.
void expect_trajectory(const std::string& name, const Options& options, const Doubles& expected) {
  Walk walk{name, options, {1, -1, 0.5}, 0.1};
  walk.go({0.5, -2, 0.25}).go({1, 1, -0.75}).go({-0.5, 0.125, 3});
  EXPECT_EQ(static_cast<std::int64_t>(walk.state.size()), state_count(name));
  for (std::size_t i = 0; i < 3; ++i) expect_near(walk.p[i], expected[i], 1e-13);
}

TEST(ReferenceOptimizer, TrajectoriesOfOptax) {
  expect_trajectory("adam", {}, {0.7614728708755779, -0.8563792292958788, 0.39737381356824275});
  expect_trajectory("adam", {{"beta1", 0.5}, {"beta2", 0.75}, {"eps", 0.125}},
                    {0.8235317385882691, -0.9115201813068302, 0.4200807121896863});
  expect_trajectory("adamw", {{"weight_decay", 0.25}}, {0.6956827008108651, -0.7888419468661306, 0.36450552630959643});
  expect_trajectory("sgd", {{"momentum", 0.9}}, {0.7245, -0.6605, 0.27475});
  expect_trajectory("sgd", {{"momentum", 0.9}, {"nesterov", 1}}, {0.65205, -0.60695, 0.047275});
  expect_trajectory("sgd", {}, {0.9, -0.9125, 0.25});  // by hand
}

TEST(ReferenceOptimizer, Sgd) {
  expect_near(after("sgd", {{"l2", 0.1}}, 1, 0.1, 1, 0), 0.99);  // decay works without momentum
  Walk dampened{"sgd", {{"momentum", 0.9}, {"dampening", 0.5}}, {0}};
  EXPECT_EQ(dampened.go({3}).state[0][0], 3);  // step 1 is not dampened
  expect_near(dampened.go({3}).state[0][0], 0.9 * 3 + 0.5 * 3);
  expect_near(after("sgd", {{"momentum", 0.9}, {"nesterov", 1}}, 3, 0.1, 0, 1), -0.8049);
  Walk long_way{"sgd", {{"momentum", 0.9}}, {0}};
  for (int t = 0; t < 100; ++t) long_way.go({1});
  expect_near(long_way.state[0][0], 9.99973439, 1e-9);
  EXPECT_EQ(Walk({"sgd", {}, {0}}).go({1}).state[0][0], 0);  // without momentum the state is left alone
}

TEST(ReferenceOptimizer, ANewRateActsOnAPlainVelocityAtOnce) {
  for (const double scaled : {0.0, 1.0}) {
    Walk walk{"sgd", {{"momentum", 0.9}, {"velocity", scaled}}, {0}, 0.1};
    walk.go({1});
    walk.lr = 0.2;
    expect_near(walk.taken(1), scaled ? 0.9 * 0.1 + 0.2 : 0.2 * 1.9);
  }
}

TEST(ReferenceOptimizer, StepsBySigns) {
  expect_taken("signsgd", {}, {3, -1e-20, 0}, {1, -1, 0});
  expect_taken("signsgd", {{"momentum", 0.5}}, {3, -1, -1}, {1, 1, -1});  // m = 1.5, 0.25, -0.375
  // c = 1, 0.5, -0.75 and m = 2, -1, -0.5.
  expect_taken("lion", {{"beta1", 0.75}, {"beta2", 0.5}}, {4, -4, 0}, {1, 1, -1});
  EXPECT_EQ(after("lion", {}, 3, 1, 2, 0), 2);  // sign(0) = 0
  EXPECT_EQ(after("lion", {{"weight_decay", 0.5}}, 1, 0.125, 1, 0), 0.9375);
  // Sizes 0.1, 0.12, 0.06 (turned), 0.06, 0.072.
  Walk walk{"rprop", {}, {0}, 0.1};
  const double expected[] = {0.1, 0.12, 0, -0.06, -0.072}, gradients[] = {1, 2, -1, -3, -3};
  for (int k = 0; k < 5; ++k) EXPECT_NEAR(walk.taken(gradients[k]), expected[k], 1e-16);
  Walk bounded{"rprop", {{"smallest", 0.08}, {"largest", 0.11}}, {0}, 0.1};
  const double held[] = {0.1, 0.11, 0, -0.08, -0.096};
  for (int k = 0; k < 5; ++k) EXPECT_NEAR(bounded.taken(gradients[k]), held[k], 1e-16);
}

TEST(ReferenceOptimizer, Adam) {
  expect_near(after("adam", {}, 1, 0.5, 0, 1e-8), -0.25, 1e-12);  // eps stands after the bias correction
  expect_near(after("adam", {}, 1, 0.5, 0, 1000), -0.5, 1e-10);
  expect_near(after("adamw", {}, 1, 0.5, 1, 0), 1 - 0.5 * 0.01);  // the default decay
  expect_near(after("adam", {{"beta1", 0}, {"beta2", 0}, {"eps", 0}}, 1, 0.5, 0, 3), -0.5);
  expect_taken("adam", {{"beta2", 0.75}, {"eps", 1}, {"eps_form", 1}}, {2}, {2 / (2 + 1 / 0.5)});
  expect_taken("adam", {{"eps", 0}, {"eps_root", 16}}, {3}, {0.6});
  expect_near(after("adam", {}, 1000, 1e-3, 1, 0.1), 1e-7, 1e-3);
  expect_near(Walk({"adam", {}, {0}}).go({1}).state[1][0], 1e-3, 1e-12);
  expect_near(Walk({"adam", {{"beta2", 0.9999}}, {0}}).go({1}).state[1][0], 1e-4, 1e-12);
}

TEST(ReferenceOptimizer, AdamsKin) {
  // v = 1, 0.75, 0.8125; its maximum 1; 1 - beta2^3 = 0.578125.
  expect_taken("amsgrad", {{"beta1", 0}, {"beta2", 0.75}, {"eps", 0}}, {2, 0, 1}, {1, 0, std::sqrt(0.578125)});
  expect_taken("amsgrad", {{"beta1", 0}, {"beta2", 0.75}, {"eps", 0}, {"maximum_of", 1}}, {2, 0, 1}, {1, 0, 0.5});
  expect_taken("adamax", {{"beta1", 0}, {"beta2", 0.5}, {"eps", 0}}, {4, 1}, {1, 0.5});
  expect_taken("adamax", {{"eps", 0.5}}, {4}, {4 / 4.5});
  expect_taken("adamax", {{"eps", 1}, {"eps_place", 0}}, {4}, {0.8});
  // m = 1, v = 4: (0.5 * 1/(1 - 0.25) + 0.5 * 2/0.5)/2.
  expect_taken("nadam", {{"beta1", 0.5}, {"beta2", 0}, {"eps", 0}, {"constant_momentum", 1}}, {2}, {4 / 3.0});
  // mu = 0.25, m = 1 and 1.5, the product 1/4 and 1/16.
  expect_taken("nadam", {{"beta1", 0.5}, {"beta2", 0}, {"eps", 0}, {"momentum_decay", 0}}, {2, 2},
               {(0.25 / 0.9375 + 2) / 2, (0.375 / 0.984375 + 1.5 / 0.9375) / 2});
  // mu(1) = 0.5 (1 - 0.48), mu(2) = 0.5 (1 - 0.4608).
  expect_taken("nadam", {{"beta1", 0.5}, {"beta2", 0}, {"eps", 0}, {"momentum_decay", 1}}, {2},
               {(0.2696 / (1 - 0.26 * 0.2696) + 2) / 2});
  // m = 1 and 0.5, s = 0.25 twice.
  expect_taken("adabelief", {{"beta1", 0.5}, {"beta2", 0.75}, {"eps", 0}, {"eps_root", 0}}, {2, 0},
               {2, (0.5 / 0.75) / std::sqrt(0.25 / 0.4375)});
  expect_taken("adabelief", {{"beta1", 0.5}, {"beta2", 0.75}, {"eps", 0}, {"eps_root", 0.5}}, {2}, {2 / std::sqrt(3)});
  // v = 2 and 1.75; where it equals g^2 it stays.
  expect_taken("yogi", {{"beta1", 0}, {"beta2", 0.75}, {"eps", 0}, {"initial", 1}}, {2, 1}, {2 / std::sqrt(8), 0.5});
  expect_taken("yogi", {{"beta1", 0}, {"beta2", 0.75}, {"eps", 0}, {"initial", 4}}, {2}, {0.5});
  expect_taken("yogi", {{"beta1", 0.5}, {"beta2", 0.75}, {"eps", 1}, {"initial", 1}}, {0}, {0.5 / 0.5 / 3});
}

TEST(ReferenceOptimizer, RadamWaits) {
  Walk walk{"radam", {{"eps", 0}}, {0}};
  for (int t = 1; t <= 5; ++t) expect_near(walk.taken(0.1), 0.1, 1e-13);
  const double power = std::pow(0.999, 6), r = 1999 - 12 * power / (1 - power);
  EXPECT_NEAR(r, 5.994, 1e-3);
  expect_near(walk.taken(0.1), std::sqrt((r - 4) * (r - 2) * 1999 / (1995.0 * 1997 * r)), 1e-9);
  Walk later{"radam", {{"threshold", 8}}, {0}};
  for (int t = 1; t <= 8; ++t) expect_near(later.taken(0.1), 0.1, 1e-13);
  EXPECT_LT(later.taken(0.1), 0.099);
}

TEST(ReferenceOptimizer, TwoMeans) {
  // m = 1 and 2.5, v = 0 and 1, n = 2 and 13.5.
  expect_taken("adan", {{"beta1", 0.5}, {"beta2", 0.5}, {"beta3", 0.5}, {"eps", 0}}, {2, 4}, {1, 4 / std::sqrt(18)});
  const Options options = {{"beta1", 0.5}, {"beta2", 0.75}, {"beta3", 0.5}, {"eps", 0}};
  expect_taken("adan", options, {2, 4}, {1, (10 / 3.0 + 0.75 * 0.5 / 0.4375) / std::sqrt((1 + 15.125) / 0.75)});
  Options rest = options;
  rest["difference"] = 1;
  expect_taken("adan", rest, {2, 4}, {1, (10 / 3.0 + 0.25 * 0.5 / 0.4375) / std::sqrt((1 + 10.125) / 0.75)});
  expect_near(after("adan", {{"weight_decay", 0.5}}, 1, 0.5, 1, 0), 0.8);  // proximal
  const Options mix = {{"beta1", 0.5}, {"beta2", 0}, {"beta3", 0.75}, {"eps", 0}, {"alpha", 2}};
  expect_taken("ademamix", mix, {2}, {(2 + 2 * 0.5) / 2.0});
  Options warm = mix;  // half way: the half-lives' mean, alpha 1
  warm["warmup"] = 2;
  const double slow = std::exp2(-2 / (1 + std::log(0.5) / std::log(0.75)));
  expect_taken("ademamix", warm, {2, 2}, {(2 + (1 - slow) * 2) / 2, (2 + 2 * (0.75 * (1 - slow) * 2 + 0.5)) / 2});
}

TEST(ReferenceOptimizer, RatesByPastGradients) {
  expect_taken("adagrad", {{"eps", 0}}, {3, 4}, {1, 0.8});
  expect_taken("adagrad", {{"eps", 0}}, {0, 2, 0}, {0, 1, 0});  // 0/0 is 0
  expect_taken("rmsprop", {{"eps", 0}, {"rho", 0}}, {0, 2, 0}, {0, 1, 0});
  expect_taken("adagrad", {{"eps", 0}, {"lr_decay", 1}}, {3, 4}, {1, 0.4});
  expect_taken("adagrad", {{"eps", 0}, {"initial", 16}}, {3}, {0.6});
  expect_taken("adagrad", {{"eps", 1}}, {3}, {0.75});
  expect_taken("adagrad", {{"eps", 7}, {"eps_place", 1}}, {3}, {0.75});
  expect_taken("adadelta", {{"rho", 0.75}, {"eps", 1}}, {2, 2}, {std::sqrt(2), 2 * std::sqrt(1.5 / 2.75)});
  expect_taken("rmsprop", {{"rho", 0.75}, {"eps", 1}}, {2}, {1});
  expect_taken("rmsprop", {{"rho", 0.75}, {"eps", 3}, {"eps_place", 1}}, {2}, {1});
  expect_taken("rmsprop", {{"rho", 0.75}, {"eps", 0}, {"initial", 4}}, {2}, {1});
  expect_taken("rmsprop", {{"rho", 0.75}, {"eps", 0}, {"bias_correction", 1}}, {2}, {1});
  expect_taken("rmsprop", {{"rho", 0.75}, {"eps", 0}, {"centered", 1}}, {2}, {2 / std::sqrt(0.75)});
  // Corrected, the variance of one gradient is 0; of 2 and 1, which weigh 3 and 4, it is 12/49.
  expect_taken("rmsprop", {{"rho", 0.75}, {"eps", 4}, {"eps_place", 1}, {"centered", 1}, {"bias_correction", 1}},
               {2, 1}, {1, 1 / std::sqrt(4 + 12 / 49.0)});
  const Options momentum = {{"rho", 0}, {"eps", 0}, {"momentum", 0.5}};  // u = 1
  expect_taken("rmsprop", momentum, {2, 3}, {1, 1.5});
  Options nesterov = momentum;
  nesterov["nesterov"] = 1;
  expect_taken("rmsprop", nesterov, {2, 3}, {1.5, 1.75});
}

TEST(ReferenceOptimizer, CentredRmsPropSurvivesConstantLargeGradients) {
  Walk walk{"rmsprop", {{"centered", 1}}, {0}, 1e-3};
  for (int t = 0; t < 10000; ++t) {
    const double taken = walk.taken(1e4);
    ASSERT_TRUE(std::isfinite(taken) && taken <= 1e-3 * 1e4 / 1e-8) << t;
  }
  for (int k = 1; k < 100; ++k)  // the corrected variance of one gradient is 0, or what rounding makes of it
    ASSERT_TRUE(std::isfinite(after("rmsprop", {{"centered", 1}, {"bias_correction", 1}}, 1, 1e-3, 0, 0.37 * k))) << k;
}

TEST(ReferenceOptimizer, NormsOfTheTensor) {
  const Options plain = {{"eps", 0}};
  const auto taken = [](const std::string& name, const Options& options, const Doubles& p, const Doubles& g) {
    return p[0] - Walk({name, options, p}).go(g).p[0];
  };
  expect_near(taken("lamb", plain, {3, 4}, {1, 1}), 5 / std::sqrt(2));
  expect_near(taken("lamb", {{"eps", 0}, {"highest", 2}}, {3, 4}, {1, 1}), 2);
  expect_near(taken("lamb", {{"eps", 0}, {"lowest", 8}}, {3, 4}, {1, 1}), 8);
  expect_near(taken("lamb", {{"eps", 0}, {"weight_decay", 1}}, {3, 4}, {1, 1}), 4 * 5 / std::sqrt(41));
  expect_near(taken("lamb", plain, {0, 0}, {1, -1}), 1);  // a tensor of zeros moves
  expect_near(taken("lamb", {{"eps", 0}, {"highest", 0.5}}, {0, 0}, {1, -1}), 1);
  EXPECT_EQ(taken("lamb", {}, {3, 4}, {0, 0}), 0);
  const Options lars = {{"trust", 0.5}, {"weight_decay", 0.5}};
  Options combined = lars;
  combined["norm"] = 1;
  expect_near(taken("lars", lars, {3, 4}, {-6, -8}), 0.5 * 5 / (10 + 2.5) * (-6 + 1.5));
  expect_near(taken("lars", combined, {3, 4}, {-6, -8}), 0.5 * 5 / 7.5 * (-6 + 1.5));
  expect_near(taken("lars", {{"trust", 0.5}, {"eps", 2.5}}, {3, 4}, {6, 8}), 0.2 * 6);
  expect_near(taken("lars", {{"trust", 0.5}, {"nesterov", 1}, {"momentum", 0.5}}, {3, 4}, {6, 8}), 1.5 * 0.25 * 6);
  expect_near(taken("lars", {}, {0, 0}, {1, -1}), 1);
  EXPECT_EQ(taken("lars", {{"weight_decay", 0.5}}, {3, 4}, {0, 0}), 1.5);

  Walk novograd{"novograd", {{"beta1", 0.5}, {"beta2", 0.75}, {"eps", 0}}, {1, 1}};
  novograd.go({3, 4});
  expect_near(novograd.p[0], 1 - 0.6);
  novograd.go({0, 0});
  expect_near(novograd.memory.tensor, 0.75 * 25);
  expect_near(novograd.p[1], 1 - 0.8 - 0.4);
  Walk averaged{"novograd", {{"beta1", 0.5}, {"beta2", 0.75}, {"eps", 0}, {"averaging", 1}}, {0}};
  expect_near(averaged.taken(2), 1);
  expect_near(averaged.taken(2), 1);
  EXPECT_EQ(after("novograd", {{"eps", 0}}, 3, 1, 2, 0), 2);
}

TEST(ReferenceOptimizer, ScheduleFree) {
  // z = 0.5 and 0; x = 0.5 and, by a share of a half, 0.25.
  EXPECT_EQ(after("schedule_free_sgd", {{"beta1", 0.5}}, 1, 0.5, 1, 1), 0.5);
  EXPECT_EQ(after("schedule_free_sgd", {{"beta1", 0.5}}, 2, 0.5, 1, 1), 0.125);
  expect_near(after("schedule_free_sgd", {{"beta1", 0.5}, {"power", 1}}, 2, 0.5, 1, 1), 0.25 / 3);
  expect_near(after("schedule_free_adamw", {{"beta1", 0.5}, {"eps", 0}}, 2, 0.5, 1, 3), 0.125, 1e-13);
  for (const double power : {0.0, 1.0, 2.0}) {  // weights 1 and 3^power; z = 0.5 and -1
    Walk walk{"schedule_free_sgd", {{"beta1", 0.5}, {"lr_power", power}}, {1}, 0.5};
    walk.go({1});
    walk.lr = 1.5;
    const double c = std::pow(3, power) / (1 + std::pow(3, power)), x = (1 - c) * 0.5 + c * -1;
    expect_near(walk.go({1}).p[0], 0.5 * -1 + 0.5 * x, 1e-14);
    EXPECT_EQ(walk.memory.group[1], 1.5);
  }
  Walk falling{"schedule_free_sgd", {{"beta1", 0.5}}, {1}, 0.5};  // the greatest rate counts: both weigh the same
  falling.go({1}).lr = 0.25;
  EXPECT_EQ(falling.go({1}).p[0], 0.3125);                   // z = 0.25, x = 0.375
  EXPECT_EQ(after("schedule_free_sgd", {}, 3, 0, 1, 1), 1);  // a rate of 0 has no weight
  // The gradient is taken at y, and so is the decay.
  expect_near(after("schedule_free_sgd", {{"weight_decay", 0.5}}, 1, 0.5, 1, 0), 0.75);
}

TEST(ReferenceOptimizer, CommonOptions) {
  EXPECT_EQ(after("sgd", {{"maximize", 1}}, 1, 0.5, 1, 2), 2);
  expect_near(after("sgd", {{"maximize", 1}, {"l2", 0.5}}, 1, 0.5, 1, 2), 1 - 0.5 * (-2 + 0.5));
  EXPECT_EQ(after("sgd", {{"l1", 0.25}}, 1, 1, 2, 0), 1.75);
  EXPECT_EQ(after("sgd", {{"l1", 0.25}}, 1, 1, -2, 0), -1.75);
  EXPECT_EQ(after("sgd", {{"l1", 0.25}}, 1, 1, 0, 0), 0);
  EXPECT_EQ(after("sgd", {{"decay", 0.5}, {"l2", 0.5}}, 1, 0.5, 1, 1), 0.75 - 0.5 * 1.5);  // l2 sees p before decay
  // Coupled decay goes through Adam's moments: the step has the size of lr, whatever the decay.
  expect_near(after("adam", {{"l2", 0.5}}, 1, 0.125, 1, 0), 0.875, 1e-7);
  // The norms of lamb are those of what decay left: 0.75 of 2, whatever g is.
  expect_near(after("lamb", {{"decay", 0.5}, {"eps", 0}}, 1, 0.5, 2, 7), 1.5 - 0.5 * 1.5);
}

TEST(ReferenceOptimizer, AZeroGradientMovesNothing) {
  for (const std::string& name : optimizer_names()) {
    Options options;
    if (name == "adamw") options["weight_decay"] = 0;
    if (name == "yogi") options["initial"] = 0;
    const double p = after(name, options, 3, 0.1, 0.75, 0);
    if (name.starts_with("schedule_free"))
      expect_near(p, 0.75);
    else
      EXPECT_EQ(p, 0.75) << name;
  }
}

TEST(ReferenceOptimizer, RefusesWhatItDoesNotKnow) {
  Doubles p = {1};
  std::vector<Doubles> state, wrong = {{0.0, 0.0}};
  Memory memory;
  const auto refuses = [&](const std::string& name, const Options& options, std::int64_t t = 1, double lr = 0.1) {
    SCOPED_TRACE(name);
    EXPECT_THROW(step(name, options, t, lr, p, {1}, state, memory), std::invalid_argument);
  };
  refuses("sdg", {});
  refuses("sgd", {{"weight_decay", 0.1}});
  refuses("sgd", {{"nesterov", 2}});
  refuses("sgd", {{"momentum", 1}});
  refuses("adam", {{"beta2", 1}});
  refuses("adam", {{"beta1", -0.1}});
  refuses("adam", {{"eps", kNaN}});
  refuses("adam", {{"weight_decay", 0}});
  refuses("radam", {{"threshold", 3}});
  refuses("rprop", {{"smallest", 2}, {"largest", 1}});
  refuses("lamb", {{"lowest", 2}, {"highest", 1}});
  refuses("ademamix", {{"warmup", 0.5}});
  refuses("schedule_free_sgd", {{"beta1", 0}});
  refuses("sgd", {{"decay", -1}});
  refuses("sgd", {}, 0);
  refuses("sgd", {}, 1, kNaN);
  EXPECT_THROW(step("sgd", {}, 1, 0.1, p, {1, 2}, state, memory), std::invalid_argument);
  EXPECT_THROW(step("sgd", {}, 1, 0.1, p, {1}, wrong, memory), std::invalid_argument);
  wrong = {{0.0}, {0.0}};
  EXPECT_THROW(step("sgd", {}, 1, 0.1, p, {1}, wrong, memory), std::invalid_argument);
  EXPECT_EQ(p[0], 1);
  EXPECT_TRUE(state.empty());
  EXPECT_THROW(state_count("sdg"), std::invalid_argument);
  EXPECT_EQ(optimizer_names().size(), 22u);
}

}  // namespace
}  // namespace fuselage::reference
