// Update rules on the CPU: known trajectories, many tensors, tails, skipped steps, refusals.
#include <gtest/gtest.h>

#include <cmath>

#include "support/batches.h"

namespace fuselage {
namespace {

using testing::message_of;
using testing::normal;

/// A handful of tensors with their gradients and state.
struct Tensors {
  std::vector<std::vector<float>> value, gradient, first, second;
  std::vector<Parameter> parameters;

  void add(std::vector<float> v, std::vector<float> g) {
    value.push_back(std::move(v));
    gradient.push_back(std::move(g));
    first.emplace_back(value.back().size(), 0.0f);
    second.emplace_back(value.back().size(), 0.0f);
  }
  std::span<const Parameter> list() {
    parameters.clear();
    for (std::size_t i = 0; i < value.size(); ++i)
      parameters.push_back({"p" + std::to_string(i),
                            value[i].data(),
                            gradient[i].data(),
                            {first[i].data(), second[i].data()},
                            static_cast<std::int64_t>(value[i].size()),
                            DType::f32});
    return parameters;
  }
};

StepState steps(Backend& backend, Tensors& tensors, const char* optimizer, int count,
                const LossReport* gate = nullptr) {
  const OptimizerSpec spec = OptimizerSpec::parse(optimizer);
  const auto set = backend.bind(tensors.list(), spec.rule);
  StepState state;
  for (int i = 0; i < count; ++i) backend.update(*set, spec, schedule::Constant{}, &state, gate);
  return state;
}

float one(const char* optimizer, float p, float g, int count = 1) {
  const auto cpu = make_cpu_backend({1, {}});
  Tensors tensors;
  tensors.add({p}, {g});
  steps(*cpu, tensors, optimizer, count);
  return tensors.value[0][0];
}

TEST(Update, KnownSteps) {
  EXPECT_NEAR(one("sgd:lr=0.1,momentum=0.9,nesterov=true", 0, 1, 3), -0.8049, 1e-6);
  EXPECT_NEAR(one("adam:lr=1e-3", 1, 0.1f, 1000), 1e-7, 1e-5);
  EXPECT_NEAR(one("adam:lr=0.2,eps=1e-8", 0, 1e-8f), -0.1, 1e-6) << "eps after the correction: half a step";
  EXPECT_FLOAT_EQ(one("sgd:lr=0.1,l2=0.1", 1, 0), 0.99f);
  EXPECT_FLOAT_EQ(one("sgd:lr=0.1,l1=0.5", -2, 0), -1.95f);
  EXPECT_FLOAT_EQ(one("adamw:lr=0.1,weight_decay=0.1", 1, 0), 0.99f);
  EXPECT_FLOAT_EQ(one("sgd:lr=0.1,maximize=true", 0, 1), 0.1f);
  EXPECT_FLOAT_EQ(one("sgd:lr=1,momentum=0.9,dampening=0.5", 0, 1, 2), -1 - 1.4f) << "no dampening on step 1";
}

TEST(Update, ALineIsFitted) {
  // The line through (1, 2), (2, 4), (3, 6), (4, 8) from 0 by steps of 0.01 on the mean of x * error.
  const auto cpu = make_cpu_backend({1, {}});
  Tensors tensors;
  tensors.add({0}, {0});
  const OptimizerSpec sgd = OptimizerSpec::parse("sgd:lr=0.01");
  const auto set = cpu->bind(tensors.list(), sgd.rule);
  StepState state;
  for (int i = 0; i < 100; ++i) {
    float g = 0;
    for (float x = 1; x <= 4; ++x) g += x * (tensors.value[0][0] * x - 2 * x) / 4;
    tensors.gradient[0][0] = g;
    cpu->update(*set, sgd, schedule::Constant{}, &state, nullptr);
  }
  EXPECT_NEAR(tensors.value[0][0], 1.999177, 2e-6);
}

TEST(Update, EveryTensorMovesWhateverItsSize) {
  for (const auto& cpu : testing::cpu_backends()) {
    Tensors tensors;
    for (const std::size_t n : {0, 1, 7, 8, 15, 16, 17, 0, 16384, 16385, 40000, 0})
      tensors.add(std::vector<float>(n, 1), std::vector<float>(n, 1));
    const StepState state = steps(*cpu, tensors, "adam:lr=0.5", 1);
    EXPECT_EQ(state.step, 1);
    EXPECT_EQ(state.lr, 0.5);
    for (const auto& v : tensors.value)
      for (const float p : v) ASSERT_EQ(p, 0.5f);
  }
}

TEST(Update, TargetsAndThreadsAgreeToTheBit) {
  for (const std::string_view name : Optimizers::names) {
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      std::vector<std::vector<unsigned char>> results;
      for (const auto& cpu : testing::cpu_backends()) {
        testing::Stored p(normal(50001, 1), dtype), g(normal(50001, 2), dtype);
        std::vector<float> m(50001), v(50001);
        OptimizerSpec spec = OptimizerSpec::parse(std::string(name) + ":lr=0.01,l1=0.01,l2=0.1");
        const Parameter parameter{"p", p.bytes.data(), g.bytes.data(), {m.data(), v.data()}, 50001, dtype};
        const auto set = cpu->bind({&parameter, 1}, spec.rule);
        StepState state;
        for (int i = 0; i < 3; ++i)
          cpu->update(*set, spec, schedule::Cosine{.total = 10, .warmup = 2}, &state, nullptr);
        results.push_back(p.bytes);
        const auto* moments = reinterpret_cast<const unsigned char*>(v.data());
        results.back().insert(results.back().end(), moments, moments + v.size() * 4);
      }
      for (const auto& r : results) EXPECT_EQ(r, results[0]) << name << " " << name_of(dtype);
    }
  }
}

TEST(Update, ARejectedStepChangesNothing) {
  const auto cpu = make_cpu_backend({2, {}});
  Tensors tensors;
  tensors.add(normal(1000, 3), normal(1000, 4));
  LossReport gate;
  gate.rejected = true;
  const auto before = tensors.value, moments = tensors.first;
  const StepState state = steps(*cpu, tensors, "adam", 3, &gate);
  EXPECT_EQ(tensors.value, before);
  EXPECT_EQ(tensors.first, moments);
  EXPECT_EQ(state.step, 0);
  EXPECT_EQ(state.skipped, 3);
}

TEST(Update, ZeroGradientsLeaveHalfPrecisionAlone) {
  const auto cpu = make_cpu_backend({1, {}});
  testing::Stored p({1.5f}, DType::f16), g({0.0f}, DType::f16);
  std::vector<float> m(1), v(1);
  const Parameter parameter{"p", p.bytes.data(), g.bytes.data(), {m.data(), v.data()}, 1, DType::f16};
  const OptimizerSpec adam = OptimizerSpec::parse("adam");
  const auto set = cpu->bind({&parameter, 1}, adam.rule);
  StepState state;
  for (int i = 0; i < 3; ++i) cpu->update(*set, adam, schedule::Constant{}, &state, nullptr);
  EXPECT_EQ(p.floats()[0], 1.5f);
}

TEST(Bind, RefusesByName) {
  const auto cpu = make_cpu_backend({1, {}});
  std::vector<float> a(8), b(8), m(8), v(8);
  const AnyOptimizer adam = optim::Adam{};
  auto bind = [&](std::vector<Parameter> list) { return message_of([&] { cpu->bind(list, adam); }); };
  const Parameter good{"w", a.data(), b.data(), {m.data(), v.data()}, 8, DType::f32};
  EXPECT_EQ(bind({good}), "no error");
  EXPECT_NE(bind({good, good}).find("two parameters are called 'w'"), std::string::npos);
  Parameter other = good;
  other.name = "tied";
  EXPECT_NE(bind({good, other}).find("overlap in memory"), std::string::npos);
  other = good;
  other.gradient = a.data() + 2;
  EXPECT_NE(bind({other}).find("the value of 'w' and the gradient of 'w'"), std::string::npos);
  other = good;
  other.state[1] = nullptr;
  EXPECT_NE(bind({other}).find("'w' has no state 1"), std::string::npos);
  other = good;
  other.size = -1;
  EXPECT_NE(bind({other}).find("size -1"), std::string::npos);
}

TEST(Schedule, FactorsAreFunctionsOfTheStep) {
  const schedule::Cosine cosine{.total = 110, .warmup = 10, .floor = 0.1};
  EXPECT_DOUBLE_EQ(cosine.factor(0), 0.1);
  EXPECT_DOUBLE_EQ(cosine.factor(9), 1);
  EXPECT_DOUBLE_EQ(cosine.factor(60), 0.55);
  EXPECT_EQ(cosine.factor(110), 0.1);
  EXPECT_EQ(cosine.factor(1000000), 0.1);
  EXPECT_EQ((schedule::Cosine{.total = 0, .warmup = 4}.factor(9)), 1);
  EXPECT_THROW(Schedules::parse("cosine:total=2,warmup=10", "schedule"), Error);
  EXPECT_NO_THROW(Schedules::parse("cosine:warmup=10", "schedule"));
  const schedule::Step step{.every = 10, .gamma = 0.5};
  EXPECT_EQ(step.factor(9), 1);
  EXPECT_EQ(step.factor(10), 0.5);
  EXPECT_EQ(step.factor(35), 0.125);
}

}  // namespace
}  // namespace fuselage
