// The trainer: it learns, repeats itself to the bit, sums exactly, obeys its policies, and its replayed steps find
// planted faults.
#include "fuselage/train.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/support/tiny_data.h"
#include "tests/support/wrapped_backend.h"

namespace fuselage {
namespace {

using testing::blobs;
using testing::surface;

const ModelSpec kClassifier{2, {{16, "relu"}, {3}}, Init::he, 1};

std::vector<float> values_of(Trainer& trainer) {
  return {trainer.model().values(), trainer.model().values() + trainer.model().arena_size()};
}

/// The message of the Error that `body` throws, which must have this code.
template <class Body>
std::string error_of(Errc code, Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(name_of(error.code()), name_of(code)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Train, LearnsToTellClustersApart) {
  const auto backend = make_backend("cpu", nullptr, 1);
  const Dataset data = blobs(600), test = blobs(300, 3, 77);
  Trainer trainer(*backend, kClassifier, "softmax_cross_entropy", "adam:lr=1e-2", "cosine", {"accuracy"});
  EXPECT_EQ(trainer.fit(data, {.epochs = 15, .batch_size = 32, .validation = &test}), RunEnd::done);
  const History& history = trainer.history();
  ASSERT_EQ(history.size(), 15u);
  EXPECT_GT(history.back().test->metrics[0], 0.97);
  EXPECT_LT(history.back().train.loss, 0.5 * history.front().train.loss);
  EXPECT_EQ(history.back().step, 15 * 19);
  EXPECT_LT(history.back().lr, 1e-5);  // the cosine was stretched over the whole run
  EXPECT_GT(history[7].lr, 3e-3);
  EXPECT_EQ(trainer.evaluate(test), *history.back().test);

  const Array logits = trainer.predict(test);
  std::int64_t right = 0;
  for (std::int64_t i = 0; i < 300; ++i) {
    const float* row = logits.as<float>().data() + i * 3;
    right += std::max_element(row, row + 3) - row == i % 3;
  }
  EXPECT_EQ(static_cast<double>(right) / 300, history.back().test->metrics[0]);
}

TEST(Train, TheReductionIsTheSpecs) {
  // One step of sgd moves the parameters by the gradient; the sum's is that of the mean times 32 rows.
  const auto backend = make_backend("cpu", nullptr, 1);
  const Dataset data = surface(32);
  TrainSpec spec = TrainSpec::parse({2, {{1}}, Init::he, 1}, "mse", "sgd:lr=0.0009765625");
  spec.validate_every = 1;
  const auto moved = [&](Reduction reduction) {
    spec.reduction = reduction;
    Trainer trainer(*backend, spec);
    const std::vector<float> before = values_of(trainer);
    trainer.fit(data, {.epochs = 1, .batch_size = 32});
    return values_of(trainer)[0] - before[0];
  };
  const float by_mean = moved(Reduction::mean), by_sum = moved(Reduction::sum);
  EXPECT_NE(by_mean, 0);
  EXPECT_NEAR(by_sum / by_mean, 32, 0.05);
  EXPECT_EQ(moved(Reduction::mean_over_batch), by_mean);
  spec.reduction = Reduction::none;
  EXPECT_TRUE(has(error_of(Errc::bad_argument, [&] { Trainer(*backend, spec); }), "reduction is none"));
}

TEST(Train, RepeatsItselfToTheBit) {
  const auto backend = make_backend("cpu", nullptr, 1);
  const Dataset data = blobs(200);
  const auto run = [&](std::uint64_t seed) {
    Trainer trainer(*backend, kClassifier, "softmax_cross_entropy", "adamw:lr=1e-2");
    trainer.fit(data, {.epochs = 3, .batch_size = 32, .seed = seed});
    return values_of(trainer);
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

TEST(Train, EvaluatesBySumsNotByMeansOfMeans) {
  const auto backend = make_backend("cpu", nullptr, 1);
  const Dataset data = blobs(101);
  Trainer trainer(*backend, kClassifier, "softmax_cross_entropy", "sgd:lr=0.1", "constant", {"accuracy", "top_k:k=2"});
  const Scores whole = trainer.evaluate(data, 101), parts = trainer.evaluate(data, 100);
  // Products of other shapes round differently; a mean of means would weigh the last sample 100-fold.
  EXPECT_NEAR(parts.loss, whole.loss, 1e-7 * whole.loss);
  std::vector<std::int64_t> first(100);
  for (std::int64_t i = 0; i < 100; ++i) first[static_cast<std::size_t>(i)] = i;
  const double mean_of_means =
      (trainer.evaluate(data.subset(first)).loss + trainer.evaluate(data.subset(std::vector<std::int64_t>{100})).loss) /
      2;
  EXPECT_GT(std::fabs(mean_of_means - whole.loss), 1e-3 * whole.loss);
  EXPECT_EQ(parts.metrics, whole.metrics);
  EXPECT_GT(whole.metrics[1], whole.metrics[0]);
}

TEST(Train, PrecisionAndRecallOverAllBatches) {
  const auto backend = make_backend("cpu", nullptr, 1);
  const Dataset data = surface(203, 1, true);
  Trainer trainer(*backend, {2, {{8, "relu"}, {1}}, Init::he, 1}, "bce_with_logits", "adam:lr=1e-2", "constant",
                  {"precision", "recall", "f1", "accuracy"});
  trainer.fit(data, {.epochs = 3, .batch_size = 32});
  const Scores scores = trainer.evaluate(data, 50);
  const Array logits = trainer.predict(data);
  std::vector<std::int64_t> rows(203);
  for (std::int64_t i = 0; i < 203; ++i) rows[static_cast<std::size_t>(i)] = i;
  Array features(DType::f32, {203, 2}), targets(DType::f32, {203, 1});
  data.gather(rows, {features.as<float>().data(), nullptr, targets.as<float>().data(), nullptr});
  double positives = 0, chosen = 0, hits = 0;
  for (std::size_t i = 0; i < 203; ++i) {
    const bool positive = targets.as<float>()[i] > 0.5f, yes = logits.as<float>()[i] > 0;
    positives += positive, chosen += yes, hits += positive && yes;
  }
  ASSERT_GT(hits, 0);
  EXPECT_DOUBLE_EQ(scores.metrics[0], hits / chosen);
  EXPECT_DOUBLE_EQ(scores.metrics[1], hits / positives);
  EXPECT_DOUBLE_EQ(scores.metrics[2], 2 * hits / (positives + chosen));
  EXPECT_DOUBLE_EQ(scores.metrics[3], (203 - positives - chosen + 2 * hits) / 203);
}

TEST(Train, WeightsOfSamplesCount) {
  const auto backend = make_backend("cpu", nullptr, 1);
  const Dataset plain = blobs(90);
  Array features(DType::f32, {90, 2}), labels(DType::i32, {90}), weights(DType::f32, {90});
  std::vector<std::int64_t> rows(90), kept;
  for (std::int64_t i = 0; i < 90; ++i) rows[static_cast<std::size_t>(i)] = i;
  plain.gather(rows, {features.as<float>().data(), labels.as<std::int32_t>().data(), nullptr, nullptr});
  for (std::int64_t i = 0; i < 90; ++i) {
    weights.as<float>()[static_cast<std::size_t>(i)] = i % 4 == 0 ? 0.0f : 1.0f;
    if (i % 4 != 0) kept.push_back(i);
  }
  Trainer trainer(*backend, kClassifier, "softmax_cross_entropy", "sgd:lr=0.1");
  const double weighted = trainer.evaluate(Dataset(features, labels, weights, {}, 3)).loss;
  EXPECT_NEAR(weighted, trainer.evaluate(plain.subset(kept)).loss, 1e-12);
  EXPECT_NE(weighted, trainer.evaluate(plain).loss);
}

TEST(Train, ReportsComeOneStepLater) {
  const auto backend = make_backend("cpu", nullptr, 1);
  const Dataset data = blobs(8);
  float x[16];
  std::int32_t labels[8];
  const std::vector<std::int64_t> rows{0, 1, 2, 3, 4, 5, 6, 7};
  HostBatch batch;
  batch.rows = 8;
  batch.data = {x, labels, nullptr, nullptr};
  data.gather(rows, batch.data);
  Trainer trainer(*backend, kClassifier, "softmax_cross_entropy", "sgd:lr=0.1");
  EXPECT_FALSE(trainer.step(batch));
  const auto first = trainer.step(batch);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->state.step, 1);
  EXPECT_EQ(first->loss.count, 8);
  const auto second = trainer.finish();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->state.step, 2);
  EXPECT_LT(second->loss.value, first->loss.value);
  EXPECT_FALSE(trainer.finish());
}

TEST(Train, ABadLabelIsNamedAndChangesNothing) {
  const auto backend = make_backend("cpu", nullptr, 1);
  Array features(DType::f32, {6, 2}), labels(DType::i32, {6});
  labels.as<std::int32_t>()[4] = 9;
  const Dataset data(features, labels, {}, {}, 3);
  Trainer trainer(*backend, kClassifier, "softmax_cross_entropy", "sgd:lr=0.1");
  const std::vector<float> before = values_of(trainer);
  const std::string text =
      error_of(Errc::bad_label, [&] { trainer.fit(data, {.epochs = 1, .batch_size = 6, .shuffle = false}); });
  EXPECT_TRUE(has(text, "label 9 of sample 4")) << text;
  EXPECT_EQ(values_of(trainer), before);
  EXPECT_TRUE(has(error_of(Errc::bad_label, [&] { trainer.evaluate(data); }), "sample 4"));
}

/// A model whose gradient is not finite in the batch of sample 40.
Dataset poisoned() {
  Array features(DType::f32, {64, 2}), targets(DType::f32, {64, 1});
  for (std::size_t i = 0; i < 128; ++i) features.as<float>()[i] = static_cast<float>(i % 7) * 0.1f;
  features.as<float>()[80] = std::numeric_limits<float>::quiet_NaN();
  return Dataset(features, targets);
}

TEST(Train, PoliciesForGradientsThatAreNotFinite) {
  const auto backend = make_backend("cpu", nullptr, 1);
  const ModelSpec model{2, {{4, "tanh"}, {1}}, Init::he, 3};
  const auto make = [&](NonFinite policy) {
    TrainSpec spec = TrainSpec::parse(model, "mse", "adam:lr=1e-2");
    spec.non_finite = policy;
    return Trainer(*backend, spec);
  };
  const FitOptions options{.epochs = 1, .batch_size = 16, .shuffle = false};
  {
    Trainer trainer = make(NonFinite::raise);
    EXPECT_TRUE(has(error_of(Errc::non_finite, [&] { trainer.fit(poisoned(), options); }), "position 32"));
  }
  {
    Trainer trainer = make(NonFinite::stop);
    EXPECT_EQ(trainer.fit(poisoned(), options), RunEnd::non_finite);
    EXPECT_TRUE(trainer.history().empty());
  }
  Trainer skipping = make(NonFinite::skip);
  EXPECT_EQ(skipping.fit(poisoned(), options), RunEnd::done);
  EXPECT_EQ(skipping.history()[0].step, 3);
  EXPECT_EQ(skipping.history()[0].skipped, 1);
  EXPECT_GT(skipping.history()[0].train.nonfinite, 0);
  EXPECT_TRUE(std::isfinite(skipping.history()[0].train.loss));

  // The same as a run that never saw the batch.
  std::vector<std::int64_t> good;
  for (std::int64_t i = 0; i < 64; ++i)
    if (i / 16 != 2) good.push_back(i);
  Trainer clean = make(NonFinite::raise);
  clean.fit(poisoned().subset(good), options);
  EXPECT_EQ(values_of(skipping), values_of(clean));
}

/// A loss as a text, with scales that fit targets around 1.
std::string gentle(std::string_view loss) {
  if (loss == "mape") return "mape:eps=100";
  if (loss == "smape" || loss == "relative_l1" || loss == "relative_l2") return std::string(loss) + ":eps=1";
  return std::string(loss);
}

TEST(Train, ReplayedStepsPassForEveryLossAndRule) {
  const auto backend = make_backend("cpu", nullptr, 1);
  const Dataset classes = blobs(100), reals = surface(100, 3), binary = surface(100, 3, true);
  Array positive_targets(DType::f32, {100, 3});
  for (std::size_t i = 0; i < 300; ++i) positive_targets.as<float>()[i] = 0.5f + static_cast<float>(i % 7) / 4;
  Array positive_features(DType::f32, {100, 2});
  for (std::size_t i = 0; i < 200; ++i) positive_features.as<float>()[i] = static_cast<float>(i % 9) / 4 - 1;
  const Dataset ones(std::move(positive_features), std::move(positive_targets));
  int checked = 0;
  Losses::for_each([&]<class L>() {
    const LossTraits traits = traits_of<L>();
    const bool refused = traits.inputs.count() > 1 || traits.target == RowTarget::single;
    const bool signs = traits.target_domain == Domain::sign;
    if (refused || signs) return;
    const bool probability =
        traits.prediction_domain == Domain::probability || traits.prediction_domain == Domain::positive;
    const bool zeros_and_ones = traits.elementwise && traits.target_domain != Domain::real;
    const bool positive = traits.target_domain == Domain::positive;
    for (const std::string optimizer :
         {"sgd:lr=0.05,momentum=0.9,nesterov=true", "adam:lr=1e-2,l2=1e-2,l1=1e-3", "adamw:lr=1e-2", "sgd:lr=0.1"})
      for (const std::string schedule : {"cosine:warmup=2", "step:every=3"}) {
        const ModelSpec model{2, {{8, "gelu"}, {3, probability ? "sigmoid" : "identity"}}, Init::he, 5};
        TrainSpec spec = TrainSpec::parse(model, gentle(L::name), optimizer, schedule);
        spec.validate_every = 1;
        Trainer trainer(*backend, spec);
        const Dataset& data = traits.has_classes() ? classes : positive ? ones : zeros_and_ones ? binary : reals;
        EXPECT_NO_THROW(trainer.fit(data, {.epochs = 2, .batch_size = 32}))
            << L::name << " " << optimizer << " " << schedule;
        ++checked;
      }
  });
  EXPECT_GE(checked, 8 * 30);
}

TEST(Train, ReplayedStepsFindPlantedFaults) {
  test::WrappedBackend backend;
  const Dataset data = blobs(64);
  const auto fit = [&](std::int64_t every) {
    TrainSpec spec = TrainSpec::parse(kClassifier, "softmax_cross_entropy:label_smoothing=0.1", "adamw:lr=1e-2");
    spec.validate_every = every;
    Trainer trainer(backend, spec);
    float* values = trainer.model().values();
    if (backend.after_update)
      backend.after_update = [values](StepState& state) {
        if (state.step == 3) values[4] *= 1 + 0x1p-18f;
      };
    trainer.fit(data, {.epochs = 2, .batch_size = 16});
  };
  fit(1);  // no fault, no complaint

  backend.after_loss = [](const LossBatch& batch, LossReport&) {
    static_cast<float*>(batch.gradient.data)[7] *= 1.0001f;  // a coefficient that is slightly wrong
  };
  const std::string gradient = error_of(Errc::mismatch, [&] { fit(1); });
  EXPECT_TRUE(has(gradient, "gradient of the loss at row 2, column 1")) << gradient;
  fit(0);  // without validation nobody sees it

  backend.after_loss = [](const LossBatch&, LossReport& report) { report.value *= 1 + 1e-5; };
  EXPECT_TRUE(has(error_of(Errc::mismatch, [&] { fit(1); }), "the loss value"));
  backend.after_loss = [](const LossBatch&, LossReport& report) { --report.count; };
  EXPECT_TRUE(has(error_of(Errc::mismatch, [&] { fit(1); }), "the loss counts 15"));
  backend.after_loss = {};

  backend.after_update = [](StepState&) {};
  const std::string update = error_of(Errc::mismatch, [&] { fit(3); });
  EXPECT_TRUE(has(update, "validation of step 3: parameter 0.weight[4]")) << update;
  EXPECT_NO_THROW(fit(2));  // the fault is in a step that is not replayed
}

TEST(Train, RefusesWhatDoesNotFit) {
  const auto backend = make_backend("cpu", nullptr, 1);
  const auto make = [&](const char* loss, const char* metric) {
    Trainer trainer(*backend, kClassifier, loss, "sgd", "constant", {metric});
  };
  EXPECT_TRUE(has(error_of(Errc::bad_argument, [&] { make("mse", "accuracy"); }), "accuracy cannot be measured"));
  EXPECT_TRUE(has(error_of(Errc::bad_argument, [&] { make("mse", "top_k"); }), "top_k cannot be measured"));
  EXPECT_TRUE(has(error_of(Errc::bad_argument, [&] { make("mse", "f1"); }), "f1 cannot be measured"));
  EXPECT_TRUE(has(error_of(Errc::bad_argument, [&] { make("softmax_cross_entropy", "mae"); }), "mae cannot"));
  EXPECT_TRUE(has(error_of(Errc::unknown_name, [&] { make("softmax_crossentropy", "mae"); }), "did you mean"));

  Trainer trainer(*backend, kClassifier, "softmax_cross_entropy", "sgd:lr=0.1");
  EXPECT_TRUE(has(error_of(Errc::bad_shape, [&] { trainer.fit(blobs(40, 4), {}); }), "4 classes"));
  EXPECT_TRUE(has(error_of(Errc::bad_argument, [&] { trainer.fit(blobs(40), {.batch_size = 0}); }), "batch_size"));
  const Dataset wide(Array(DType::f32, {4, 5}), Array(DType::i32, {4}));
  EXPECT_TRUE(has(error_of(Errc::bad_shape, [&] { trainer.fit(wide, {}); }), "5 features"));
  Trainer regression(*backend, kClassifier, "mse", "sgd:lr=0.1");
  EXPECT_TRUE(has(error_of(Errc::bad_shape, [&] { regression.fit(blobs(40), {}); }), "needs real targets"));
}

}  // namespace
}  // namespace fuselage
