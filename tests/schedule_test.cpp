// Learning-rate schedules: known numbers, the reference, PyTorch, Keras and Optax (tests/oracle/schedules.json), and
// plateaus.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "fuselage/optimizer.h"
#include "fuselage/train.h"
#include "host/validate/inputs.h"
#include "support/batches.h"
#include "support/paths.h"
#include "support/tiny_data.h"

namespace fuselage {
namespace {

using testing::message_of;

constexpr double kInf = kInfinity;

double factor(std::string_view text, std::int64_t step) {
  return PlainSchedule(ScheduleSpec::parse(text)).factor(step, {});
}

// ---- factors --------------------------------------------------------------------------------------------------------

struct Known {
  const char* text;
  std::int64_t step;
  double factor;
};

TEST(Schedule, KnownNumbers) {
  for (const Known& k : std::vector<Known>{{"constant", 7, 1},
                                           {"step:every=10,gamma=0.5", 9, 1},
                                           {"step:every=10,gamma=0.5", 10, 0.5},
                                           {"step:every=10,gamma=0.5", 35, 0.125},
                                           {"multistep:at=30/60/90", 29, 1},
                                           {"multistep:at=30/60/90,gamma=0.5", 30, 0.5},
                                           {"multistep:at=30/60/90,gamma=0.5", 1000, 0.125},
                                           {"multistep:at=none", 1000, 1},
                                           {"exponential:gamma=0.25,every=2", 1, 0.5},
                                           {"exponential:gamma=0.25,every=2,staircase=true", 3, 0.25},
                                           {"exponential:gamma=0.25,begin=5", 5, 1},
                                           {"exponential:gamma=0.25,limit=0.01", 1000, 0.01},
                                           {"exponential:gamma=2,limit=16", 1000, 16},
                                           {"polynomial:total=4,power=2", 1, 0.5625},
                                           {"polynomial:total=4,end=0.5", 2, 0.75},
                                           {"polynomial:total=4,end=0.5", 4, 0.5},
                                           {"polynomial:total=4,begin=2", 3, 0.75},
                                           {"polynomial:total=4,cycle=true", 6, 0.25},
                                           {"polynomial:total=4,cycle=true", 8, 0},
                                           {"polynomial", 9, 1},
                                           {"linear:total=4,start=0.5,end=1.5", 1, 0.75},
                                           {"linear:total=4,start=0.5,end=1.5", 9, 1.5},
                                           {"linear:start=0.5", 9, 0.5},
                                           {"cosine:total=110,warmup=10,floor=0.1", 0, 0.1},
                                           {"cosine:total=110,warmup=10,floor=0.1", 9, 1},
                                           {"cosine:total=110,warmup=10,floor=0.1", 60, 0.55},
                                           {"cosine:total=110,warmup=10,floor=0.1", 110, 0.1},
                                           {"cosine:total=110,warmup=10,floor=0.1", 1000000, 0.1},
                                           {"cosine:warmup=4", 9, 1},
                                           {"cosine:total=4,swing=true", 8, 1},
                                           {"cosine:first=4,growth=2,shrink=0.5", 3 + 1, 0.5},
                                           {"cosine:first=4,growth=2,shrink=0.5", 8, 0.25},
                                           {"cosine:first=4,growth=2,shrink=0.5", 12, 0.25},
                                           {"one_cycle:total=11,pct_start=0.5454545454545454,div_factor=4", 0, 0.25},
                                           {"one_cycle:total=11,pct_start=0.5454545454545454,div_factor=4", 5, 1},
                                           {"one_cycle:total=11,final_div_factor=8,div_factor=4", 10, 1. / 32},
                                           {"one_cycle:total=11,final_div_factor=8,div_factor=4", 11, 1. / 32},
                                           {"one_cycle:div_factor=4", 11, 0.25},
                                           {"one_cycle:total=4,pct_start=0.25", 0, 1},
                                           {"warmup:steps=4", 0, 0.25},
                                           {"warmup:steps=4", 3, 1},
                                           {"warmup:steps=4,start=0.5,offset=0", 0, 0.5},
                                           {"warmup:steps=4,start=0.5,offset=0", 2, 0.75},
                                           {"warmup:steps=0", 0, 1},
                                           {"wsd:total=100,warmup=4,decay=20", 0, 0.25},
                                           {"wsd:total=100,warmup=4,decay=20", 80, 1},
                                           {"wsd:total=100,warmup=4,decay=20", 90, 0.5},
                                           {"wsd:total=100,decay=16,shape=1-sqrt,floor=0.5", 88, 0.75},
                                           {"wsd:total=100,decay=20,shape=cosine", 90, 0.5},
                                           {"wsd:total=100", 95, 0.5},
                                           {"wsd:total=100,floor=0.25", 100, 0.25},
                                           {"wsd:warmup=2", 1000, 1},
                                           {"piecewise:at=3/6,values=1/0.5/2", 3, 0.5},
                                           {"piecewise:at=3/6,values=1/0.5/2", 100, 2},
                                           {"piecewise:at=4/6,values=1/0.5/2,interpolate=linear", 2, 0.75},
                                           {"piecewise:at=4/6,values=1/0.5/2,interpolate=cosine", 5, 1.25},
                                           {"inverse_time:rate=0.5,every=2", 4, 0.5},
                                           {"inverse_time:rate=1,every=2,staircase=true", 3, 0.5},
                                           {"inverse_sqrt:timescale=4", 12, 0.5},
                                           {"plateau", 12, 1}})
    EXPECT_DOUBLE_EQ(factor(k.text, k.step), k.factor) << k.text << " at " << k.step;
}

/// Every entry with each of its fields changed, and with many at once.
std::vector<AnySchedule> all_settings() {
  std::vector<AnySchedule> all;
  for (const std::string_view name : Schedules::names)
    for (const AnySchedule& schedule : validate::with_each_field_changed(Schedules::make(name, "schedule")))
      all.push_back(schedule);
  for (const char* text : {"step:every=7,gamma=0.9",
                           "multistep:at=1/2/3/40/1000,gamma=0.3",
                           "exponential:gamma=0.99,every=3,begin=5,limit=0.1",
                           "exponential:gamma=1.01,every=3,staircase=true",
                           "polynomial:total=1000,begin=20,power=0.9,end=0.1",
                           "polynomial:total=9,power=3,end=2,cycle=true",
                           "linear:total=1000,begin=3,start=0.3,end=1",
                           "cosine:total=1000,warmup=30,floor=0.1,power=1.5",
                           "cosine:total=999,swing=true",
                           "cosine:first=10,warmup=5,growth=1.1,shrink=0.9,floor=0.01",
                           "cosine:first=3,growth=3",
                           "cosine:first=7,shrink=0.99",
                           "one_cycle:total=1000",
                           "one_cycle:total=1000,pct_start=0.45,three_phase=true",
                           "one_cycle:total=3,pct_start=0.9",
                           "one_cycle:total=1000,anneal=linear,three_phase=true,div_factor=3",
                           "one_cycle:total=1000,pct_start=1",
                           "warmup:steps=100,start=0.3",
                           "wsd:total=1000,warmup=30,decay=300,floor=0.1,shape=1-sqrt",
                           "wsd:total=1000,warmup=30,shape=cosine",
                           "piecewise:at=5/40/1000,values=0.3/1/0.7/0,interpolate=cosine",
                           "inverse_time:rate=0.7,every=13",
                           "inverse_sqrt:timescale=77"})
    all.push_back(Schedules::parse(text, "schedule"));
  return all;
}

TEST(Schedule, FollowTheReference) {
  std::vector<std::int64_t> steps;
  for (std::int64_t center : {std::int64_t{0}, std::int64_t{1000}, std::int64_t{2000}, std::int64_t{1} << 40})
    for (std::int64_t step = std::max<std::int64_t>(0, center - 50); step <= center + 50; ++step) steps.push_back(step);
  for (const AnySchedule& schedule : all_settings()) {
    const auto options = validate::reference_options(schedule);
    double worst = 0;
    std::int64_t where = 0;
    for (const std::int64_t step : steps) {
      const double got = std::visit([&](const auto& s) { return s.factor(step); }, schedule);
      const double want = reference::schedule(Schedules::name_of(schedule), options, step);
      // What is left of a decay near its end is a difference of numbers around 1.
      const bool power = std::holds_alternative<schedule::Exponential>(schedule) ||
                         std::holds_alternative<schedule::Step>(schedule) ||
                         std::holds_alternative<schedule::MultiStep>(schedule);
      const double unit = 0x1p-53 * std::max(std::abs(want), power ? std::numeric_limits<double>::min() : 1.0);
      const double error = got == want ? 0 : std::abs(got - want) / unit;
      if (!(error <= worst)) worst = error, where = step;
    }
    EXPECT_LE(worst, 8) << Schedules::to_string(schedule) << " at step " << where;
  }
}

/// No overflow at the end of all counting.
TEST(Schedule, TheLastStepIsOneToo) {
  for (const AnySchedule& schedule : all_settings()) {
    const double last = std::visit([](const auto& s) { return s.factor(INT64_MAX); }, schedule);
    EXPECT_GE(last, 0) << Schedules::to_string(schedule);
  }
}

// ---- PyTorch, Keras, Optax ------------------------------------------------------------------------------------------

/// The rate after each of the values that an optimizer's plateau observes.
std::vector<double> observed_rates(std::string_view text, double lr, const std::vector<double>& values) {
  const auto cpu = make_cpu_backend({1, {}});
  float p = 0, g = 0;
  const Trainable tensor{"p", &p, &g, {1}};
  ParameterGroup group{OptimizerSpec::parse("sgd"), ScheduleSpec::parse(text)};
  group.optimizer.set("lr", detail::value_text(lr));
  Optimizer optimizer(*cpu, {&tensor, 1}, group);
  std::vector<double> rates;
  for (const double value : values) {
    optimizer.observe(&value);
    optimizer.step();
    rates.push_back(optimizer.group_states()->lr);
  }
  return rates;
}

std::vector<double> numbers_of(const nlohmann::json& list) {
  std::vector<double> numbers;
  for (const auto& x : list) numbers.push_back(x.is_string() ? std::nan("") : x.get<double>());
  return numbers;
}

TEST(Schedule, MakesThePeersRates) {
  const nlohmann::json file = nlohmann::json::parse(std::ifstream(test::source_dir() / "tests/oracle/schedules.json"));
  std::map<std::string, int> cases;
  for (const auto& c : file["cases"]) {
    const std::string text = c["schedule"], call = c["peer"].get<std::string>() + " " + c["call"].get<std::string>();
    const double lr = c["lr"], tolerance = c["peer"] == "keras" ? 1e-6 : 2e-12;  // Keras computes in fp32
    const std::vector<double> rates = numbers_of(c["rates"]);
    const ScheduleSpec spec = ScheduleSpec::parse(text);
    for (const ScheduleTerm& term : spec.terms) ++cases[std::string(Schedules::name_of(term.entry))];
    std::vector<double> got;
    if (c.contains("observed"))
      got = observed_rates(text, lr, numbers_of(c["observed"]));
    else
      for (std::size_t step = 0; step < rates.size(); ++step)
        got.push_back(lr * PlainSchedule(spec).factor(static_cast<std::int64_t>(step), {}));
    ASSERT_EQ(got.size(), rates.size());
    for (std::size_t step = 0; step < rates.size(); ++step)
      ASSERT_NEAR(got[step], rates[step], tolerance * std::max(lr, rates[step]))
          << call << ", " << text << " at " << step;
  }
  for (const std::string_view name : Schedules::names)
    EXPECT_GE(cases[std::string(name)], name == "inverse_sqrt" ? 1 : 5) << name;
}

// ---- plateaus -------------------------------------------------------------------------------------------------------

TEST(Plateau, FollowsTheReference) {
  std::vector<double> observed{std::nan(""), kInf};
  for (int i = 0; i < 200; ++i) observed.push_back(2 * std::cos(0.7 * i) * std::exp(-0.02 * i) + 0.001 * (i % 7));
  for (const schedule::Plateau& base :
       {schedule::Plateau{}, schedule::Plateau{.gamma = 0.5, .patience = 1, .cooldown = 3, .floor = 0.01},
        schedule::Plateau{.gamma = 0.7, .patience = 0, .threshold = 0.3, .threshold_mode = schedule::Threshold::abs}})
    for (const schedule::Plateau& plateau : validate::with_each_field_changed(base)) {
      const std::vector<double> want = reference::plateau(validate::reference_options(plateau), observed);
      schedule::PlateauState state;
      for (std::size_t i = 0; i < observed.size(); ++i) {
        plateau.observe(observed[i], state);
        ASSERT_EQ(state.factor(), want[i]) << "plateau" << detail::fields_text(plateau) << " after " << i;
      }
    }
}

TEST(Plateau, IsAFactorAmongOthers) {
  const std::vector<double> rates = observed_rates("plateau:patience=0,gamma=0.5 * warmup:steps=4", 1, {1, 1, 0.5, 1});
  EXPECT_EQ(rates, (std::vector<double>{0.25, 0.25, 0.375, 0.25}));
}

TEST(Plateau, OfFrozenGroupsAndOfNoneIsLeftAlone) {
  const auto cpu = make_cpu_backend({1, {}});
  float p[2] = {0, 0}, g[2] = {0, 0};
  const std::vector<Trainable> tensors{{"a", p, g, {1}, DType::f32, 0}, {"b", p + 1, g + 1, {1}, DType::f32, 1}};
  std::vector<ParameterGroup> groups(2, {OptimizerSpec::parse("sgd:lr=1"), ScheduleSpec::parse("plateau")});
  groups[0].schedule = ScheduleSpec();
  groups[1].frozen = true;
  Optimizer optimizer(*cpu, tensors, groups);
  const double value = 3;
  optimizer.observe(&value);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(optimizer.group_states()[i].plateau.observations, 0) << i;
  groups[1].frozen = false;
  optimizer.set_groups(groups);
  optimizer.observe(&value);
  EXPECT_EQ(optimizer.group_states()[1].plateau.best, 3);
  EXPECT_EQ(message_of([&] { optimizer.observe(nullptr); }), "bad_argument: the observed value is missing");
}

TEST(Plateau, GoesToAFileAndBack) {
  const auto cpu = make_cpu_backend({1, {}});
  float p = 0, g = 0;
  const Trainable tensor{"p", &p, &g, {1}};
  const ParameterGroup group{OptimizerSpec::parse("sgd:lr=1"), ScheduleSpec::parse("plateau:patience=1,cooldown=2")};
  Optimizer one(*cpu, {&tensor, 1}, group), two(*cpu, {&tensor, 1}, group);
  const double value = 1;
  for (int i = 0; i < 4; ++i) one.observe(&value);
  two.load(one.save());
  for (int i = 0; i < 9; ++i) {
    for (Optimizer* optimizer : {&one, &two}) {
      optimizer->observe(&value);
      optimizer->step();
    }
    EXPECT_EQ(std::memcmp(one.group_states(), two.group_states(), sizeof(GroupState)), 0);
  }
  EXPECT_LT(one.group_states()->lr, 0.011);
}

/// A trainer's plateau observes each epoch's loss; a run goes on from its checkpoint with the same bits.
TEST(Plateau, OfATrainerObservesEpochs) {
  const auto cpu = make_cpu_backend({1, {}});
  const Dataset data = testing::blobs(64), other = testing::blobs(30, 3, 9);
  const auto trainer = [&] {
    return Trainer(*cpu, {2, {{4, "relu"}, {3}}, Init::he, 1}, "softmax_cross_entropy", "sgd:lr=0.25",
                   "plateau:patience=0,gamma=0.5,threshold=0.5,threshold_mode=abs");
  };
  Trainer whole = trainer(), first = trainer(), second = trainer();
  FitOptions options{.epochs = 5, .batch_size = 16, .validation = &other};
  whole.fit(data, options);
  std::vector<double> losses, rates{0.25};
  for (const EpochRecord& epoch : whole.history()) losses.push_back(epoch.test->loss);
  for (const double f :
       reference::plateau({{"patience", 0}, {"gamma", 0.5}, {"threshold", 0.5}, {"threshold_mode", 1}}, losses))
    rates.push_back(0.25 * f);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(whole.history()[i].lr, rates[i]) << i;
  EXPECT_LT(rates[4], 0.25);
  options.epochs = 3;
  first.fit(data, options);
  second.restore(first.snapshot());
  options.epochs = 5;
  second.fit(data, options);
  EXPECT_TRUE(second.snapshot().tensors.tensors == whole.snapshot().tensors.tensors);
}

}  // namespace
}  // namespace fuselage
