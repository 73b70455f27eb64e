// `fuselage eval` as its users meet it: numbers, files of any shape, JSON, and messages that name what is wrong.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "fuselage/compat.h"
#include "host/validate/problem.h"
#include "tests/support/cli.h"

namespace fuselage {
namespace {

using test::Json;
using Eval = test::CliTest;
using Result = test::CliResult;

TEST_F(Eval, KnownValues) {
  EXPECT_DOUBLE_EQ(run("eval --json --loss mse" + mse_inputs()).json()["value"].get<double>(), 0.375);
  const std::string hinge = " --pred " + npy<float>("h.npy", {4}, {-1.5f, 1.2f, 0.9f, -0.8f}) + " --target " +
                            npy<std::int64_t>("ht.npy", {4}, {-1, 1, 1, -1});
  EXPECT_NEAR(run("eval --json --loss hinge" + hinge).json()["value"].get<double>(), 0.075, 1e-7);
  const std::string bce = " --pred " + npy<float>("p.npy", {4}, {0.1f, 0.8f, 0.9f, 0.2f}) + " --target " +
                          npy<float>("pt.npy", {4}, {0, 1, 1, 0});
  EXPECT_NEAR(run("eval --json --loss bce" + bce).json()["value"].get<double>(), 0.164252, 1e-6);
  EXPECT_NEAR(run("eval --json --device reference --loss bce" + bce).json()["value"].get<double>(), 0.164252, 1e-6);
}

TEST_F(Eval, Json) {
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

TEST_F(Eval, WritesTheGradientInTheShapeOfTheFile) {
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

TEST_F(Eval, WeighsAndMasks) {
  const std::string inputs = mse_inputs() + "--weight " + npy<double>("w.npy", {4}, {1, 3, 1, 1}) + " --mask " +
                             npy<std::uint8_t>("m.npy", {4}, {1, 1, 1, 0});
  for (const char* device : {"cpu", "reference"}) {
    const Json json = run("eval --json --loss mse --device " + std::string(device) + inputs).json();
    EXPECT_EQ(json["count"], 3) << device;
    EXPECT_EQ(json["weight_sum"], 5) << device;
    EXPECT_DOUBLE_EQ(json["value"].get<double>(), 0.2) << device;
  }
}

TEST_F(Eval, CountsBadLabelsAndNonFiniteNumbers) {
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

TEST_F(Eval, TextTellsWhatIsNotFiniteApart) {
  const std::string zeros = npy<float>("z.npy", {3}, {0, 0, 0}),
                    pred = npy<float>("p.npy", {3}, {HUGE_VALF, std::nanf(""), 1});
  const std::string inputs = " --pred " + pred + " --target " + zeros;
  const Result rows = run("eval --loss mse --reduction none" + inputs);
  EXPECT_NE(rows.out.find("values         [inf,nan,1.0]"), std::string::npos) << rows.out;
  const Result mean = run("eval --loss mse" + inputs);
  EXPECT_NE(mean.out.find("value          nan"), std::string::npos) << mean.out;
  const std::string infinite = npy<float>("i.npy", {1}, {HUGE_VALF}), zero = npy<float>("o.npy", {1}, {0});
  const Result one = run("eval --loss mse --pred " + infinite + " --target " + zero);
  EXPECT_NE(one.out.find("value          inf"), std::string::npos) << one.out;
}

TEST_F(Eval, RefusesByName) {
  const std::string mse = "eval --loss mse" + mse_inputs();
  refuse("eval --loss hubr" + mse_inputs(), 2, {"unknown loss 'hubr'", "did you mean 'huber'"});
  refuse("eval --loss info_nce" + mse_inputs(), 2, {"info_nce has a call of its own"});
  refuse("eval --loss mse --reduction none --grad-out pred=" + path("o.npy") + " --values-out " + path("o.npy") +
             mse_inputs(),
         2, {"o.npy' is the file of two outputs"});
  refuse("eval --loss mse --reduction none --grad-out pred=" + path("o.npy") + " --values-out " + path("./o.npy") +
             mse_inputs(),
         2, {"./o.npy' is the file of two outputs"});
  EXPECT_FALSE(std::filesystem::exists(path("o.npy")));
  refuse("eval --loss huber:delt=1" + mse_inputs(), 2, {"no field 'delt'", "did you mean 'delta'"});
  refuse("eval --loss huber:delta=-1" + mse_inputs(), 2, {"delta = -1", "(0, inf)"});
  refuse("eval --loss mse --pred " + path("y.npy"), 2, {"mse needs the input 'target'"});
  refuse(mse + "--input weigth=" + path("y.npy"), 2, {"'weigth'", "did you mean 'weight'"});
  refuse(mse + "--class-weight " + path("y.npy"), 2, {"mse has no input 'class_weight'"});
  refuse(mse + "--input pred=" + path("y.npy"), 2, {"'pred' is given twice"});
  refuse(mse + "--reduction average", 2, {"unknown reduction 'average'"});
  refuse(mse + "--weight ''", 2, {"--weight: the value is empty"});
  refuse(mse + "--compat ''", 2, {"--compat: the value is empty"});
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
         {"[rows, ..., classes]"});
}

TEST_F(Eval, LossesOfSeveralInputsTakeThemByTheirNames) {
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

TEST_F(Eval, TakesThePeersNames) {
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

/// Keras's hinge losses take zeros and ones for signs, and rows with a one for labels.
TEST_F(Eval, TakesThePeersFormOfTargets) {
  const auto value = [&](const std::string& arguments) {
    return run("eval --json " + arguments).json()["value"].get<double>();
  };
  const std::string y = " --pred " + npy<float>("y.npy", {4}, {0.5f, -2, 3, 0.25f}) + " --target ";
  const std::string bits = y + npy<float>("bits.npy", {4}, {1, 0, 0, 1});
  EXPECT_EQ(value("--compat keras --loss Hinge" + bits), (0.5 + 0 + 4 + 0.75) / 4);
  EXPECT_EQ(value("--compat keras --loss Hinge" + y + npy<std::int64_t>("whole.npy", {4}, {1, 0, 0, 1})), 5.25 / 4);
  EXPECT_EQ(value("--compat keras --loss squared_hinge" + y + npy<float>("signs.npy", {4}, {1, -1, -1, 1})),
            (0.25 + 0 + 16 + 0.5625) / 4);
  EXPECT_EQ(value("--compat keras --loss hinge --device reference" + bits), 5.25 / 4);
  EXPECT_EQ(run("eval --json --compat optax --loss hinge_loss" + bits).json()["bad_labels"], 2);  // taken as given

  // [images, classes, pixels]
  const std::string scores = " --class-axis 1 --pred " + npy<float>("x.npy", {1, 3, 2}, {1, 4, 2, 1, 0.5f, -1});
  const std::string rows = scores + " --target " + npy<float>("rows.npy", {1, 3, 2}, {0, 1, 1, 0, 0, 0});
  EXPECT_EQ(value("--compat keras --loss CategoricalHinge" + rows), (0 + 0) / 2.0);
  const std::string other = scores + " --target " + npy<float>("other.npy", {1, 3, 2}, {0, 0, 0, 1, 1, 0});
  EXPECT_EQ(value("--compat keras --loss CategoricalHinge" + other), (2.5 + 4) / 2.0);
  refuse("eval --compat keras --loss CategoricalHinge" + scores + " --target " +
             npy<float>("soft.npy", {1, 3, 2}, {0, 0.5f, 0, 0.5f, 1, 0}),
         3, {"soft.npy", "row 1 of the targets is not one 1 among zeros"});
}

// ---- axes, sequences, divisors --------------------------------------------------------------------------------------

std::vector<double> numbers(const std::string& file) { return validate::to_doubles(read_npy(file)); }

/// Keras and Optax add over the last axis and divide by the number of the others, PyTorch's batchmean by the first
/// alone.
TEST_F(Eval, PeersThatAddTheLastAxisTakeAllOthersForTheBatch) {
  const std::vector<float> p(12, 0.5f), q(12, 0.25f), logs(12, std::log(0.25f));
  const auto inputs = [&](const std::vector<float>& pred, const std::vector<std::int64_t>& shape) {
    return " --json --pred " + npy<float>("q.npy", shape, pred) + " --target " + npy<float>("p.npy", shape, p);
  };
  const auto value = [&](const std::string& arguments) {
    return run("eval " + arguments).json()["value"].get<double>();
  };
  const double of_row = 4 * 0.5 * std::log(2.0);
  const std::vector<std::int64_t> cube{1, 3, 4}, line{12};
  EXPECT_NEAR(value("--compat keras --loss KLDivergence" + inputs(q, cube)), of_row, 1e-6);
  EXPECT_NEAR(value("--compat optax --loss kl_divergence" + inputs(logs, cube)), of_row, 1e-6);
  EXPECT_NEAR(value("--compat torch --loss kl_div:reduction=batchmean" + inputs(logs, cube)), 3 * of_row, 1e-6);
  EXPECT_NEAR(value("--compat keras --loss KLDivergence" + inputs(q, line)), 3 * of_row, 1e-6);
  const std::string weighed = inputs(q, cube) + " --weight " + npy<float>("w.npy", {1, 3}, {1, 2, 6});
  EXPECT_NEAR(value("--compat keras --loss KLDivergence" + weighed), 3 * of_row, 1e-6);
  const Result result = run("eval --compat keras --loss KLDivergence --grad-out " + path("g.npy") + inputs(q, cube));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(read_npy(path("g.npy")).shape(), cube);
}

TEST_F(Eval, AnyAxisMayHoldTheClasses) {
  const std::int64_t images = 2, classes = 3, height = 2, width = 4, pixels = height * width;
  std::vector<float> last, first;
  std::vector<std::int16_t> labels;
  std::vector<float> weights;
  for (std::int64_t i = 0; i < images * pixels * classes; ++i) last.push_back(std::sin(static_cast<float>(3 * i)));
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t c = 0; c < classes; ++c)
      for (std::int64_t p = 0; p < pixels; ++p)
        first.push_back(last[static_cast<std::size_t>((n * pixels + p) * classes + c)]);
  for (std::int64_t i = 0; i < images * pixels; ++i) {
    labels.push_back(static_cast<std::int16_t>(i == 5 ? 7 : i % classes));  // one of them is bad
    weights.push_back(static_cast<float>(i % 3));
  }
  const std::string flat = " --pred " + npy("x.npy", {images * pixels, classes}, last) + " --target " +
                           npy("l.npy", {images * pixels}, labels) + " --weight " +
                           npy("w.npy", {images * pixels}, weights),
                    other = " --target " + npy("l4.npy", {images, height, width}, labels) + " --weight " +
                            npy("w4.npy", {images, height, width}, weights),
                    back = " --pred " + npy("x4.npy", {images, height, width, classes}, last) + other,
                    front = " --pred " + npy("n.npy", {images, classes, height, width}, first) + other;
  for (const char* rest : {" --reduction none", "", " --reduction none --device reference"}) {
    const std::string outputs =
        std::string(rest).find("none") == std::string::npos ? "" : " --values-out " + path("v.npy");
    const auto eval = [&](const std::string& inputs) {
      const Result result = run("eval --json --loss softmax_cross_entropy:label_smoothing=0.1" + inputs + rest +
                                outputs + " --grad-out " + path("g.npy"));
      EXPECT_EQ(result.status, 0) << result.err;
      return result.out;
    };
    const std::string expected = eval(flat);
    EXPECT_EQ(Json::parse(expected)["bad_labels"], 1);
    const std::vector<double> gradient = numbers(path("g.npy"));
    const std::vector<double> values = outputs.empty() ? std::vector<double>() : numbers(path("v.npy"));
    for (const std::string& inputs : {back, back + " --class-axis 3", back + " --class-axis -1"}) {
      EXPECT_EQ(eval(inputs), expected);
      EXPECT_EQ(numbers(path("g.npy")), gradient);
      EXPECT_EQ(read_npy(path("g.npy")).shape(), (std::vector<std::int64_t>{images, height, width, classes}));
    }
    for (const std::string& inputs : {front + " --class-axis 1", front + " --class-axis=-3"}) {
      EXPECT_EQ(eval(inputs), expected);
      const std::vector<double> moved = numbers(path("g.npy"));
      EXPECT_EQ(read_npy(path("g.npy")).shape(), (std::vector<std::int64_t>{images, classes, height, width}));
      for (std::int64_t n = 0; n < images; ++n)
        for (std::int64_t c = 0; c < classes; ++c)
          for (std::int64_t p = 0; p < pixels; ++p)
            EXPECT_EQ(moved[static_cast<std::size_t>((n * classes + c) * pixels + p)],
                      gradient[static_cast<std::size_t>((n * pixels + p) * classes + c)]);
      if (outputs.empty()) continue;
      EXPECT_EQ(numbers(path("v.npy")), values);
      EXPECT_EQ(read_npy(path("v.npy")).shape(), (std::vector<std::int64_t>{images, height, width}));
    }
  }
  refuse("eval --loss softmax_cross_entropy --class-axis 4" + front, 2, {"--class-axis 4", "n.npy", "[2, 3, 2, 4]"});
  refuse("eval --loss softmax_cross_entropy --class-axis 2" + front, 3, {"l4.npy", "[2, 2, 4]", "[2, 3, 4]"});
  refuse("eval --loss mse --class-axis 0 --pred " + path("x.npy") + " --target " + path("x.npy"), 2,
         {"losses of rows"});
  const std::string dense = npy("d.npy", {images, classes, height, width}, first);
  EXPECT_EQ(run("eval --loss softmax_cross_entropy --class-axis 1 --target " + dense + " --pred " + dense).status, 0);
  refuse("eval --loss softmax_cross_entropy --class-axis 1 --target " + path("x4.npy") + " --pred " + dense, 3,
         {"target", "x4.npy", "[2, 2, 4, 3]", "[2, 3, 2, 4]"});
}

TEST_F(Eval, SequencesEndAtTheirLengths) {
  const std::vector<float> x{1, 0, 0, 2, 9, 9, 3, 0, 9, 9, 9, 9};
  const std::string tokens = npy("x.npy", {2, 3, 2}, x), flat = npy("f.npy", {6, 2}, x),
                    labels = npy<std::int32_t>("l.npy", {2, 3}, {0, 1, -9, 1, -9, -9}),
                    flat_labels = npy<std::int32_t>("fl.npy", {6}, {0, 1, -9, 1, -9, -9}),
                    lengths = npy<std::int16_t>("n.npy", {2}, {2, 1});
  const std::string loss = "eval --json --loss softmax_cross_entropy";
  for (const std::string& inputs :
       {" --pred " + tokens + " --target " + labels, " --pred " + flat + " --target " + flat_labels})
    for (const char* device : {"cpu", "reference"}) {
      const Json json = run(loss + inputs + " --lengths " + lengths + " --device " + device).json();
      EXPECT_EQ(json["count"], 3) << device;
      EXPECT_EQ(json["bad_labels"], 0);
      EXPECT_NEAR(json["value"].get<double>(),
                  (std::log1p(std::exp(-1)) + std::log1p(std::exp(-2)) + 3 + std::log1p(std::exp(-3))) / 3, 1e-6);
    }
  const std::string inputs = " --pred " + tokens + " --target " + labels;
  const Json bad = run(loss + inputs + " --lengths " + npy<std::int64_t>("b.npy", {2}, {2, 4})).json();
  EXPECT_EQ(bad["bad_labels"], 1);
  EXPECT_EQ(bad["first_bad_row"], 3);
  EXPECT_EQ(bad["first_bad_label"], 4);
  refuse(loss + inputs + " --lengths " + npy<float>("r.npy", {2}, {2, 1}), 3,
         {"lengths", "r.npy", "fp32 [2]", "integers"});
  refuse(loss + inputs + " --lengths " + npy<std::int32_t>("t.npy", {3}, {2, 1, 1}), 3,
         {"t.npy", "[3]", "[2, 3, 2]", "expected [2]"});
  refuse(loss + " --pred " + flat + " --target " + flat_labels + " --lengths " +
             npy<std::int32_t>("q.npy", {4}, {1, 1, 1, 1}),
         3, {"q.npy", "[4]", "divides the 6 rows"});
  refuse("eval --loss mse --pred " + flat + " --target " + flat + " --lengths " + lengths, 2, {"no input 'lengths'"});
}

TEST_F(Eval, ADivisorOfOnesOwn) {
  for (const char* device : {"cpu", "reference"}) {
    const Json json = run("eval --json --loss mse --divisor 16 --device " + std::string(device) + mse_inputs()).json();
    EXPECT_DOUBLE_EQ(json["value"].get<double>(), 1.5 / 16) << device;
  }
  refuse("eval --loss mse --divisor 0" + mse_inputs(), 2, {"--divisor 0", "above 0"});
  refuse("eval --loss mse --divisor inf" + mse_inputs(), 2, {"--divisor inf"});
  for (const std::string device : {"cpu", "reference"})
    for (const std::string reduction : {"sum", "none"})
      refuse("eval --loss mse --divisor 2 --device " + device + " --reduction " + reduction + mse_inputs(), 2,
             {"--divisor 2: the reduction " + reduction + " divides by nothing"});
}

TEST_F(Eval, IgnoreIndexIsAnyIntegerOf64Bits) {
  const std::string logits = npy<float>("x.npy", {3, 2}, {1, 0, 5, 5, 0, 0});
  for (const std::int64_t ignored : {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min(),
                                     std::int64_t{1} << 53, (std::int64_t{1} << 53) + 1}) {
    // One less is another label, which a double does not tell apart.
    const std::int64_t other = ignored > 0 ? ignored - 1 : ignored + 1;
    const std::string labels = npy<std::int64_t>("l.npy", {3}, {0, ignored, other});
    for (const char* device : {"cpu", "reference"}) {
      const Json json = run("eval --json --loss softmax_cross_entropy:ignore_index=" + std::to_string(ignored) +
                            " --pred " + logits + " --target " + labels + " --device " + device)
                            .json();
      EXPECT_EQ(json["count"], 1) << ignored << " on " << device;
      EXPECT_EQ(json["bad_labels"], 1) << ignored << " on " << device;
      EXPECT_EQ(json["first_bad_row"], 2) << ignored << " on " << device;
    }
  }
}

TEST_F(Eval, OfSeveralFilesAllAreWrittenOrNone) {
  std::filesystem::create_directory(folder_ / "taken");
  const std::string rest = " --loss mse --reduction none" + mse_inputs() + " --grad-out " + path("g.npy");
  for (const std::string& values : {path("taken"), path("missing") + "/v.npy"}) {
    refuse("eval" + rest + " --values-out " + values, 3, {values});
    EXPECT_FALSE(std::filesystem::exists(folder_ / "g.npy")) << values;
  }
  npy<float>("g.npy", {1}, {7});
  refuse("eval" + rest + " --values-out " + path("taken"), 3, {"taken"});
  EXPECT_EQ(numbers(path("g.npy")), (std::vector<double>{7})) << "what stood there before";
  EXPECT_EQ(run("eval" + rest + " --values-out " + path("v.npy")).status, 0);
  EXPECT_EQ(read_npy(path("g.npy")).size(), 4);
  EXPECT_EQ(read_npy(path("v.npy")).size(), 4);
}

}  // namespace
}  // namespace fuselage
