// The reference schedules and activations: numbers worked by hand and from Optax, and values from mpmath with 40
// digits.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "host/reference/reference.h"

namespace fuselage::reference {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void expect_near(double got, double expected, double relative) {
  EXPECT_LE(std::abs(got - expected), relative * std::abs(expected)) << "got " << got << ", expected " << expected;
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
  EXPECT_THROW(schedule("linea", {{"total", 3}}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("linear", {}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("constant", {{"gamma", 1}}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("step", {}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("step", {{"every", 0}}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("cosine", {}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("cosine", {{"total", 10.5}}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("cosine", {{"total", 10}, {"warmup", -1}}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("constant", {}, -1), std::invalid_argument);
  EXPECT_THROW(schedule("step", {{"every", 3}, {"gamma", kNaN}}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("multistep", {{"at.0", 3}, {"at.1", 3}}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("multistep", {{"at.1", 3}}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("piecewise", {{"at.0", 3}, {"values.0", 3}}, 0), std::invalid_argument);
  EXPECT_THROW(schedule("wsd", {{"total", 3}, {"shape", 3}}, 0), std::invalid_argument);
  EXPECT_THROW(plateau({{"gamma", 1}}, {}), std::invalid_argument);
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
