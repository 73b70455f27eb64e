// The reference optimizers, schedules and activations: trajectories from Optax in float64, numbers worked by hand, and
// values from mpmath with 40 digits.
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
using State = std::vector<std::vector<double>>;

void expect_near(double got, double expected, double relative) {
  EXPECT_LE(std::abs(got - expected), relative * std::abs(expected)) << "got " << got << ", expected " << expected;
}

/// Three steps with lr 0.1 on three parameters.
void expect_trajectory(const std::string& name, const Options& options, const std::vector<double>& expected) {
  const std::vector<double> gradients[] = {{0.5, -2, 0.25}, {1, 1, -0.75}, {-0.5, 0.125, 3}};
  std::vector<double> p = {1, -1, 0.5};
  State state;
  for (int t = 1; t <= 3; ++t) step(name, options, t, 0.1, p, gradients[t - 1], state);
  EXPECT_EQ(static_cast<std::int64_t>(state.size()), state_count(name));
  for (int i = 0; i < 3; ++i) expect_near(p[i], expected[i], 1e-13);
}

/// One parameter and a constant gradient.
double after(const std::string& name, const Options& options, int steps, double lr, double p0, double g, State& state) {
  std::vector<double> p = {p0};
  for (int t = 1; t <= steps; ++t) step(name, options, t, lr, p, {g}, state);
  return p[0];
}
double after(const std::string& name, const Options& options, int steps, double lr, double p0, double g) {
  State state;
  return after(name, options, steps, lr, p0, g, state);
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

TEST(ReferenceOptimizer, FirstStepOfAdam) {
  expect_near(after("adam", {}, 1, 0.5, 0, 1e-8), -0.25, 1e-12);  // eps stands after the bias correction
  expect_near(after("adam", {}, 1, 0.5, 0, 1000), -0.5, 1e-10);
  expect_near(after("adamw", {}, 1, 0.5, 1, 0), 1 - 0.5 * 0.01, 1e-15);  // the default decay
  expect_near(after("adam", {{"beta1", 0}, {"beta2", 0}, {"eps", 0}}, 1, 0.5, 0, 3), -0.5, 1e-15);
}

TEST(ReferenceOptimizer, MomentumOfSgd) {
  expect_near(after("sgd", {{"l2", 0.1}}, 1, 0.1, 1, 0), 0.99, 1e-15);  // decay works without momentum
  State state;
  after("sgd", {{"momentum", 0.9}, {"dampening", 0.5}}, 1, 0.1, 0, 3, state);
  EXPECT_EQ(state[0][0], 3);  // step 1 is not dampened
  after("sgd", {{"momentum", 0.9}, {"dampening", 0.5}}, 2, 0.1, 0, 3, state);
  expect_near(state[0][0], 0.9 * 3 + 0.5 * 3, 1e-15);
  expect_near(after("sgd", {{"momentum", 0.9}, {"nesterov", 1}}, 3, 0.1, 0, 1), -0.8049, 1e-14);
  after("sgd", {{"momentum", 0.9}}, 100, 0.1, 0, 1, state);
  expect_near(state[0][0], 9.99973439, 1e-9);
}

TEST(ReferenceOptimizer, CommonOptions) {
  EXPECT_EQ(after("sgd", {{"maximize", 1}}, 1, 0.5, 1, 2), 2);
  expect_near(after("sgd", {{"maximize", 1}, {"l2", 0.5}}, 1, 0.5, 1, 2), 1 - 0.5 * (-2 + 0.5), 1e-15);
  EXPECT_EQ(after("sgd", {{"l1", 0.25}}, 1, 1, 2, 0), 1.75);
  EXPECT_EQ(after("sgd", {{"l1", 0.25}}, 1, 1, -2, 0), -1.75);
  EXPECT_EQ(after("sgd", {{"l1", 0.25}}, 1, 1, 0, 0), 0);
  // Coupled decay goes through Adam's moments: the step has the size of lr, whatever the decay.
  expect_near(after("adam", {{"l2", 0.5}}, 1, 0.125, 1, 0), 0.875, 1e-7);
}

TEST(ReferenceOptimizer, RefusesWhatItDoesNotKnow) {
  std::vector<double> p = {1};
  State state, wrong = {{0.0, 0.0}};
  const std::vector<double> g = {1};
  EXPECT_THROW(step("sdg", {}, 1, 0.1, p, g, state), std::invalid_argument);
  EXPECT_THROW(step("sgd", {{"weight_decay", 0.1}}, 1, 0.1, p, g, state), std::invalid_argument);
  EXPECT_THROW(step("sgd", {{"nesterov", 2}}, 1, 0.1, p, g, state), std::invalid_argument);
  EXPECT_THROW(step("adam", {{"beta2", 1}}, 1, 0.1, p, g, state), std::invalid_argument);
  EXPECT_THROW(step("adam", {{"beta1", -0.1}}, 1, 0.1, p, g, state), std::invalid_argument);
  EXPECT_THROW(step("adam", {{"eps", kNaN}}, 1, 0.1, p, g, state), std::invalid_argument);
  EXPECT_THROW(step("adam", {{"weight_decay", 0}}, 1, 0.1, p, g, state), std::invalid_argument);
  EXPECT_THROW(step("sgd", {}, 0, 0.1, p, g, state), std::invalid_argument);
  EXPECT_THROW(step("sgd", {}, 1, kNaN, p, g, state), std::invalid_argument);
  EXPECT_THROW(step("sgd", {}, 1, 0.1, p, {1, 2}, state), std::invalid_argument);
  EXPECT_THROW(step("sgd", {}, 1, 0.1, p, g, wrong), std::invalid_argument);
  wrong = {{0.0}, {0.0}};
  EXPECT_THROW(step("sgd", {}, 1, 0.1, p, g, wrong), std::invalid_argument);
  EXPECT_EQ(p[0], 1);
  EXPECT_TRUE(state.empty());
  EXPECT_THROW(state_count("sdg"), std::invalid_argument);
  EXPECT_EQ(optimizer_names().size(), 3u);
}

TEST(ReferenceSchedule, Steps) {
  EXPECT_EQ(schedule("constant", {}, 1000), 1);
  EXPECT_EQ(schedule("step", {{"every", 3}}, 2), 1);
  expect_near(schedule("step", {{"every", 3}}, 3), 0.1, 1e-15);
  EXPECT_EQ(schedule("step", {{"every", 3}, {"gamma", 0.5}}, 8), 0.25);
}

TEST(ReferenceSchedule, CosineWithWarmup) {
  const Options options = {{"total", 20}, {"warmup", 4}, {"floor", 0.1}};
  EXPECT_EQ(schedule("cosine", options, 0), 0.25);
  EXPECT_EQ(schedule("cosine", options, 3), 1);
  EXPECT_EQ(schedule("cosine", options, 4), 1);
  expect_near(schedule("cosine", options, 8), 0.8681980515339464, 1e-14);  // these three from Optax
  expect_near(schedule("cosine", options, 12), 0.55, 1e-14);
  expect_near(schedule("cosine", options, 16), 0.23180194846605365, 1e-14);
  EXPECT_EQ(schedule("cosine", options, 20), 0.1);
  EXPECT_EQ(schedule("cosine", options, 1000), 0.1);
  EXPECT_EQ(schedule("cosine", {{"total", 2}}, 0), 1);
  expect_near(schedule("cosine", {{"total", 2}}, 1), 0.5, 1e-15);
  EXPECT_EQ(schedule("cosine", {{"total", 2}}, 2), 0);
  EXPECT_EQ(schedule("cosine", {{"total", 2}, {"warmup", 4}}, 1), 0.5);
  EXPECT_EQ(schedule("cosine", {{"total", 2}, {"warmup", 4}}, 2), 0);  // total comes before the warm-up
}

TEST(ReferenceSchedule, RefusesWhatItDoesNotKnow) {
  EXPECT_THROW(schedule("linear", {}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("constant", {{"gamma", 1}}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("step", {}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("step", {{"every", 0}}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("cosine", {}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("cosine", {{"total", 10.5}}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("cosine", {{"total", 10}, {"warmup", -1}}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("constant", {}, -1), std::invalid_argument);
  EXPECT_THROW(schedule("step", {{"every", 3}, {"gamma", kNaN}}, 0), std::invalid_argument);
  EXPECT_EQ(schedule_names().size(), 3u);
}

TEST(ReferenceActivation, ValuesAndDerivatives) {
  const auto expect = [](const char* name, const Options& options, double x, double value, double derivative) {
    SCOPED_TRACE(std::string(name) + " at " + std::to_string(x));
    const ActivationOutput out = activation(name, options, x);
    expect_near(out.value, value, 2e-14);
    expect_near(out.derivative, derivative, 2e-14);
  };
  expect("relu", {}, 3, 3, 1);
  expect("relu", {}, -3, 0, 0);
  expect("relu", {}, 0, 0, 0);
  expect("gelu", {}, -8, -4.9767684594174273e-15, -3.97960726108679599e-14);
  expect("gelu", {}, -1, -0.158655253931457051, -0.0833154705876862984);
  expect("gelu", {}, 3, 2.99595030590510972, 1.01194564720418393);
  expect("gelu", {{"tanh", 1}}, -8, -3.10778293750111122e-21, -4.71478450410684158e-20);
  expect("gelu", {{"tanh", 1}}, -1, -0.158808009391723295, -0.0829640838457825551);
  expect("gelu", {{"tanh", 1}}, 3, 2.99636260791822698, 1.01158416663096973);
  expect("sigmoid", {}, -40, 4.24835425529158898e-18, 4.24835425529158896e-18);
  expect("sigmoid", {}, 2, 0.880797077977882444, 0.104993585403506517);
  expect("sigmoid", {}, -1000, 0, 0);
  expect("sigmoid", {}, 1000, 1, 0);
  expect("tanh", {}, 0.5, std::tanh(0.5), 0.78644773296592741);
  expect("tanh", {}, 20, 1, 1.69934170211663558e-17);
}

TEST(ReferenceActivation, NaNShowsAndUnknownsAreRefused) {
  EXPECT_EQ(activation_names().size(), 4u);
  for (const std::string& name : activation_names()) {
    EXPECT_TRUE(std::isnan(activation(name, {}, kNaN).value)) << name;
    EXPECT_TRUE(std::isnan(activation(name, {}, kNaN).derivative)) << name;
  }
  EXPECT_THROW(activation("swish", {}, 0), std::invalid_argument);
  EXPECT_THROW(activation("relu", {{"tanh", 1}}, 0), std::invalid_argument);
}

}  // namespace
}  // namespace fuselage::reference
