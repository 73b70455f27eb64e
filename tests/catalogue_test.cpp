// Text forms, ranges and suggestions of the lists.
#include "fuselage/core/catalogue.h"

#include <gtest/gtest.h>

#include "fuselage/core/suggest.h"
#include "fuselage/losses.h"
#include "fuselage/optimizers.h"

namespace fuselage {
namespace {

struct Sample {
  static constexpr std::string_view name = "sample", formula = "f", summary = "for this test";
  double rate = 0.5;
  std::int64_t count = 3;
  bool flag = false;
  std::optional<std::int64_t> maybe;
  std::optional<double> share;
  static void fields(auto&& field) {
    field("rate", &Sample::rate, kFraction, "r");
    field("count", &Sample::count, kPositive, "c");
    field("flag", &Sample::flag, kFraction, "f");
    field("maybe", &Sample::maybe, Range{-5, 5}, "m");
    field("share", &Sample::share, kFraction, "s");
  }
  bool operator==(const Sample&) const = default;
};
using Samples = Catalogue<Sample>;

template <class F>
std::pair<Errc, std::string> error_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return {e.code(), e.what()};
  }
  ADD_FAILURE() << "no error";
  return {Errc::bad_argument, ""};
}

TEST(Catalogue, ParsesAndPrintsAllTypes) {
  const std::string text = "sample:rate=0.25,count=1000,flag=true,maybe=-2,share=0.75";
  const auto any = Samples::parse(text, "sample");
  EXPECT_EQ(std::get<Sample>(any), (Sample{0.25, 1000, true, -2, 0.75}));
  EXPECT_EQ(Samples::to_string(any), text);
  EXPECT_EQ(Samples::to_string(Samples::parse("sample", "sample")), "sample");
  EXPECT_EQ(std::get<Sample>(Samples::parse("sample:share=none", "sample")).share, std::nullopt);
  EXPECT_EQ(std::get<Sample>(Samples::parse("sample:count=1e3,maybe=none", "sample")).count, 1000);
  EXPECT_EQ(std::get<Sample>(Samples::parse("sample:maybe=4e0", "sample")).maybe, 4);
}

TEST(Catalogue, RefusesWhatDoesNotFitAFloat) {
  const auto parse = [](const char* text) { return error_of([&] { Losses::parse(text, "loss"); }).second; };
  const std::string why = " does not fit a float, whose largest number is 3.4028235e+38";
  EXPECT_EQ(parse("categorical_focal:gamma=1e60"), "categorical_focal: gamma = 1e+60" + why);
  EXPECT_EQ(parse("asymmetric:gamma_pos=1e60"), "asymmetric: gamma_pos = 1e+60" + why);
  EXPECT_EQ(parse("smape:eps=3.5e38"), "smape: eps = 3.5e+38" + why);
  EXPECT_EQ(parse("poly1:epsilon=-1e39"), "poly1: epsilon = -1e+39" + why);
  EXPECT_NO_THROW(Losses::parse("smape:eps=3.4e38", "loss"));
}

TEST(Catalogue, RefusesByName) {
  auto parse = [](const char* text) { return error_of([&] { Samples::parse(text, "sample"); }); };
  EXPECT_EQ(parse("sampel"),
            std::pair(Errc::unknown_name, std::string("unknown sample 'sampel' (did you mean 'sample'?)")));
  EXPECT_NE(parse("sample:ratio=1").second.find("did you mean 'rate'"), std::string::npos);
  EXPECT_NE(parse("sample:zzzzzz=1").second.find("known: rate, count, flag, maybe, share"), std::string::npos);
  EXPECT_EQ(parse("sample:rate=1.5").second, "sample: rate = 1.5 is outside [0, 1]");
  EXPECT_EQ(parse("sample:rate=0.5,flag=true,rate=0.25").second, "sample: 'rate' is given twice");
  EXPECT_EQ(error_of([] { Losses::parse("policy_gradient:form=score", "loss"); }).second,
            "policy_gradient: form = 'score' is none of its choices (did you mean 'scores'?)");
  for (const char* text :
       {"sample:rate=nan", "sample:rate=", "sample:rate=1x", "sample:count=1.5", "sample:count=0", "sample:flag=yes",
        "sample:maybe=9", "sample:share=2", "sample:share=x", "sample:rate", "sample:=1"})
    EXPECT_EQ(parse(text).first, Errc::bad_argument) << text;
}

TEST(Catalogue, ChecksStructsToo) {
  EXPECT_THROW(Losses::check(loss::Huber{.delta = -1}), Error);
  EXPECT_THROW(Losses::check(loss::Huber{.delta = __builtin_nan("")}), Error);
  EXPECT_NO_THROW(Losses::check(loss::SmoothL1{.beta = 0}));
  loss::PolicyGradient none;
  none.form = static_cast<decltype(none.form)>(9);
  EXPECT_NE(error_of([&] { Losses::check(none); }).second.find("form = 9 is none of its choices: logits, "),
            std::string::npos);
}

TEST(OptimizerSpec, TakesRuleAndUpdateFields) {
  const OptimizerSpec spec = OptimizerSpec::parse("adam:lr=0.01,l2=0.5,beta1=0.8");
  EXPECT_EQ(std::get<optim::Adam>(spec.rule).beta1, 0.8);
  EXPECT_EQ(spec.options.l2, 0.5);
  EXPECT_EQ(OptimizerSpec::parse(spec.to_string()).to_string(), spec.to_string());
  EXPECT_EQ(OptimizerSpec::parse("sgd:l1=2").to_string(), "sgd:l1=2");
  for (const char* text : {"adam:beta2=1", "adam:lr=nan", "adam:eps=-1", "sgd:l2=-1", "adam:beta1=-0.1"})
    EXPECT_THROW(OptimizerSpec::parse(text), Error) << text;
  EXPECT_NO_THROW(OptimizerSpec::parse("adam:beta1=0,beta2=0"));
}

TEST(Suggest, SeesSwapsAndDrops) {
  EXPECT_EQ(edit_distance("huber", "hubre"), 1u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

}  // namespace
}  // namespace fuselage
