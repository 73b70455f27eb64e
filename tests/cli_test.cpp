// The program as its users meet it: numbers, JSON, exit codes, and messages that name what is wrong.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "fuselage/compat.h"
#include "fuselage/data.h"
#include "fuselage/losses.h"
#include "fuselage/optimizers.h"
#include "fuselage/pair_losses.h"
#include "host/validate/problem.h"
#include "tests/support/cli.h"

namespace fuselage {
namespace {

using test::Json;
using test::TempFolder;

using Cli = test::CliTest;
using Result = test::CliResult;

TEST_F(Cli, StepsWithStateAreTheStepsInOneGo) {
  const std::string p = npy<float>("p.npy", {3}, {1, -2, 3}), g1 = npy<float>("g1.npy", {3}, {0.5f, 1, -1}),
                    g2 = npy<float>("g2.npy", {3}, {1, -1, 0.25f});
  const std::string adam = "step --json --optimizer adam:lr=0.1 --param ";
  const Json json = run(adam + p + " --grad " + g1 + " --grad " + g2 + " --param-out " + path("both.npy")).json();
  EXPECT_EQ(json["step"], 2);
  EXPECT_EQ(json["lr"], 0.1);
  EXPECT_EQ(json["count"], 3);
  EXPECT_EQ(json["nonfinite"], 0);
  ASSERT_EQ(run(adam + p + " --grad " + g1 + " --param-out " + path("one.npy") + " --state-out " + path("s.st")).status,
            0);
  const Json second =
      run(adam + path("one.npy") + " --grad " + g2 + " --param-out " + path("two.npy") + " --state " + path("s.st"))
          .json();
  EXPECT_EQ(second["step"], 2);
  EXPECT_EQ(read_npy(path("two.npy")), read_npy(path("both.npy")));
  ASSERT_EQ(
      run(adam + p + " --grad " + g1 + " --grad " + g2 + " --device reference --param-out " + path("r.npy")).status, 0);
  const auto got = validate::to_doubles(read_npy(path("both.npy"))),
             expected = validate::to_doubles(read_npy(path("r.npy")));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(got[i], expected[i], 1e-6);
  EXPECT_NE(got[0], 1);
}

TEST_F(Cli, StepSkipsWhatIsNotFiniteAndFollowsASchedule) {
  const std::string p = npy<float>("p.npy", {2}, {1, 2}), bad = npy<float>("bad.npy", {2}, {1, HUGE_VALF}),
                    g = npy<float>("g.npy", {2}, {1, 1});
  const Json json = run("step --json --optimizer sgd:lr=1 --schedule step:every=1,gamma=0.5 --param " + p + " --grad " +
                        g + " --grad " + bad + " --grad " + g + " --param-out " + path("out.npy"))
                        .json();
  EXPECT_EQ(json["step"], 2);
  EXPECT_EQ(json["skipped"], 1);
  EXPECT_EQ(json["nonfinite"], 1);
  EXPECT_EQ(json["lr"], 0.5);
  EXPECT_EQ(validate::to_doubles(read_npy(path("out.npy"))), (std::vector<double>{-0.5, 0.5}));
}

TEST_F(Cli, StepRefusesStatesByName) {
  const std::string p = npy<float>("p.npy", {2}, {1, 2}), g = npy<float>("g.npy", {2}, {1, 1});
  const auto with = [&](const std::vector<std::pair<std::string, Array>>& tensors) {
    TensorFile file;
    file.tensors = tensors;
    write_safetensors(folder_ / "s.st", file);
    return "step --optimizer adam --param " + p + " --grad " + g + " --param-out " + path("o.npy") + " --state " +
           path("s.st");
  };
  const Array step = Array::of({1}, std::vector<std::int64_t>{1}), slot(DType::f32, {2}), other(DType::f32, {3});
  EXPECT_EQ(run(with({{"step", step}, {"state0", slot}, {"state1", slot}})).status, 0);
  refuse(with({{"step", step}, {"state0", slot}}), 3, {"'state1' is missing"});
  refuse(with({{"step", step}, {"state0", slot}, {"state1", slot}, {"state2", slot}}), 3, {"no state 'state2'"});
  refuse(with({{"step", step}, {"state0", slot}, {"state1", other}}), 3, {"'state1'", "[3]", "[2]"});
  refuse(with({{"state0", slot}, {"state1", slot}}), 3, {"'step' is missing"});
}

TEST_F(Cli, ListsAreTheLists) {
  const Json losses = run("list losses --json").json();
  ASSERT_EQ(losses.size(), Losses::size + PairLosses::size + Penalties::size + EpisodeFunctions::size);
  const auto expect_kind = [&](std::size_t first, const auto& names, const char* kind) {
    for (std::size_t i = 0; i < std::size(names); ++i) {
      EXPECT_EQ(losses[first + i]["name"], names[i]);
      EXPECT_EQ(losses[first + i]["kind"], kind);
    }
  };
  expect_kind(Losses::size, PairLosses::names, "pairs");
  expect_kind(Losses::size + PairLosses::size, Penalties::names, "penalty");
  EXPECT_EQ(losses.back()["name"], "gae");
  EXPECT_EQ(losses.back()["kind"], "function");
  for (std::size_t i = 0; i < Losses::size; ++i) {
    EXPECT_EQ(losses[i]["name"], Losses::names[i]);
    EXPECT_TRUE(losses[i]["kind"] == "row" || losses[i]["kind"] == "pointwise");
    EXPECT_EQ(losses[i]["inputs"][0]["name"], "pred");
    EXPECT_EQ(losses[i]["inputs"][0]["required"], true);
    EXPECT_TRUE(losses[i].contains("prediction") && losses[i].contains("target"));
    if (losses[i]["name"] == "gaussian_nll") {
      EXPECT_EQ(losses[i]["inputs"][0]["means"], "mean");
      EXPECT_EQ(losses[i]["inputs"][1]["name"], "variance");
      EXPECT_EQ(losses[i]["inputs"][1]["gradient"], true);
    }
    for (const Json& field : losses[i]["fields"])
      for (const char* key : {"name", "type", "default", "low", "high", "low_open", "high_open", "help"})
        EXPECT_TRUE(field.contains(key)) << key;
  }
  EXPECT_EQ(run("list optimizers --json").json().size(), Optimizers::size);
  for (const char* list : {"pairs", "penalties", "functions", "metrics", "schedules", "activations"})
    EXPECT_GT(run("list " + std::string(list) + " --json").json().size(), 1u);
  refuse("list loses", 2, {"'loses'", "did you mean 'losses'"});
}

TEST_F(Cli, TheDocumentationHoldsTheListsAsPrinted) {
  const std::string root = test::source_dir().string();
  if (!std::filesystem::exists(root + "/README.md")) GTEST_SKIP() << "no documentation under " << root;
  const std::vector<std::pair<std::string, std::vector<std::string>>> pages{
      {"/docs/conventions.md",
       {"losses", "pairs", "penalties", "functions", "optimizers", "metrics", "schedules", "activations", "compat"}},
      {"/README.md", {"losses", "optimizers"}}};
  for (const auto& [page, lists] : pages) {
    const std::string text = test::bytes_of(root + page);
    for (const std::string& list : lists) {
      const std::string begin = "<!-- fuselage list " + list + " --markdown -->\n", end = "<!-- end -->";
      const std::size_t from = text.find(begin);
      ASSERT_NE(from, std::string::npos) << page << ": " << list;
      const std::size_t first = from + begin.size();
      EXPECT_EQ(text.substr(first, text.find(end, first) - first), run("list " + list + " --markdown").out) << page;
    }
  }
}

TEST_F(Cli, DoctorAndBenchSayWhatTheyAreAskedFor) {
  const Json doctor = run("doctor --json").json();
  EXPECT_FALSE(doctor["cpu"]["targets"].empty());
  EXPECT_GE(doctor["cpu"]["threads"].get<int>(), 1);
  EXPECT_TRUE(doctor["cuda"]["built"].is_boolean());
  EXPECT_EQ(doctor["cpu"]["products"].get<std::string>().find("oneDNN "), 0u);
  // Arrays that outgrow the caches until a second is over, and small ones of everything.
  const Json large = run("bench --quick --time-limit 1 --json --device cpu").json();
  ASSERT_EQ(large.size(), 1u);
  EXPECT_GT(large[0]["copy_gb_per_s"].get<double>(), 0);
  EXPECT_EQ(large[0]["rows"].at(0)["shape"], "[1048576, 1]");
  const Json bench = run("bench --quick --elements 64 --json --device cpu").json();
  EXPECT_EQ(large[0]["rows"].size() + large[0]["left_out"].size(), bench[0]["rows"].size());
  EXPECT_EQ(bench[0]["rows"].at(0)["shape"], "[64, 1]");
  EXPECT_GE(bench[0]["rows"].size(), 3 * (Losses::size + PairLosses::size + Optimizers::size) + 3 * 4 + 2);
  for (const Json& row : bench[0]["rows"]) EXPECT_GT(row["gb_per_s"].get<double>(), 0) << row;
  EXPECT_TRUE(bench[0]["left_out"].empty());
  const Json limited = run("bench --elements 64 --time-limit 1e-9 --json --device cpu").json();
  EXPECT_TRUE(limited[0]["rows"].empty());
  EXPECT_EQ(limited[0]["left_out"].size(), bench[0]["rows"].size()) << "every row is named";
}

TEST_F(Cli, WhatCannotBePrintedIsAFailure) {
  for (const char* arguments : {"list losses", "doctor --json", "--help", "eval --help", "--version"}) {
    const int status = std::system((program_ + " " + arguments + " >/dev/full 2>'" + path("err") + "'").c_str());
    EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 3) << arguments;
    EXPECT_EQ(test::bytes_of(path("err")), "fuselage: cannot write to standard output\n") << arguments;
  }
}

TEST_F(Cli, NumbersThatDoNotFitAreRefused) {
  refuse("validate --seed -1", 2, {"--seed: '-1' is not a whole number from 0 to 2^64 - 1"});
  refuse("validate --seed 18446744073709551616", 2, {"--seed: '18446744073709551616' is not"});
  refuse("bench --time-limit nan", 2, {"--time-limit: 'nan' is not a finite number of at least 0"});
  refuse("bench --time-limit -1", 2, {"--time-limit: '-1' is not"});
}

TEST_F(Cli, ValidateReportsWhatItSaw) {
  const Result result = run("validate --quick --device cpu --name huber --name adamw --finite-difference --json");
  EXPECT_EQ(result.status, 0) << result.out;
  const Json json = result.json();
  EXPECT_EQ(json["passed"], true);
  EXPECT_GE(json["derivatives"].size(), Losses::size) << "all of them, whatever the names";
  EXPECT_EQ(json["rows"].size(), 6U);
  for (const Json& row : json["rows"]) EXPECT_TRUE(row["name"] == "huber" || row["name"] == "adamw") << row;
  refuse("validate --device cuda:77", 4, {});
  refuse("validate --quick --device cpu --name hubert", 2, {"unknown loss, penalty or optimizer 'hubert'", "huber"});
}

TEST_F(Cli, ARunThatIsRefusedLeavesTheOldOneAlone) {
  std::ofstream table(path("data.csv"));
  table << "x,y,label\n";
  for (int i = 0; i < 60; ++i) table << i % 7 << ',' << i % 5 << ',' << i % 3 << '\n';
  table.close();
  std::ofstream file(path("run.toml"));
  file << "loss = \"softmax_cross_entropy\"\noptimizer = \"adam\"\n[data]\nkind = \"csv\"\n"
       << "train_features = \"data.csv\"\nlabel_column = \"label\"\n[model]\nlayers = [{ dense = 3 }]\n"
       << "[train]\nepochs = 1\nbatch_size = 20\n";
  file.close();
  const std::string train = "train '" + path("run.toml") + "' --device cpu train.out='" + path("out_run") + "' ";
  const std::string commit = path("out_run/checkpoint/checkpoint.json"), settings = path("out_run/run.toml");
  ASSERT_EQ(run(train).status, 0) << test::bytes_of(path("err"));
  const std::string committed = test::bytes_of(commit), set = test::bytes_of(settings);
  EXPECT_NE(run(train + "'model.layers=[{ dense = 2 }]'").status, 0) << "two outputs for three classes";
  EXPECT_EQ(test::bytes_of(commit), committed);
  EXPECT_EQ(run("train --resume '" + path("out_run") + "' train.batch_size=30").status, 2);
  EXPECT_EQ(test::bytes_of(settings), set) << "a refused resumption changes nothing";
  EXPECT_EQ(run("train --resume '" + path("out_run") + "' train.epochs=2").status, 0);
  ASSERT_EQ(run(train + "train.seed=9").status, 0);
  EXPECT_TRUE(std::filesystem::exists(path("out_run/previous/checkpoint/checkpoint.json")));
}

TEST_F(Cli, UsageErrors) {
  EXPECT_EQ(run("").status, 2);
  EXPECT_EQ(run("--help").status, 0);
  EXPECT_EQ(run("eval --help").status, 0);
  const Result version = run("--version");
  EXPECT_EQ(version.status, 0);
  int numbers[3];
  char end = 0;
  EXPECT_EQ(std::sscanf(version.out.c_str(), "fuselage %d.%d.%d%c", &numbers[0], &numbers[1], &numbers[2], &end), 4)
      << version.out;
  EXPECT_EQ(end, '\n') << version.out;
  refuse("evl", 2, {"did you mean 'eval'"});
  refuse("list losses --jsn", 2, {"--jsn", "did you mean '--json'"});
}

}  // namespace
}  // namespace fuselage
