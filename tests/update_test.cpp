// Update rules on the CPU: known trajectories, many tensors, tails, skipped steps, refusals.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "fuselage/optimizer.h"
#include "support/batches.h"

namespace fuselage {
namespace {

using testing::message_of;
using testing::normal;

/// A handful of tensors with their gradients.
struct Tensors {
  std::vector<std::vector<float>> value, gradient;

  void add(std::vector<float> v, std::vector<float> g) {
    value.push_back(std::move(v));
    gradient.push_back(std::move(g));
  }
  std::vector<Trainable> list() {
    std::vector<Trainable> tensors;
    for (std::size_t i = 0; i < value.size(); ++i)
      tensors.push_back(
          {"p" + std::to_string(i), value[i].data(), gradient[i].data(), {static_cast<std::int64_t>(value[i].size())}});
    return tensors;
  }
};

ParameterGroup group_of(std::string_view optimizer, std::string_view schedule = "constant") {
  return {OptimizerSpec::parse(optimizer), ScheduleSpec::parse(schedule)};
}

StepState steps(Backend& backend, Tensors& tensors, const char* text, int count, const LossReport* gate = nullptr) {
  Optimizer optimizer(backend, tensors.list(), group_of(text));
  for (int i = 0; i < count; ++i) optimizer.step(gate);
  return *optimizer.steps();
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
  Optimizer optimizer(*cpu, tensors.list(), group_of("sgd:lr=0.01"));
  for (int i = 0; i < 100; ++i) {
    float g = 0;
    for (float x = 1; x <= 4; ++x) g += x * (tensors.value[0][0] * x - 2 * x) / 4;
    tensors.gradient[0][0] = g;
    optimizer.step();
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
  const std::vector<float> values = normal(50001, 1), gradients = normal(50001, 2);
  for (const std::string_view name : Optimizers::names) {
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      std::vector<std::pair<std::vector<unsigned char>, TensorFile>> results;
      for (const auto& cpu : testing::cpu_backends()) {
        testing::Stored p(values, dtype), g(gradients, dtype);
        const Trainable tensor{"p", p.bytes.data(), g.bytes.data(), {50001}, dtype};
        Optimizer optimizer(
            *cpu, {&tensor, 1},
            group_of(std::string(name) + ":lr=0.01,l1=0.01,l2=0.1,decay=0.5", "cosine:total=10,warmup=2"));
        for (int i = 0; i < 3; ++i) optimizer.step();
        results.emplace_back(p.bytes, optimizer.save());
      }
      for (const auto& [bytes, state] : results) {
        EXPECT_EQ(bytes, results[0].first) << name << " " << name_of(dtype);
        EXPECT_TRUE(state.tensors == results[0].second.tensors) << name << " " << name_of(dtype);
      }
    }
  }
}

TEST(Update, ARejectedStepChangesNothing) {
  const auto cpu = make_cpu_backend({2, {}});
  for (const std::string_view name : Optimizers::names) {
    Tensors tensors;
    tensors.add(normal(1000, 3), normal(1000, 4));
    Optimizer optimizer(*cpu, tensors.list(), group_of(name));
    optimizer.step();
    LossReport gate;
    gate.rejected = true;
    const auto values = tensors.value;
    TensorFile before = optimizer.save(), after;
    for (int i = 0; i < 3; ++i) optimizer.step(&gate);
    after = optimizer.save();
    EXPECT_EQ(tensors.value, values) << name;
    EXPECT_EQ(optimizer.steps()->step, 1);
    EXPECT_EQ(optimizer.steps()->skipped, 3);
    for (TensorFile* file : {&before, &after})
      std::erase_if(file->tensors, [](auto& t) { return t.first == "optimizer.step"; });
    EXPECT_TRUE(before.tensors == after.tensors) << name;
  }
}

TEST(Update, TheNumberOfATensorHasOneNaN) {
  for (const auto& cpu : testing::cpu_backends()) {
    for (const float bad : {std::nanf(""), -std::nanf("")}) {
      Tensors tensors;
      tensors.add({1, 2}, {bad, 1});
      Optimizer optimizer(*cpu, tensors.list(), group_of("novograd"));
      optimizer.step();
      EXPECT_EQ(std::bit_cast<std::uint64_t>(*optimizer.parameters()[0].kept), 0x7ff8000000000000u);
    }
  }
}

TEST(Update, ZeroGradientsLeaveHalfPrecisionAlone) {
  const auto cpu = make_cpu_backend({1, {}});
  for (const std::string_view name : Optimizers::names) {
    testing::Stored p({1.5f}, DType::f16), g({0.0f}, DType::f16);
    const Trainable tensor{"p", p.bytes.data(), g.bytes.data(), {1}, DType::f16};
    OptimizerSpec spec = OptimizerSpec::parse(name);
    if (name == "adamw") spec.set("weight_decay", "0");
    Optimizer optimizer(*cpu, {&tensor, 1}, ParameterGroup{spec, {}});
    for (int i = 0; i < 3; ++i) optimizer.step();
    EXPECT_EQ(p.floats()[0], name == "yogi" ? p.floats()[0] : 1.5f) << name;  // yogi's moments start above 0
    EXPECT_TRUE(std::isfinite(p.floats()[0])) << name;
  }
}

TEST(Groups, EachHasItsRuleAndItsRate) {
  // Weights by Adam at 0.01, the bias by plain steps of 0.1, and a tensor that is not touched.
  const auto cpu = make_cpu_backend({2, {}});
  Tensors apart, together;
  for (Tensors* t : {&apart, &together})
    for (const int n : {5000, 3, 40}) t->add(normal(n, 1), normal(n, 2));
  std::vector<Trainable> list = together.list();
  for (int i = 0; i < 3; ++i) list[static_cast<std::size_t>(i)].group = i;
  std::vector<ParameterGroup> groups{group_of("adam:lr=0.01,l2=0.1", "step:every=2"), group_of("sgd:lr=0.1"),
                                     group_of("adan")};
  groups[2].frozen = true;
  Optimizer both(*cpu, list, groups);
  std::vector<Trainable> each = apart.list();
  Optimizer first(*cpu, {&each[0], 1}, groups[0]), second(*cpu, {&each[1], 1}, groups[1]);
  for (int i = 0; i < 5; ++i) {
    both.step();
    first.step();
    second.step();
  }
  EXPECT_EQ(together.value, apart.value);
  EXPECT_EQ(both.steps()->step, 5);
  EXPECT_EQ(both.steps()->lr, both.group_states()[0].lr);
  EXPECT_NEAR(both.group_states()[0].lr, 0.01 * 0.01, 1e-18);
  EXPECT_EQ(both.group_states()[1].lr, 0.1);
  EXPECT_EQ(both.group_states()[2].lr, 0);
  for (const float* state : both.parameters()[1].state) EXPECT_EQ(state, nullptr) << "plain steps keep nothing";
}

TEST(Groups, NumbersCanBeSetWhileTheRuleStays) {
  const auto cpu = make_cpu_backend({1, {}});
  Tensors tensors;
  tensors.add({1}, {1});
  Optimizer optimizer(*cpu, tensors.list(), group_of("sgd:lr=0.25"));
  optimizer.step();
  const ParameterGroup slower = group_of("sgd:lr=0.125");
  optimizer.set_groups({&slower, 1});
  optimizer.step();
  EXPECT_EQ(tensors.value[0][0], 1 - 0.25f - 0.125f);
  const auto set = [&](const char* text) {
    return message_of([&] {
      const ParameterGroup group = group_of(text);
      optimizer.set_groups({&group, 1});
    });
  };
  EXPECT_NE(set("adam").find("group 0 was bound with sgd:lr=0.125"), std::string::npos) << set("adam");
  EXPECT_NE(set("sgd:momentum=0.9").find("uses other state"), std::string::npos);
  EXPECT_NE(message_of([&] { optimizer.set_groups({}); }).find("0 groups for a set that has 1"), std::string::npos);
}

TEST(Bind, RefusesByName) {
  const auto cpu = make_cpu_backend({1, {}});
  std::vector<float> a(8), b(8), m(8), v(8);
  const ParameterGroup adam = group_of("adam");
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
  other = good;
  other.group = 1;
  EXPECT_NE(bind({other}).find("'w' is in group 1, and there are 1"), std::string::npos);
  EXPECT_NE(message_of([&] {
              cpu->bind({&good, 1}, group_of("novograd"));
            }).find("'w' has no number that novograd"),
            std::string::npos);
}

/// Numbers that no rule takes, by the name of the field.
TEST(Bind, RefusesNumbersThatMakeNoSense) {
  const auto cpu = make_cpu_backend({1, {}});
  const auto refused = [&](ParameterGroup group) {
    return message_of([&] { cpu->bind(std::span<const Parameter>(), group); });
  };
  ParameterGroup group = group_of("adam");
  group.optimizer.rule = optim::Adam{.beta2 = 1};
  EXPECT_NE(refused(group).find("adam: beta2 = 1 is outside [0, 1)"), std::string::npos);
  group.optimizer.rule = optim::Adam{.lr = std::nan("")};
  EXPECT_NE(refused(group).find("adam: lr"), std::string::npos);
  group.optimizer.rule = optim::Adam{.eps = -1e-8};
  EXPECT_NE(refused(group).find("adam: eps"), std::string::npos);
  group.optimizer.rule = optim::Adam{.beta1 = 0, .beta2 = 0};
  EXPECT_EQ(refused(group), "no error");
  group.optimizer.options.decay = -1;
  EXPECT_NE(refused(group).find("decay"), std::string::npos);
  const std::vector<ParameterGroup> two{group_of("adam"), group};
  EXPECT_NE(message_of([&] { cpu->bind(std::span<const Parameter>(), two); }).find("group 1: "), std::string::npos);
}

/// Everything to go on with the same bits; and what is refused, with nothing changed.
TEST(State, GoesToAFileAndBack) {
  const auto cpu = make_cpu_backend({1, {}});
  for (const std::string_view name : Optimizers::names) {
    Tensors whole, cut;
    for (Tensors* t : {&whole, &cut}) {
      t->add(normal(300, 1), normal(300, 2));
      t->add({}, {});
      t->add(normal(7, 3), normal(7, 4));
    }
    Optimizer one(*cpu, whole.list(), group_of(name)), two(*cpu, cut.list(), group_of(name));
    for (int i = 0; i < 3; ++i) {
      one.step();
      two.step();
    }
    Optimizer next(*cpu, cut.list(), group_of(name));
    next.load(two.save());
    one.step();
    next.step();
    EXPECT_EQ(cut.value, whole.value) << name;
    EXPECT_TRUE(one.save().tensors == next.save().tensors) << name;
    EXPECT_EQ(one.save().metadata, next.save().metadata);
  }
}

TEST(State, IsRefusedByName) {
  const auto cpu = make_cpu_backend({1, {}});
  Tensors tensors;
  tensors.add(normal(6, 1), normal(6, 2));
  Optimizer optimizer(*cpu, tensors.list(), group_of("novograd"));
  optimizer.step();
  const TensorFile good = optimizer.save();
  const auto refused = [&](const auto& spoil) {
    TensorFile file = good;
    spoil(file);
    const std::string message = message_of([&] { optimizer.load(file); });
    EXPECT_TRUE(optimizer.save().tensors == good.tensors) << message;
    return message;
  };
  const auto tensor = [](TensorFile& file, std::string_view name) {
    return std::find_if(file.tensors.begin(), file.tensors.end(), [&](const auto& t) { return t.first == name; });
  };
  for (const auto& [name, array] : good.tensors) {
    EXPECT_NE(
        refused([&, &name = name](TensorFile& f) { f.tensors.erase(tensor(f, name)); }).find("no tensor '" + name),
        std::string::npos);
    EXPECT_NE(refused([&, &name = name](TensorFile& f) {
                tensor(f, name)->second = Array(DType::u8, {3});
              }).find("'" + name + "' is u8 [3]"),
              std::string::npos);
  }
  EXPECT_NE(
      refused([](TensorFile& f) { f.tensors.emplace_back("p9.state0", Array(DType::f32, {1})); }).find("'p9.state0'"),
      std::string::npos);
  EXPECT_NE(
      refused([](TensorFile& f) { f.metadata["optimizer.0"] = "adam"; }).find("is of adam, the group has novograd"),
      std::string::npos);
  EXPECT_NE(refused([](TensorFile& f) { f.metadata.clear(); }).find("nothing of group 0"), std::string::npos);
  EXPECT_NE(refused([](TensorFile& f) { f.metadata["optimizer.1"] = "sgd"; }).find("more groups"), std::string::npos);
  EXPECT_NE(refused([&](TensorFile& f) { tensor(f, "optimizer.step")->second.as<std::int64_t>()[0] = -1; }).find("-1"),
            std::string::npos);
}

}  // namespace
}  // namespace fuselage
