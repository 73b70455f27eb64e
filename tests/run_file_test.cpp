// Run files: what they set, what they refuse and how, and that a resolved run reads back as itself.
#include "host/train/run_file.h"

#include <gtest/gtest.h>

#include "tests/support/files.h"

namespace fuselage::train {
namespace {

using test::TempFolder;

constexpr const char* kRun = R"(loss = "softmax_cross_entropy:label_smoothing=0.1"
optimizer = { name = "adamw", lr = 1e-3, l2 = 0.5, decay = 0.25 }
schedule = "cosine:warmup=10"
metrics = ["accuracy", "top_k:k=2"]
[data]
kind = "csv"
train_features = "points.csv"
label_column = "kind"
normalise = "standard"
test_fraction = 0.25
[model]
init = "xavier"
layers = [{ dense = 8, activation = "gelu:tanh=true" }, { dense = 2 }]
[train]
epochs = 3
batch_size = 4
seed = 9
non_finite = "skip"
out = "runs/x"
[gradient]
clip_norm = 1
nonfinite = "stop"
interval = 100
)";

std::string message_of(const TempFolder& folder, const std::string& text, Errc code,
                       const std::vector<std::string>& overrides = {}) {
  try {
    read_run_file(folder.file("run.toml", text), overrides);
  } catch (const Error& error) {
    EXPECT_EQ(name_of(error.code()), name_of(code)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "accepted:\n" << text;
  return {};
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(RunFile, SetsWhatItSays) {
  const TempFolder folder;
  folder.file("points.csv", "a,b,kind\n1,2,x\n");
  const RunFile run = read_run_file(folder.file("run.toml", kRun));
  EXPECT_EQ(std::get<loss::SoftmaxCrossEntropy>(run.loss).label_smoothing, 0.1);
  EXPECT_EQ(std::get<optim::AdamW>(run.optimizer.rule).lr, 1e-3);
  EXPECT_EQ(run.optimizer.options.l2, 0.5);
  EXPECT_EQ(std::get<schedule::Cosine>(*run.schedule.entry()).warmup, 10);
  EXPECT_EQ(std::get<metric::TopK>(run.metrics[1]).k, 2);
  EXPECT_EQ(run.data.train.features, folder / "points.csv");  // beside the run file
  EXPECT_EQ(run.data.train.normalise, Normalise::standard);
  EXPECT_EQ(run.data.test_fraction, 0.25);
  EXPECT_EQ(run.layers.size(), 2u);
  EXPECT_TRUE(std::get<activation::Gelu>(run.layers[0].activation).tanh);
  EXPECT_EQ(run.init, Init::xavier);
  EXPECT_EQ(run.train.seed, 9u);
  EXPECT_EQ(run.train.non_finite, NonFinite::skip);
  EXPECT_EQ(run.gradient, (GradientOptions{.clip_norm = 1, .nonfinite = BadGradient::stop, .interval = 100}));
}

TEST(RunFile, OverridesStandAboveIt) {
  const TempFolder folder;
  const auto path = folder.file("run.toml", kRun);
  const RunFile run =
      read_run_file(path, {"train.epochs=7", "optimizer.lr=2e-4", "gradient.clip_norm=3", "loss.label_smoothing=0",
                           "schedule=step:every=5", "schedule.gamma=0.5", "metrics=[\"accuracy\"]",
                           "train.out=/somewhere/else", "data.classes=4", "train.batch_size=1e2"});
  EXPECT_EQ(run.train.epochs, 7);
  EXPECT_EQ(run.train.batch_size, 100);
  EXPECT_EQ(run.optimizer.lr(), 2e-4);
  EXPECT_EQ(run.gradient.clip_norm, 3);
  EXPECT_EQ(std::get<loss::SoftmaxCrossEntropy>(run.loss).label_smoothing, 0);
  EXPECT_EQ(std::get<schedule::Step>(*run.schedule.entry()).every, 5);
  EXPECT_EQ(std::get<schedule::Step>(*run.schedule.entry()).gamma, 0.5);
  EXPECT_EQ(run.metrics.size(), 1u);
  EXPECT_EQ(run.train.out, "/somewhere/else");
  EXPECT_EQ(run.data.train.classes, 4);
}

TEST(RunFile, MistakesAreNamedWithTheirPlace) {
  const TempFolder folder;
  const auto unknown = [&](const std::string& from, const std::string& to) {
    return message_of(folder, replaced(kRun, from, to), Errc::unknown_name);
  };
  EXPECT_TRUE(has(unknown("epochs", "epocs"), "run.toml:15: [train] has no key 'epocs' (did you mean 'epochs'?)"));
  EXPECT_TRUE(has(unknown("[train]", "[trian]"), "has no key 'trian' (did you mean 'train'?)"));
  EXPECT_TRUE(has(unknown("softmax_", "sofmax_"), "run.toml:1: unknown loss 'sofmax_cross_entropy' (did you mean"));
  EXPECT_TRUE(has(unknown("lr = ", "rl = "), "run.toml:2: adamw has no field 'rl' (did you mean 'lr'?)"));
  EXPECT_TRUE(
      has(unknown("\"skip\"", "\"skp\""), "run.toml:18: [train] non_finite = 'skp' is not known (did you mean 'skip'"));
  EXPECT_TRUE(has(unknown("dense = 2 ", "dense = 2, activaton = 1 "), "[model] layer 1 has no key 'activaton'"));
  EXPECT_TRUE(has(unknown("gelu:", "gelo:"), "unknown activation 'gelo' (did you mean 'gelu'?)"));
  const auto bad = [&](const std::string& from, const std::string& to) {
    return message_of(folder, replaced(kRun, from, to), Errc::bad_argument);
  };
  EXPECT_TRUE(has(bad("epochs = 3", "epochs = 0"), "run.toml:15: [train] epochs = 0 is outside [1,"));
  EXPECT_TRUE(has(bad("epochs = 3", "epochs = \"3\""), "epochs is not an integer"));
  EXPECT_TRUE(has(bad("1e-3", "-1"), "adamw: lr = -1 is outside"));
  EXPECT_TRUE(has(bad("clip_norm = 1", "clip_norm = -1"), "run.toml:20: gradient: clip_norm = -1 is outside"));
  EXPECT_TRUE(has(unknown("clip_norm", "clip_nrom"), "[gradient] has no key 'clip_nrom' (did you mean 'clip_norm'?)"));
  EXPECT_TRUE(has(unknown("\"stop\"", "\"stpo\""), "[gradient] nonfinite = 'stpo' is not known (did you mean 'stop'"));
  EXPECT_TRUE(has(bad("label_smoothing=0.1", "label_smoothing"), "expected field=value"));
  EXPECT_TRUE(has(bad("layers = [", "layrs = ["), "[model] needs a key 'layers'"));
  EXPECT_TRUE(has(bad("train_features", "test_features"), "needs a key 'train_features'"));
  EXPECT_TRUE(has(message_of(folder, replaced(kRun, "seed = 9", "seed = = 9"), Errc::format), "run.toml:17:"));
  EXPECT_TRUE(
      has(message_of(folder, kRun, Errc::unknown_name, {"train.epcohs=2"}), "command line: [train] has no key"));
  EXPECT_TRUE(has(message_of(folder, kRun, Errc::bad_argument, {"train.epochs"}), "expected section.key=value"));
  EXPECT_TRUE(has(message_of(folder, kRun, Errc::bad_argument, {"train.epochs.x=2"}), "is not a section"));
  EXPECT_THROW(read_run_file(folder / "none.toml"), Error);
}

TEST(RunFile, TakesThePeersNames) {
  const TempFolder folder;
  const std::string keras = replaced(kRun, "loss = \"softmax_cross_entropy:label_smoothing=0.1\"",
                                     "compat = \"keras\"\nloss = \"BinaryCrossentropy:label_smoothing=0.5\"");
  const RunFile run = read_run_file(folder.file("run.toml", keras));
  EXPECT_EQ(Losses::to_string(run.loss), "bce:clip=1e-07,label_smoothing=0.5");
  EXPECT_EQ(run.reduction, Reduction::mean_over_outputs);
  const RunFile again = read_run_file(folder.file("resolved.toml", run.to_toml()));
  EXPECT_EQ(Losses::to_string(again.loss), Losses::to_string(run.loss));
  EXPECT_EQ(again.reduction, run.reduction);
  EXPECT_EQ(Losses::to_string(read_run_file(folder / "run.toml", {"loss.from_logits=true"}).loss),
            "bce_with_logits:label_smoothing=0.5");
  EXPECT_EQ(read_run_file(folder.file("plain.toml", "reduction = \"sum\"\n" + std::string(kRun))).reduction,
            Reduction::sum);
  const std::string hinge = replaced(keras, "BinaryCrossentropy:label_smoothing=0.5", "CategoricalHinge");
  const RunFile rows = read_run_file(folder.file("hinge.toml", hinge));
  EXPECT_EQ(rows.data.train.target_form, TargetForm::one_hot);
  EXPECT_EQ(read_run_file(folder.file("hinge_again.toml", rows.to_toml())).data.train.target_form, TargetForm::one_hot);
  const std::string signs = replaced(hinge, "[data]", "[data]\ntarget_form = \"signs\"");
  EXPECT_EQ(read_run_file(folder.file("signs.toml", signs)).data.train.target_form, TargetForm::signs);
  const auto told = [&](const std::string& before, const std::string& what, Errc code) {
    return has(message_of(folder, before + keras, code), what);
  };
  EXPECT_TRUE(told("reduction = \"sum\"\n", "run.toml:2: compat chooses the reduction", Errc::bad_argument));
  EXPECT_TRUE(has(message_of(folder, replaced(keras, "keras", "kears"), Errc::unknown_name), "did you mean 'keras'?"));
  EXPECT_TRUE(has(message_of(folder, replaced(keras, "BinaryC", "BinraryC"), Errc::unknown_name),
                  "run.toml:2: keras has no loss 'BinraryCrossentropy'"));
  EXPECT_TRUE(has(message_of(folder, "reduction = \"none\"\n" + std::string(kRun), Errc::bad_argument), "none"));
}

TEST(RunFile, ResolvedRunsReadBackAsThemselves) {
  const TempFolder folder;
  const RunFile run = read_run_file(folder.file("run.toml", kRun));
  const std::string text = run.to_toml();
  const RunFile again = read_run_file(folder.file("resolved.toml", text));
  EXPECT_EQ(again.to_toml(), text);
  EXPECT_EQ(Losses::to_string(again.loss), Losses::to_string(run.loss));
  EXPECT_EQ(again.optimizer.to_string(), run.optimizer.to_string());
  EXPECT_EQ(again.gradient, run.gradient);
  EXPECT_TRUE(has(text, "beta2 = 0.999"));  // defaults are written out
}

TEST(RunFile, DataAreSplitAndScaledByTheTrainingPart) {
  const TempFolder folder;
  std::string table = "a,b,kind\n";
  for (int i = 0; i < 40; ++i)
    table += std::to_string(i) + "," + std::to_string(100 + i * i) + (i % 2 ? ",odd\n" : ",even\n");
  folder.file("points.csv", table);
  const RunDatasets data = load_run_data(read_run_file(folder.file("run.toml", kRun)));
  ASSERT_TRUE(data.test);
  EXPECT_EQ(data.train.size(), 30);
  EXPECT_EQ(data.test->size(), 10);
  EXPECT_EQ(data.train.classes(), 2);
  EXPECT_EQ(data.train.scaling().shift, data.test->scaling().shift);
  double sum = 0;
  std::vector<float> x(2);
  for (std::int64_t i = 0; i < 30; ++i) {
    data.train.gather(std::vector<std::int64_t>{i}, {x.data(), nullptr, nullptr, nullptr});
    sum += double{x[0]};
  }
  EXPECT_NEAR(sum / 30, 0, 1e-6);  // the mean of the training part alone
}

TEST(RunFile, ClassNamesMeanTheSameSignsInEveryFile) {
  const TempFolder folder;
  folder.file("points.csv", "a,kind\n1,no\n2,yes\n3,no\n");
  folder.file("later.csv", "a,kind\n5,yes\n");
  std::string text =
      replaced(kRun, "loss = \"softmax_cross_entropy:label_smoothing=0.1\"", "compat = \"keras\"\nloss = \"Hinge\"");
  text = replaced(text, "test_fraction = 0.25", "test_features = \"later.csv\"");
  const RunFile run = read_run_file(folder.file("run.toml", text));
  const RunDatasets data = load_run_data(run);
  ASSERT_TRUE(data.test);
  float sign = 0;
  data.test->gather(std::vector<std::int64_t>{0}, {nullptr, nullptr, &sign, nullptr});
  EXPECT_EQ(sign, 1);
  data.train.gather(std::vector<std::int64_t>{0}, {nullptr, nullptr, &sign, nullptr});
  EXPECT_EQ(sign, -1);
  EXPECT_EQ(read_run_file(folder / "run.toml", {"data.target_form=as_given"}).data.train.target_form,
            TargetForm::as_given);
  folder.file("later.csv", "a,kind\n5,maybe\n");
  EXPECT_THROW(load_run_data(run), Error);
}

TEST(RunFile, AMissingDataSetNamesItsPackage) {
  const TempFolder folder;
  const std::string text = replaced(kRun, "points.csv", "/usr/share/datasets/no-such-set/train.csv");
  try {
    load_run_data(read_run_file(folder.file("run.toml", text)));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::io);
    EXPECT_TRUE(has(error.what(), "apt-get install dataset-no-such-set")) << error.what();
  }
}

}  // namespace
}  // namespace fuselage::train
