// What happens to gradients before the rules: numbers by hand, the reference, skipped steps, the loss scale, refusals.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "fuselage/optimizer.h"
#include "host/reference/reference.h"
#include "host/validate/problem.h"
#include "support/batches.h"
#include "tests/cases/settings.h"

namespace fuselage {
namespace {

using testing::message_of;
using testing::normal;

constexpr float kInf = std::numeric_limits<float>::infinity();

using Arrays = std::vector<std::vector<float>>;

ParameterGroup plain_steps() { return {OptimizerSpec::parse("sgd:lr=1"), {}}; }

/// Tensors with their gradients, and an optimizer of them.
struct Descent {
  std::unique_ptr<Backend> cpu = make_cpu_backend({2, {}});
  Arrays value, gradient;
  std::unique_ptr<Optimizer> optimizer;

  Descent(Arrays gradients, std::string_view options, const std::vector<ParameterGroup>& groups = {plain_steps()})
      : gradient(std::move(gradients)) {
    std::vector<Trainable> list;
    for (const auto& g : gradient) value.emplace_back(g.size());
    for (std::size_t t = 0; t < gradient.size(); ++t)
      list.push_back({"p" + std::to_string(t),
                      value[t].data(),
                      gradient[t].data(),
                      {static_cast<std::int64_t>(gradient[t].size())},
                      DType::f32,
                      static_cast<int>(t % groups.size())});
    optimizer = std::make_unique<Optimizer>(*cpu, list, groups, parse_gradient_options(options));
  }
  StepState state() const { return *optimizer->steps(); }
};

/// What one plain step takes away: the gradients as the rule sees them.
Arrays seen(Arrays gradients, std::string_view options) {
  Descent run(std::move(gradients), options);
  run.optimizer->step();
  for (auto& tensor : run.value)
    for (float& p : tensor) p = -p;
  return run.value;
}

TEST(Gradient, ClippedByHand) {
  EXPECT_EQ(seen({{3, 0}, {0, 4}}, "clip_norm=1"), (Arrays{{0.6f, 0}, {0, 0.8f}}));
  EXPECT_EQ(seen({{3, 0}, {0, 4}}, "clip_norm=5"), (Arrays{{3, 0}, {0, 4}})) << "a norm at the bound stays";
  EXPECT_EQ(seen({{3, 0}, {0, 4}}, "clip_tensor=2"), (Arrays{{2, 0}, {0, 2}}));
  EXPECT_EQ(seen({{3, -0.5f}, {-kInf, 4}}, "clip_value=1"), (Arrays{{1, -0.5f}, {-1, 1}}));
  // Value, then tensor, then all: {9, 3} is held within 4, {4, 3} shrinks to a norm of 2.5, and both to one of 1.25.
  EXPECT_EQ(seen({{9, 3}, {0, 0}}, "clip_value=4,clip_tensor=2.5,clip_norm=1.25"), (Arrays{{1, 0.75f}, {0, 0}}));
  EXPECT_TRUE(std::isnan(seen({{std::nanf("")}}, "clip_value=1")[0][0]));
}

TEST(Gradient, NormsAreThoseOfDoubles) {
  const Arrays large = seen({std::vector<float>(100, 1e20f)}, "clip_norm=1");
  for (const float g : large[0]) EXPECT_FLOAT_EQ(g, 0.1f);
  const Arrays small = seen({std::vector<float>(4, 1e-30f)}, "clip_norm=1e-30");
  for (const float g : small[0]) EXPECT_FLOAT_EQ(g, 5e-31f);
  testing::Stored p({0.0f}, DType::f16), g({300.0f}, DType::f16);
  const auto cpu = make_cpu_backend({1, {}});
  const Trainable tensor{"p", p.bytes.data(), g.bytes.data(), {1}, DType::f16};
  Optimizer optimizer(*cpu, {&tensor, 1}, plain_steps(), parse_gradient_options("clip_norm=1"));
  optimizer.step();
  EXPECT_EQ(p.floats()[0], -1);
  EXPECT_EQ(optimizer.steps()->norm, 300);
}

/// Whatever the rules and the groups, and with frozen ones left out.
TEST(Gradient, TheNormIsOfAllGroups) {
  const Arrays gradients{normal(9000, 1), normal(3, 2), {}, normal(500, 3)};
  const ParameterGroup adam{OptimizerSpec::parse("adam"), {}}, lamb{OptimizerSpec::parse("lamb"), {}};
  Descent one(gradients, "clip_norm=1"), two(gradients, "clip_norm=1", {adam, lamb});
  one.optimizer->step();
  two.optimizer->step();
  EXPECT_EQ(one.state().norm, two.state().norm);
  ParameterGroup frozen = adam;
  frozen.frozen = true;
  Descent left_out({normal(9000, 1), {std::nanf("")}, normal(500, 3), {1}}, "clip_norm=1", {adam, frozen});
  Descent alone({normal(9000, 1), normal(500, 3)}, "clip_norm=1", {adam});
  left_out.optimizer->step();
  alone.optimizer->step();
  EXPECT_EQ(left_out.state().step, 1);
  EXPECT_EQ(left_out.state().norm, alone.state().norm);
  EXPECT_EQ(left_out.value[0], alone.value[0]);
}

TEST(Gradient, IsThatOfTheReference) {
  const Arrays gradients{normal(5000, 1), normal(3, 2), {}, {0, 0}, normal(300, 3)};
  std::vector<GradientOptions> all;
  for (const double value : {0.0, 0.5})
    for (const double tensor : {0.0, 1.5, 1e6})
      for (const double norm : {0.0, 0.75})
        for (const double scale : {0.0, 3.0}) {
          GradientOptions o{.clip_value = value, .clip_tensor = tensor, .clip_norm = norm, .check_finite = true};
          o.loss_scale = scale;
          all.push_back(o);
        }
  for (const GradientOptions& options : all) {
    std::vector<std::vector<double>> want;
    for (const auto& g : gradients) want.emplace_back(g.begin(), g.end());
    const reference::GradientNorms found =
        reference::prepare_gradients(validate::reference_options(options), options.loss_scale, want);
    Descent run(gradients, to_string(options));
    run.optimizer->step();
    EXPECT_NEAR(run.state().norm, found.norm, 1e-7 * found.norm) << to_string(options);
    for (std::size_t t = 0; t < want.size(); ++t)
      for (std::size_t i = 0; i < want[t].size(); ++i)
        ASSERT_NEAR(-run.value[t][i], want[t][i], 2e-7 * std::fabs(want[t][i])) << to_string(options);
  }
}

TEST(Gradient, EveryRuleSeesWhatIsLeft) {
  const Arrays gradients{normal(5000, 1), normal(7, 2)};
  const Arrays left = seen(gradients, "clip_value=0.5,clip_norm=2");
  for (const std::string_view name : Optimizers::names) {
    const ParameterGroup group{OptimizerSpec::parse(name), {}};
    Descent clipped(gradients, "clip_value=0.5,clip_norm=2", {group}), given(left, "none", {group});
    for (int i = 0; i < 3; ++i) {
      clipped.optimizer->step();
      given.optimizer->step();
    }
    EXPECT_EQ(clipped.value, given.value) << name;
    EXPECT_TRUE(std::any_of(given.value[0].begin(), given.value[0].end(), [](float p) { return p != 0; })) << name;
  }
}

/// One element of one tensor, and nothing moves to the bit; the next step is as if it had not been.
TEST(Gradient, OneThatIsNotFiniteSkipsTheStep) {
  for (const std::string_view name : Optimizers::names) {
    const std::vector<ParameterGroup> groups{
        {OptimizerSpec::parse(name), ScheduleSpec::parse("exponential:gamma=0.5")}};
    Arrays gradients;
    for (std::uint32_t t = 0; t < 50; ++t) gradients.push_back(normal(10 * t, t));
    Descent run(gradients, "check_finite=true", groups), clean(gradients, "none", groups);
    run.optimizer->step();
    clean.optimizer->step();
    const Arrays values = run.value;
    TensorFile before = run.optimizer->save();
    for (const float bad : {kInf, -kInf, std::nanf("")}) {
      run.gradient[37][250] = bad;
      run.optimizer->step();
      EXPECT_EQ(run.state().nonfinite, 1);
    }
    TensorFile after = run.optimizer->save();
    EXPECT_EQ(run.value, values) << name;
    EXPECT_EQ(run.state().step, 1);
    EXPECT_EQ(run.state().skipped, 3);
    EXPECT_EQ(run.state().lr, clean.state().lr);
    for (TensorFile* file : {&before, &after})
      std::erase_if(file->tensors, [](auto& t) { return t.first == "optimizer.step"; });
    EXPECT_TRUE(before.tensors == after.tensors) << name;
    run.gradient[37] = gradients[37];
    run.optimizer->step();
    clean.optimizer->step();
    EXPECT_EQ(run.value, clean.value) << name;
    EXPECT_EQ(run.state().nonfinite, 0);
  }
}

TEST(LossScale, FollowsTheReference) {
  const char* text = "loss_scale=8,growth=4,backoff=0.5,interval=3,least_scale=2,greatest_scale=100";
  const reference::Options options = validate::reference_options(parse_gradient_options(text));
  Descent run({{1, 2}}, text);
  reference::LossScale want{8, 0};
  const std::string steps = "gggggggbgggbbbbbbggggbg";  // grows to the greatest, shrinks to the least, and begins anew
  std::vector<float> met;
  for (const char step : steps) {
    run.gradient[0][0] = step == 'g' ? 1 : kInf;
    run.optimizer->step();
    want = reference::scale_after(options, step == 'b', want);
    ASSERT_EQ(run.state().loss_scale, want.scale) << met.size();
    ASSERT_EQ(run.state().good, want.good) << met.size();
    met.push_back(run.state().loss_scale);
  }
  EXPECT_EQ(met[2], 32);
  EXPECT_EQ(met[5], 100);
  EXPECT_EQ(met[7], 50);
  EXPECT_EQ(*std::min_element(met.begin(), met.end()), 2);
  EXPECT_EQ(run.state().step, 15);
  EXPECT_EQ(run.state().skipped, 8);
}

TEST(LossScale, IsDividedOutOnce) {
  EXPECT_EQ(seen({{3 * 1024.0f, 4 * 1024.0f}}, "loss_scale=1024"), (Arrays{{3, 4}}));
  EXPECT_EQ(seen({{3 * 1024.0f, 4 * 1024.0f}}, "loss_scale=1024,clip_norm=2.5"), (Arrays{{1.5f, 2}}));
}

/// A loss pass that overflowed shrinks the scale; bad labels say nothing about it.
TEST(LossScale, LooksAtTheGate) {
  Descent run({{1}}, "loss_scale=8,interval=2");
  LossReport gate;
  gate.rejected = true;
  gate.bad_labels = 1;
  run.optimizer->step();
  run.optimizer->step(&gate);
  EXPECT_EQ(run.state().loss_scale, 8);
  EXPECT_EQ(run.state().good, 1);
  gate.nonfinite = 1;
  run.optimizer->step(&gate);
  EXPECT_EQ(run.state().loss_scale, 4);
  EXPECT_EQ(run.state().good, 0);
  EXPECT_EQ(run.state().skipped, 2);
}

TEST(Gradient, StopHoldsUntilItIsRestarted) {
  Descent run({{1}}, "nonfinite=stop");
  run.optimizer->step();
  run.gradient[0][0] = kInf;
  run.optimizer->step();
  run.gradient[0][0] = 1;
  run.optimizer->step();
  run.optimizer->step();
  EXPECT_EQ(run.value[0][0], -1);
  EXPECT_EQ(run.state().step, 1);
  EXPECT_EQ(run.state().skipped, 3);
  EXPECT_EQ(run.state().nonfinite, 1);
  EXPECT_NE(message_of([&] { check_step(run.state()); }).find("after 1 updates is not finite"), std::string::npos);
  Descent resumed({{1}}, "nonfinite=stop");
  resumed.optimizer->load(run.optimizer->save());
  resumed.optimizer->step();
  EXPECT_EQ(resumed.value[0][0], 0) << "a file keeps it";
  run.optimizer->restart();
  run.optimizer->step();
  check_step(run.state());
  EXPECT_EQ(run.value[0][0], -2);
}

TEST(LossScale, GoesToAFileAndBack) {
  const char* text = "loss_scale=64,interval=2,clip_norm=3";
  const std::vector<ParameterGroup> adam{{OptimizerSpec::parse("adam"), {}}};
  Descent whole({normal(30, 1)}, text, adam), cut({normal(30, 1)}, text, adam);
  for (int i = 0; i < 3; ++i) {
    whole.optimizer->step();
    cut.optimizer->step();
  }
  Descent again({normal(30, 1)}, text, adam);
  std::copy(cut.value[0].begin(), cut.value[0].end(), again.value[0].begin());
  again.optimizer->load(cut.optimizer->save());
  for (int i = 0; i < 2; ++i) {
    whole.optimizer->step();
    again.optimizer->step();
  }
  EXPECT_EQ(again.value, whole.value);
  EXPECT_EQ(again.state().loss_scale, 256);
  EXPECT_EQ(again.state().good, whole.state().good);
  const auto refused = [&](const char* name, auto&& spoil) {
    TensorFile file = cut.optimizer->save();
    spoil(*std::find_if(file.tensors.begin(), file.tensors.end(), [&](const auto& t) { return t.first == name; }));
    return message_of([&] { again.optimizer->load(file); });
  };
  EXPECT_NE(
      refused("optimizer.loss_scale", [](auto& t) { t.second.template as<float>()[0] = 0; }).find("is 0, outside"),
      std::string::npos);
  EXPECT_NE(refused("optimizer.good", [](auto& t) { t.second.template as<std::int64_t>()[0] = -1; }).find("holds -1"),
            std::string::npos);
  EXPECT_NE(refused("optimizer.good", [](auto& t) { t.first = "other"; }).find("no tensor 'optimizer.good'"),
            std::string::npos);
  EXPECT_EQ(again.state().loss_scale, 256) << "nothing was changed";

  // Bounds that no float is, at which the scale arrives.
  Descent bound({{1}}, "loss_scale=1e13,greatest_scale=1e14,interval=1");
  for (int i = 0; i < 5; ++i) bound.optimizer->step();
  EXPECT_EQ(bound.state().loss_scale, 1e14f);
  EXPECT_EQ(message_of([&] { bound.optimizer->load(bound.optimizer->save()); }), "no error");
}

TEST(Gradient, RefusesWhatMakesNoSense) {
  const auto cpu = make_cpu_backend({1, {}});
  const auto refused = [&](const GradientOptions& options) {
    return message_of([&] { cpu->bind(std::span<const Parameter>(), plain_steps(), options); });
  };
  EXPECT_EQ(refused({}), "no error");
  for (const double bad : {-1.0, std::nan(""), HUGE_VAL}) {
    EXPECT_NE(refused({.clip_value = bad}).find("clip_value"), std::string::npos);
    EXPECT_NE(refused({.clip_tensor = bad}).find("clip_tensor"), std::string::npos);
    EXPECT_NE(refused({.clip_norm = bad}).find("clip_norm"), std::string::npos);
    EXPECT_NE(refused({.loss_scale = bad}).find("loss_scale"), std::string::npos);
  }
  EXPECT_NE(refused({.clip_value = 1e-60}).find("clip_value is 0 in float"), std::string::npos);
  EXPECT_NE(refused({.growth = 0.5}).find("growth"), std::string::npos);
  EXPECT_NE(refused({.backoff = 0}).find("backoff"), std::string::npos);
  EXPECT_NE(refused({.loss_scale = 1, .least_scale = 2}).find("outside"), std::string::npos);
  EXPECT_NE(refused({.least_scale = 2, .greatest_scale = 1}).find("above"), std::string::npos);
  EXPECT_NE(message_of([] { parse_gradient_options("clip_nrom=1"); }).find("clip_norm"), std::string::npos);
}

TEST(Gradient, HasATextForm) {
  EXPECT_EQ(to_string(GradientOptions{}), "");
  EXPECT_EQ(parse_gradient_options("none"), GradientOptions{});
  for (const GradientOptions& options : cases::few_settings_of(GradientOptions{}))
    EXPECT_EQ(parse_gradient_options(to_string(options)), options);
}

}  // namespace
}  // namespace fuselage
