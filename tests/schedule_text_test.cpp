// Schedules made of several: what they give, their texts, what a run makes of them, and what is refused.
#include <gtest/gtest.h>

#include "fuselage/schedules.h"
#include "support/batches.h"

namespace fuselage {
namespace {

using testing::message_of;

double factor(std::string_view text, std::int64_t step) {
  return PlainSchedule(ScheduleSpec::parse(text)).factor(step, {});
}

std::string refusal(std::string_view text) {
  return message_of([&] { ScheduleSpec::parse(text); });
}

TEST(Chained, MultipliesAndFollows) {
  const char* product = "warmup:steps=4 * linear:total=8";
  EXPECT_EQ(factor(product, 0), 0.25);
  EXPECT_EQ(factor(product, 1), 0.5 * 0.875);
  EXPECT_EQ(factor(product, 6), 0.25);
  const char* phases =
      "linear:total=4,start=0,end=1 | 4 | step:every=2,gamma=0.5 * constant | 10 | linear:total=4,end=0.5";
  EXPECT_EQ(factor(phases, 3), 0.75);
  EXPECT_EQ(factor(phases, 4), 1);
  EXPECT_EQ(factor(phases, 6), 0.5);
  EXPECT_EQ(factor(phases, 9), 0.25);
  EXPECT_EQ(factor(phases, 10), 1);
  EXPECT_EQ(factor(phases, 12), 0.75);
  EXPECT_EQ(factor(phases, 14), 0.5);
  EXPECT_EQ(factor(phases, INT64_MAX), 0.5);
}

TEST(Chained, TextsComeBack) {
  for (const char* text :
       {"constant", "cosine:total=1000", "warmup:steps=100 * cosine:total=1000",
        "linear:total=100,start=0,end=1 | 100 | cosine:total=900", "multistep:at=30/60/90,gamma=0.5",
        "multistep:at=none", "piecewise:at=1/2,values=0.25/1e-05/3,interpolate=cosine",
        "constant | 1 | warmup:steps=2 * wsd:total=9,shape=1-sqrt * plateau | 9000000000000000 | step"})
    EXPECT_EQ(ScheduleSpec::parse(text).to_string(), text);
  EXPECT_EQ(ScheduleSpec::parse(" \twarmup:steps=100*cosine:total=1e3|  200|step ").to_string(),
            "warmup:steps=100 * cosine:total=1000 | 200 | step");
  EXPECT_EQ(ScheduleSpec(schedule::Step{.every = 3}).to_string(), "step:every=3");
  EXPECT_EQ(ScheduleSpec().to_string(), "constant");
}

TEST(Chained, TakesWhatARunGives) {
  const auto over = [](const char* text, std::int64_t steps) {
    return ScheduleSpec::parse(text).over(steps).to_string();
  };
  EXPECT_EQ(over("cosine:warmup=5", 100), "cosine:total=100,warmup=5");
  EXPECT_EQ(over("cosine:total=7", 100), "cosine:total=7");
  EXPECT_EQ(over("cosine:first=7", 100), "cosine:first=7");
  EXPECT_EQ(over("warmup:steps=10 * linear", 100), "warmup:steps=10 * linear:total=100");
  EXPECT_EQ(over("one_cycle | 30 | wsd | 80 | polynomial * plateau", 100),
            "one_cycle:total=30 | 30 | wsd:total=50 | 80 | polynomial:total=20 * plateau");
  EXPECT_EQ(over("constant | 30 | cosine | 120 | step", 100), "constant | 30 | cosine:total=70 | 120 | step");
  EXPECT_EQ(message_of([&] { over("cosine:warmup=5", 5); }),
            "bad_argument: cosine: warmup = 5 leaves nothing of total = 5, over a run of 5 steps");
  EXPECT_EQ(message_of([&] { over("constant | 30 | linear", 30); }),
            "bad_argument: schedule 'constant | 30 | linear': begins after the end, over a run of 30 steps");
  EXPECT_EQ(ScheduleSpec::parse("warmup * linear").endless(), "linear");
  EXPECT_EQ(ScheduleSpec::parse("cosine:first=3 * linear:total=3").endless(), "");
}

TEST(Chained, RefusesByName) {
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"", "bad_argument: schedule '': a term is missing"},
           {"cosin", "unknown_name: unknown schedule 'cosin' (did you mean 'cosine'?)"},
           {"cosine * ", "bad_argument: schedule 'cosine * ': a term is missing"},
           {"cosine | 5", "bad_argument: schedule 'cosine | 5': ends with a step, expected a phase after it"},
           {"cosine | step",
            "bad_argument: schedule 'cosine | step': 'step' is not a step above 0, at which the next "
            "phase could begin"},
           {"step | 5 | step | 5 | step",
            "bad_argument: schedule 'step | 5 | step | 5 | step': '5' is not a step above "
            "5, at which the next phase could begin"},
           {"step | 1e16 | step",
            "bad_argument: schedule 'step | 1e16 | step': '1e16' is not a step above 0, at which "
            "the next phase could begin"},
           {"plateau * plateau", "bad_argument: schedule 'plateau * plateau': two plateaus, expected one at most"},
           {"step*step*step*step*step*step*step*step*step",
            "bad_argument: schedule 'step * step * step * step * step * step * step * step * step': 9 terms, expected "
            "1 "
            "to 8"},
           {"step:every=0", "bad_argument: step: every = 0 is outside [1, 9e+15]"},
           {"multistep:at=3/3", "bad_argument: multistep: at[1] = 3 is not above 3, the one before it"},
           {"multistep:at=0/3", "bad_argument: multistep: at = 0/3 is outside [1, 9e+15]"},
           {"multistep:at=1/x", "bad_argument: multistep: at = '1/x' is not a valid integer list of up to 16"},
           {"multistep:at=1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17",
            "bad_argument: multistep: at = '1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17' is not a valid integer list of "
            "up to 16"},
           {"piecewise:at=3", "bad_argument: piecewise: 3 values for 1 steps, expected one more"},
           {"piecewise:at=4/3", "bad_argument: piecewise: at[1] = 3 is not above 4, the one before it"},
           {"piecewise:values=1/-1/2", "bad_argument: piecewise: values = 1/-1/2 is outside [0, inf)"},
           {"piecewise:interpolate=spline",
            "bad_argument: piecewise: interpolate = 'spline' is none of its choices; known: none, linear, cosine"},
           {"exponential:gamma=0", "bad_argument: exponential: gamma = 0 is outside (0, inf)"},
           {"polynomial:power=0", "bad_argument: polynomial: power = 0 is outside (0, inf)"},
           {"linear:end=nan", "bad_argument: linear: end = nan is outside [0, inf)"},
           {"cosine:total=2,warmup=10", "bad_argument: cosine: warmup = 10 leaves nothing of total = 2"},
           {"cosine:growth=1.001", "bad_argument: cosine: growth = 1.001000, expected 1 or at least 1.01"},
           {"one_cycle:pct_start=1.5", "bad_argument: one_cycle: pct_start = 1.5 is outside [0, 1]"},
           {"warmup:offset=2", "bad_argument: warmup: offset = 2 is outside [0, 1]"},
           {"wsd:total=100,warmup=95",
            "bad_argument: wsd: warmup = 95 and a decay of 10 steps are more than total = 100"},
           {"inverse_time:rate=-1", "bad_argument: inverse_time: rate = -1 is outside [0, inf)"},
           {"inverse_sqrt:timescale=0", "bad_argument: inverse_sqrt: timescale = 0 is outside [1, 9e+15]"},
           {"plateau:gamma=1", "bad_argument: plateau: gamma = 1 is outside (0, 1)"},
           {"plateau:mode=least", "bad_argument: plateau: mode = 'least' is none of its choices; known: min, max"}})
    EXPECT_EQ(refusal(text), message);
  ScheduleSpec late = ScheduleSpec::parse("step | 5 | step");
  late.terms[0].from = 3;
  EXPECT_EQ(message_of([&] { late.check(); }),
            "bad_argument: schedule 'step | 5 | step': the first phase begins at step 3, expected 0");
  late.terms[0].from = 0;
  late.terms.push_back({schedule::Constant{}, 4});
  EXPECT_NE(message_of([&] { late.check(); }).find("a phase begins at step 4 and the one before it at 5"),
            std::string::npos);
  late.terms.clear();
  EXPECT_EQ(message_of([&] { late.check(); }), "bad_argument: schedule '': 0 terms, expected 1 to 8");
  EXPECT_EQ(message_of([] { schedule::Milestones{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}; }),
            "bad_argument: a list holds 16 numbers at most");
}

}  // namespace
}  // namespace fuselage
