// `fuselage eval --scores` and `--class-sums`: numbers counted by hand, on the CPU and by the reference.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/cli.h"

namespace fuselage {
namespace {

using test::Json;
using EvalScores = test::CliTest;

constexpr const char* kDevices[] = {"", " --device reference"};

TEST_F(EvalScores, OfClasses) {
  // p = 0.8 of four rows and 1/2 of one; the last is masked.
  const float x = std::log(4.0f);
  const std::string in = " --loss poly1 --pred " + npy<float>("x.npy", {6, 2}, {x, 0, x, 0, 0, x, 0, x, 0, 0, 0, x}) +
                         " --target " + npy<std::int64_t>("t.npy", {6}, {0, 1, 1, 1, 1, 0}) + " --mask " +
                         npy<std::uint8_t>("m.npy", {6}, {1, 1, 1, 1, 1, 0});
  for (const char* device : kDevices) {
    const Json json = run("eval --json --scores --bins 4" + in + device).json();
    EXPECT_DOUBLE_EQ(json["accuracy"], 0.6);
    EXPECT_EQ(json["class_rows"], Json({1, 4}));
    EXPECT_EQ(json["class_predicted"], Json({3, 2}));
    EXPECT_EQ(json["class_right"], Json({1, 2}));
    EXPECT_DOUBLE_EQ(json["precision"][0], 1.0 / 3);
    EXPECT_DOUBLE_EQ(json["recall"][1], 0.5);
    EXPECT_DOUBLE_EQ(json["f1"][1], 2.0 / 3);
    EXPECT_DOUBLE_EQ(json["macro_f1"], (0.5 + 2.0 / 3) / 2);
    EXPECT_NEAR(json["ece"].get<double>(), (std::abs(0 - 0.5) + std::abs(3 - 3.2)) / 5, 1e-7);
  }
  const std::string text = run("eval --scores" + in).out;
  EXPECT_NE(text.find("class_right    [1,2]"), std::string::npos) << text;
}

TEST_F(EvalScores, OfAYesAndANo) {
  const std::string in = " --loss bce --pred " + npy<float>("p.npy", {5}, {0.9f, 0.8f, 0.3f, 0.2f, 0.1f}) +
                         " --target " + npy<float>("t.npy", {5}, {1, 0, 1, 0, 0});
  for (const char* device : kDevices) {
    const Json json = run("eval --json --scores" + in + device).json();
    EXPECT_DOUBLE_EQ(json["accuracy"], 0.6);
    EXPECT_EQ(json["class_rows"], Json({3, 2}));
    EXPECT_EQ(json["precision"], Json({2.0 / 3, 0.5}));
    EXPECT_EQ(json["recall"], Json({2.0 / 3, 0.5}));
    EXPECT_FALSE(json.contains("ece"));
  }
}

TEST_F(EvalScores, ARowWithoutAConfidenceIsNotTallied) {
  const std::string in = " --loss cross_entropy --pred " +
                         npy<float>("x.npy", {2, 3}, {1, std::numeric_limits<float>::infinity(), 1, 2, 1, 0}) +
                         " --target " + npy<std::int64_t>("t.npy", {2}, {0, 0});
  for (const char* device : kDevices) {
    const Json json = run("eval --json --scores" + in + device).json();
    EXPECT_EQ(json["class_rows"], Json({1, 0, 0})) << device;
    EXPECT_NEAR(json["ece"].get<double>(), 1.0 / 3, 1e-6) << device;
  }
}

TEST_F(EvalScores, SumsOfClasses) {
  const std::string in = " --loss nll:ignore_index=2 --reduction sum --pred " +
                         npy<float>("x.npy", {7, 3}, {-1, -2, -3, -1, -2, -3, -4, -2, -3, -1, -5,
                                                      -3, -1, -2, -3, -1, -2, -3, -1, -9, -3}) +
                         " --target " + npy<std::int64_t>("t.npy", {7}, {0, 1, 0, 1, 2, 7, 1}) + " --weight " +
                         npy<float>("w.npy", {7}, {1, 2, 3, 1, 1, 1, 1}) + " --mask " +
                         npy<std::uint8_t>("m.npy", {7}, {1, 1, 1, 1, 1, 1, 0});
  for (const char* device : kDevices) {
    const Json json = run("eval --json --class-sums" + in + device).json();
    EXPECT_EQ(json["class_count"], Json({2, 2, 0}));
    EXPECT_EQ(json["class_weight"], Json({4, 3, 0}));
    EXPECT_EQ(json["class_loss"], Json({13.0 / 4, 3, nullptr}));
    EXPECT_EQ(json["value"], 22) << "the same losses";
  }
}

TEST_F(EvalScores, SumsOfSequences) {
  const std::string in = " --loss nll --pred " + npy<float>("x.npy", {2, 2, 1}, {-1, -2, -4, -8}) + " --target " +
                         npy<std::int64_t>("t.npy", {2, 2}, {0, 0, 0, 0}) + " --lengths " +
                         npy<std::int64_t>("l.npy", {2}, {1, 2});
  for (const char* device : kDevices) {
    const Json json = run("eval --json --class-sums" + in + device).json();
    EXPECT_EQ(json["class_count"], Json({3}));
    EXPECT_EQ(json["class_loss"], Json({13.0 / 3}));
  }
}

TEST_F(EvalScores, WhatHasNoneIsRefused) {
  refuse("eval --scores --loss mse" + mse_inputs(), 2, {"--scores", "mse decides nothing"});
  refuse("eval --class-sums --loss mse" + mse_inputs(), 2, {"--class-sums", "mse has no class labels"});
  const std::string x = npy<float>("x.npy", {1, 2}, {1, 2});
  refuse("eval --class-sums --loss nll --pred " + x + " --target " + x, 2, {"nll has no class labels here"});
  const std::string wide = " --loss nll --pred " + npy<float>("wide.npy", {1, 4097}, std::vector<float>(4097)) +
                           " --target " + npy<std::int64_t>("t.npy", {1}, {0});
  for (const std::string option : {"--scores", "--class-sums"})
    refuse("eval " + option + wide, 2, {option, "4097 classes", "at most 4096"});
}

}  // namespace
}  // namespace fuselage
