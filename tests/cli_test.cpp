// The program as its users meet it: numbers, JSON, exit codes, and messages that name what is wrong.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fuselage/compat.h"
#include "fuselage/data.h"
#include "fuselage/losses.h"
#include "fuselage/optimizers.h"
#include "fuselage/pair_losses.h"
#include "host/validate/problem.h"
#include "tests/support/files.h"
#include "tests/support/paths.h"

namespace fuselage {
namespace {

using Json = nlohmann::json;
using test::TempFolder;

struct Result {
  int status = -1;
  std::string out, err;
  Json json() const { return Json::parse(out); }
};

class Cli : public testing::Test {
 protected:
  TempFolder folder_;
  const std::string program_ = "'" + test::environment_or("FUSELAGE_CLI", FUSELAGE_CLI) + "'";

  std::string path(std::string_view name) const { return (folder_ / name).string(); }

  Result run(const std::string& arguments) const {
    const std::string command = program_ + " " + arguments + " >'" + path("out") + "' 2>'" + path("err") + "'";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, test::bytes_of(path("out")), test::bytes_of(path("err"))};
  }
  /// Runs, and expects an exit status and words of the message.
  void refuse(const std::string& arguments, int status, const std::vector<std::string>& words) const {
    const Result result = run(arguments);
    EXPECT_EQ(result.status, status) << arguments << "\n" << result.err;
    for (const std::string& word : words)
      EXPECT_NE(result.err.find(word), std::string::npos) << "'" << word << "' in: " << result.err;
    EXPECT_EQ(result.out, "") << "errors belong to stderr";
  }

  template <class T>
  std::string npy(const std::string& name, std::vector<std::int64_t> shape, const std::vector<T>& values) const {
    write_npy(folder_ / name, Array::of(std::move(shape), values));
    return path(name);
  }
  std::string mse_inputs() const {
    return " --pred " + npy<float>("y.npy", {4}, {2.5f, 0, 2, 8}) + " --target " +
           npy<double>("t.npy", {4}, {3, -0.5, 2, 7}) + " ";
  }
};

TEST_F(Cli, KnownValues) {
  EXPECT_DOUBLE_EQ(run("eval --json --loss mse" + mse_inputs()).json()["value"].get<double>(), 0.375);
  const std::string hinge = " --pred " + npy<float>("h.npy", {4}, {-1.5f, 1.2f, 0.9f, -0.8f}) + " --target " +
                            npy<std::int64_t>("ht.npy", {4}, {-1, 1, 1, -1});
  EXPECT_NEAR(run("eval --json --loss hinge" + hinge).json()["value"].get<double>(), 0.075, 1e-7);
  const std::string bce = " --pred " + npy<float>("p.npy", {4}, {0.1f, 0.8f, 0.9f, 0.2f}) + " --target " +
                          npy<float>("pt.npy", {4}, {0, 1, 1, 0});
  EXPECT_NEAR(run("eval --json --loss bce" + bce).json()["value"].get<double>(), 0.164252, 1e-6);
  EXPECT_NEAR(run("eval --json --device reference --loss bce" + bce).json()["value"].get<double>(), 0.164252, 1e-6);
}

TEST_F(Cli, EvalJson) {
  const Json json = run("eval --json --loss huber:delta=0.5 --reduction none --dtype bf16" + mse_inputs()).json();
  EXPECT_EQ(json["loss"], "huber:delta=0.5");
  EXPECT_EQ(json["value"], 0);
  EXPECT_EQ(json["weight_sum"], 4);
  EXPECT_EQ(json["count"], 4);
  EXPECT_EQ(json["bad_labels"], 0);
  EXPECT_EQ(json["first_bad_row"], -1);
  EXPECT_EQ(json["nonfinite"], 0);
  EXPECT_EQ(json["reduction"], "none");
  EXPECT_EQ(json["dtype"], "bf16");
  EXPECT_EQ(json["device"], "cpu");
  EXPECT_EQ(json["values"], Json({0.125, 0.125, 0, 0.375}));
}

TEST_F(Cli, EvalWritesTheGradientInTheShapeOfTheFile) {
  const std::string pred = npy<float>("y.npy", {2, 1, 2}, {1, 2, 3, 4}),
                    target = npy<float>("t.npy", {2, 1, 2}, {0, 0, 0, 0});
  for (const char* dtype : {"fp32", "fp16"}) {
    const Result result = run("eval --loss mse --reduction sum --pred " + pred + " --target " + target + " --dtype " +
                              dtype + " --grad-out pred=" + path("g.npy"));
    ASSERT_EQ(result.status, 0) << result.err;
    const Array gradient = read_npy(path("g.npy"));
    EXPECT_EQ(gradient.shape(), (std::vector<std::int64_t>{2, 1, 2}));
    EXPECT_EQ(gradient.dtype(), parse_dtype(dtype));
    EXPECT_EQ(validate::to_doubles(gradient), (std::vector<double>{2, 4, 6, 8}));
  }
}

TEST_F(Cli, EvalWeighsAndMasks) {
  const std::string inputs = mse_inputs() + "--weight " + npy<double>("w.npy", {4}, {1, 3, 1, 1}) + " --mask " +
                             npy<std::uint8_t>("m.npy", {4}, {1, 1, 1, 0});
  for (const char* device : {"cpu", "reference"}) {
    const Json json = run("eval --json --loss mse --device " + std::string(device) + inputs).json();
    EXPECT_EQ(json["count"], 3) << device;
    EXPECT_EQ(json["weight_sum"], 5) << device;
    EXPECT_DOUBLE_EQ(json["value"].get<double>(), 0.2) << device;
  }
}

TEST_F(Cli, EvalCountsBadLabelsAndNonFiniteNumbers) {
  const std::string logits = npy<float>("x.npy", {3, 1}, {1, 2, 3}),
                    labels = npy<std::int32_t>("l.npy", {3}, {1, 0, 1});
  const Result result = run("eval --json --loss softmax_cross_entropy --pred " + logits + " --target " + labels);
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.json()["bad_labels"], 2);
  EXPECT_EQ(result.json()["count"], 1);
  EXPECT_EQ(result.json()["first_bad_row"], 0);
  EXPECT_EQ(result.json()["first_bad_label"], 1);
  const std::string infinite = npy<float>("i.npy", {1}, {HUGE_VALF}), zero = npy<float>("z.npy", {1}, {0});
  const Json json = run("eval --json --loss mse --pred " + infinite + " --target " + zero).json();
  EXPECT_TRUE(json["value"].is_null());
  EXPECT_EQ(json["nonfinite"], 1);
}

TEST_F(Cli, EvalRefusesByName) {
  const std::string mse = "eval --loss mse" + mse_inputs();
  refuse("eval --loss hubr" + mse_inputs(), 2, {"unknown loss 'hubr'", "did you mean 'huber'"});
  refuse("eval --loss info_nce" + mse_inputs(), 2, {"info_nce has a call of its own"});
  refuse("eval --loss mse --reduction none --grad-out pred=" + path("o.npy") + " --values-out " + path("o.npy") +
             mse_inputs(),
         2, {"o.npy' is the file of two outputs"});
  refuse("eval --loss huber:delt=1" + mse_inputs(), 2, {"no field 'delt'", "did you mean 'delta'"});
  refuse("eval --loss huber:delta=-1" + mse_inputs(), 2, {"delta = -1", "(0, inf)"});
  refuse("eval --loss mse --pred " + path("y.npy"), 2, {"mse needs the input 'target'"});
  refuse(mse + "--input weigth=" + path("y.npy"), 2, {"'weigth'", "did you mean 'weight'"});
  refuse(mse + "--class-weight " + path("y.npy"), 2, {"mse has no input 'class_weight'"});
  refuse(mse + "--input pred=" + path("y.npy"), 2, {"'pred' is given twice"});
  refuse(mse + "--reduction average", 2, {"unknown reduction 'average'"});
  refuse(mse + "--dtype fp8", 2, {"unknown dtype 'fp8'"});
  refuse(mse + "--dtype fp64", 2, {"fp64"});
  refuse(mse + "--values-out v.npy", 2, {"--reduction none"});
  refuse("eval --loss mse --pred " + path("none.npy") + " --target " + path("t.npy"), 3, {"none.npy"});
  refuse("eval --loss mse --pred " + path("y.npy") + " --target " + npy<float>("t41.npy", {4, 1}, {3, 0, 2, 7}), 3,
         {"[4, 1]", "[4]", "target"});
  refuse(mse + "--weight " + npy<float>("w.npy", {4}, {1, 1, -1, 1}), 3, {"weight", "element 2 is -1"});
  refuse(mse + "--weight " + npy<float>("w3.npy", {3}, {1, 1, 1}), 3, {"weight", "[3]", "[4]"});
  refuse(mse + "--device cuda:77", 4, {});
  std::ofstream(folder_ / "broken.npy") << "not an array";
  refuse("eval --loss mse --pred " + path("broken.npy") + " --target " + path("t.npy"), 3, {"broken.npy"});
  const std::string logits = npy<float>("x.npy", {3, 2}, {1, 2, 3, 4, 5, 6});
  refuse("eval --loss softmax_cross_entropy --pred " + logits + " --target " + npy<float>("f.npy", {3}, {1, 0, 1}), 3,
         {"fp32 [3]", "integers"});
  refuse("eval --loss softmax_cross_entropy --pred " + path("y.npy") + " --target " + path("f.npy"), 3,
         {"[rows, classes]"});
}

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

TEST_F(Cli, LossesOfSeveralInputsTakeThemByTheirNames) {
  const std::string means = npy<float>("mean.npy", {2}, {0, 1}), targets = npy<float>("goal.npy", {2}, {2, 3}),
                    variances = npy<float>("variance.npy", {2}, {1, 4});
  const std::string gaussian = "eval --json --loss gaussian_nll --pred " + means + " --target " + targets;
  for (const char* device : {"cpu", "reference"}) {
    const Json json = run(gaussian + " --input variance=" + variances + " --device " + device +
                          " --grad-out pred=" + path("gm.npy") + " --grad-out variance=" + path("gv.npy"))
                          .json();
    EXPECT_NEAR(json["value"].get<double>(), (4 + std::log(4.0) + 1) / 4, 1e-7) << device;
    EXPECT_EQ(validate::to_doubles(read_npy(path("gm.npy"))), (std::vector<double>{-1, -0.25})) << device;
    EXPECT_EQ(validate::to_doubles(read_npy(path("gv.npy"))), (std::vector<double>{-0.75, 0})) << device;
  }
  const std::string by_name =
      " --input variance=" + variances + " --input mean=" + means + " --grad-out mean=" + path("n.npy");
  run("eval --loss gaussian_nll --target " + targets + by_name);
  EXPECT_EQ(validate::to_doubles(read_npy(path("n.npy"))), (std::vector<double>{-1, -0.25}));
  refuse(gaussian + by_name, 2, {"'pred' is given twice"});
  refuse(gaussian, 2, {"gaussian_nll needs the input 'variance'", "--input variance=FILE.npy"});
  refuse(gaussian + " --input variance=" + npy<float>("v3.npy", {3}, {1, 1, 1}), 3, {"variance", "[3]", "[2]"});
  refuse(gaussian + " --input variance=" + variances + " --grad-out target=" + path("g.npy"), 2, {"'target'"});
  refuse("eval --loss mse --pred " + means + " --target " + targets + " --input variance=" + variances, 2,
         {"'variance'"});

  const std::string a = npy<float>("a.npy", {2, 2}, {0, 0, 1, 1}), p = npy<float>("p.npy", {2, 2}, {3, 4, 1, 1}),
                    n = npy<float>("n.npy", {2, 2}, {0, 1, 9, 9});
  const Json triplet = run("eval --json --loss triplet:eps=0 --reduction none --pred " + a + " --input positive=" + p +
                           " --input negative=" + n)
                           .json();
  EXPECT_EQ(triplet["values"], (Json{5, 0}));
  refuse("eval --loss triplet --pred " + a + " --input positive=" + p + " --input negative=" + n + " --target " + p, 2,
         {"no input 'target'"});

  const std::string signs = npy<std::int64_t>("signs.npy", {2}, {1, -1});
  const Json cosine = run("eval --json --loss cosine_embedding --reduction none --pred " + p + " --input x2=" + p +
                          " --target " + signs)
                          .json();
  EXPECT_NEAR(cosine["values"][0].get<double>(), 0, 1e-12);
  EXPECT_EQ(cosine["values"][1], 1);
  const Json policy = run("eval --json --loss policy_gradient --pred " + npy<float>("l.npy", {2, 2}, {0, 0, 0, 0}) +
                          " --input returns=" + npy<float>("r.npy", {2}, {1, 3}) + " --target " +
                          npy<std::int64_t>("act.npy", {2}, {0, 1}))
                          .json();
  EXPECT_NEAR(policy["value"].get<double>(), 2 * std::log(2.0), 1e-6);
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

TEST_F(Cli, EvalTakesThePeersNames) {
  // PyTorch divides a weighted huber_loss by the number of elements, and a weighted mse_loss by the sum of the weights.
  const std::string inputs = mse_inputs() + "--weight " + npy<double>("w2.npy", {4}, {1, 3, 1, 1});
  const Json huber = run("eval --json --compat torch --loss HuberLoss:delta=8" + inputs).json();
  EXPECT_EQ(huber["loss"], "huber:delta=8");
  EXPECT_EQ(huber["reduction"], "mean_over_outputs");
  const Json ours = run("eval --json --loss huber:delta=8" + inputs).json();
  EXPECT_DOUBLE_EQ(huber["value"].get<double>() * 4, ours["value"].get<double>() * 6);
  EXPECT_EQ(run("eval --json --compat torch --loss mse_loss" + inputs).json()["reduction"], "mean");
  EXPECT_EQ(run("eval --json --compat torch --loss mse_loss --reduction sum" + inputs).json()["reduction"], "sum");
  refuse("eval --compat torch --loss hubr_loss" + inputs, 2, {"torch has no loss", "did you mean 'huber_loss'"});
  refuse("eval --compat tensorflow --loss mse" + inputs, 2, {"unknown peer 'tensorflow'"});
  EXPECT_EQ(run("list compat --json").json().size(), peer_losses().size());
}

TEST_F(Cli, DoctorAndBenchSayWhatTheyAreAskedFor) {
  const Json doctor = run("doctor --json").json();
  EXPECT_FALSE(doctor["cpu"]["targets"].empty());
  EXPECT_GE(doctor["cpu"]["threads"].get<int>(), 1);
  EXPECT_TRUE(doctor["cuda"]["built"].is_boolean());
  EXPECT_EQ(doctor["cpu"]["products"].get<std::string>().find("oneDNN "), 0u);
  const Json bench = run("bench --quick --json --device cpu").json();
  ASSERT_EQ(bench.size(), 1u);
  EXPECT_GT(bench[0]["copy_gb_per_s"].get<double>(), 0);
  EXPECT_GE(bench[0]["rows"].size(), 3 * (Losses::size + Optimizers::size));
  for (const Json& row : bench[0]["rows"]) EXPECT_GT(row["gb_per_s"].get<double>(), 0) << row;
  EXPECT_TRUE(bench[0]["left_out"].empty());
  const Json limited = run("bench --elements 64 --time-limit 1e-9 --json --device cpu").json();
  EXPECT_TRUE(limited[0]["rows"].empty());
  EXPECT_EQ(limited[0]["left_out"].size(), bench[0]["rows"].size()) << "every row is named";
  EXPECT_EQ(run("bench --elements 64 --json --device cpu").json()[0]["rows"][0]["shape"], "[64, 1]");
}

TEST_F(Cli, ValidateReportsWhatItSaw) {
  const Result result = run("validate --quick --device cpu --finite-difference --json");
  EXPECT_EQ(result.status, 0) << result.out;
  const Json json = result.json();
  EXPECT_EQ(json["passed"], true);
  EXPECT_EQ(json["rows"].size(), 3 * (Losses::size + Optimizers::size));
  EXPECT_GE(json["derivatives"].size(), Losses::size);
  const Json few = run("validate --quick --device cpu --name huber --name adamw --json").json();
  EXPECT_EQ(few["rows"].size(), 6U);
  for (const Json& row : few["rows"]) EXPECT_TRUE(row["name"] == "huber" || row["name"] == "adamw") << row;
  refuse("validate --device cuda:77", 4, {});
  refuse("validate --quick --device cpu --name hubert", 2, {"unknown loss or optimizer 'hubert'", "huber"});
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
  refuse("evl", 2, {"did you mean 'eval'"});
  refuse("list losses --jsn", 2, {"--jsn", "did you mean '--json'"});
}

}  // namespace
}  // namespace fuselage
