// Options of the gradients in training: scaled runs have the bits of plain ones, clipped steps are those of the
// reference, resumed runs go on, and what is not finite is found.
#include <gtest/gtest.h>

#include <cmath>

#include "fuselage/train.h"
#include "support/batches.h"
#include "tests/support/files.h"
#include "tests/support/tiny_data.h"

namespace fuselage {
namespace {

using testing::blobs;
using testing::message_of;

const ModelSpec kModel{2, {{16, "gelu"}, {3}}, Init::he, 1};

TrainSpec spec_of(std::string_view gradient, NonFinite non_finite = NonFinite::skip) {
  TrainSpec spec = TrainSpec::parse(kModel, "softmax_cross_entropy", "adamw:lr=1e-2", "cosine", {"accuracy"});
  spec.gradient = parse_gradient_options(gradient);
  spec.non_finite = non_finite;
  return spec;
}

std::vector<float> values_of(Trainer& trainer) {
  return {trainer.model().values(), trainer.model().values() + trainer.model().arena_size()};
}

class TrainGradient : public ::testing::Test {
 protected:
  std::unique_ptr<Backend> cpu_ = make_backend("cpu", nullptr, 1);
  Dataset data_ = blobs(200);
  FitOptions options_{.epochs = 3, .batch_size = 32, .seed = 2};

  std::vector<float> trained(TrainSpec spec) {
    Trainer trainer(*cpu_, std::move(spec));
    trainer.fit(data_, options_);
    return values_of(trainer);
  }
};

TEST_F(TrainGradient, AScaleOfAPowerOfTwoChangesNoBit) {
  const std::vector<float> plain = trained(spec_of("none"));
  EXPECT_EQ(trained(spec_of("loss_scale=65536")), plain);
  EXPECT_EQ(trained(spec_of("loss_scale=0.25,interval=2")), plain) << "growing all the time";
  EXPECT_NE(trained(spec_of("clip_norm=0.1")), plain);
}

TEST_F(TrainGradient, EveryStepIsThatOfTheReference) {
  for (const char* text : {"clip_norm=0.05", "clip_value=0.01,clip_tensor=0.03", "loss_scale=3,interval=2,growth=1.5",
                           "loss_scale=1024,clip_norm=0.05,clip_value=0.02"}) {
    TrainSpec spec = spec_of(text);
    spec.validate_every = 1;
    EXPECT_EQ(message_of([&] { trained(spec); }), "no error") << text;
  }
}

TEST_F(TrainGradient, AResumedRunHasTheSameBits) {
  const TrainSpec spec = spec_of("loss_scale=1024,interval=5,growth=1.5,clip_norm=0.1");
  const std::vector<float> whole = trained(spec);
  for (const bool keeps_the_scale : {true, false}) {
    Trainer half(*cpu_, spec), rest(*cpu_, spec);
    FitOptions stopped = options_;
    stopped.on_epoch = [](const EpochRecord& epoch) { return epoch.epoch < 2; };
    ASSERT_EQ(half.fit(data_, stopped), RunEnd::callback);
    Checkpoint middle = half.snapshot();
    EXPECT_EQ(middle.gradient, to_string(spec.gradient));
    for (auto& [name, array] : middle.tensors.tensors)
      if (!keeps_the_scale && name == "optimizer.loss_scale") array.as<float>()[0] = 1024;
    rest.restore(middle);
    rest.fit(data_, options_);
    EXPECT_EQ(values_of(rest) == whole, keeps_the_scale);
  }
  Trainer half(*cpu_, spec), other(*cpu_, spec_of("clip_norm=0.1"));
  const Checkpoint begun = half.snapshot();
  EXPECT_NE(message_of([&] { other.restore(begun); }).find("gradient options is 'clip_norm=0.1,loss_scale=1024"),
            std::string::npos);
}

TEST_F(TrainGradient, FilesHoldWhatMovesTheScale) {
  const test::TempFolder folder;
  const TrainSpec spec = spec_of("loss_scale=1024,interval=4");
  Trainer trainer(*cpu_, spec), read(*cpu_, spec);
  options_.checkpoint = folder / "checkpoint";
  trainer.fit(data_, options_);
  const Checkpoint file = load_checkpoint(options_.checkpoint);
  EXPECT_EQ(file.gradient, to_string(spec.gradient));
  read.restore(file);
  EXPECT_TRUE(read.snapshot().tensors.tensors == trainer.snapshot().tensors.tensors);
  EXPECT_EQ(file.tensors.at("optimizer.loss_scale").as<float>()[0], 1024 << (21 / 4));
  EXPECT_EQ(file.tensors.at("optimizer.good").as<std::int64_t>()[0], 21 % 4);
  Trainer stopping(*cpu_, spec_of("nonfinite=stop", NonFinite::raise));
  EXPECT_EQ(stopping.snapshot().tensors.at("optimizer.stopped").as<std::int32_t>()[0], 0);
}

/// The gradient of the loss is finite, and the weight's, a sum over three large features, is not.
TEST_F(TrainGradient, ThoseOfParametersAreLookedAt) {
  Array features(DType::f32, {64, 1}), targets(DType::f32, {64, 1});
  for (std::size_t i = 0; i < 64; ++i) {
    features.as<float>()[i] = i >= 40 && i < 43 ? 2e38f : 0.5f;
    targets.as<float>()[i] = 1;
  }
  const Dataset data(features, targets);
  const auto make = [&](NonFinite policy, const char* gradient) {
    TrainSpec spec = TrainSpec::parse({1, {{1}}, Init::he, 3}, "mae", "sgd:lr=1e-3");
    spec.reduction = Reduction::sum;
    spec.gradient = parse_gradient_options(gradient);
    spec.non_finite = policy;
    return Trainer(*cpu_, spec);
  };
  const FitOptions options{.epochs = 1, .batch_size = 16, .shuffle = false};
  Trainer careless = make(NonFinite::raise, "none");
  careless.fit(data, options);
  EXPECT_FALSE(std::isfinite(values_of(careless)[0]));

  Trainer skipping = make(NonFinite::skip, "check_finite=true");
  EXPECT_EQ(skipping.fit(data, options), RunEnd::done);
  EXPECT_TRUE(std::isfinite(values_of(skipping)[0]));
  EXPECT_EQ(skipping.history()[0].step, 3);
  EXPECT_EQ(skipping.history()[0].skipped, 1);
  Trainer stopping = make(NonFinite::stop, "nonfinite=stop");
  EXPECT_EQ(stopping.fit(data, options), RunEnd::non_finite);
  EXPECT_EQ(stopping.snapshot().step, 2) << "the step that was queued meanwhile moved nothing";
  Trainer raising = make(NonFinite::raise, "clip_norm=1");
  const std::string message = message_of([&] { raising.fit(data, options); });
  EXPECT_NE(message.find("1 elements of the gradient are not finite in the batch at epoch 1, position 32"),
            std::string::npos)
      << message;
}

TEST_F(TrainGradient, PoliciesFitTogether) {
  EXPECT_NE(message_of([&] { Trainer(*cpu_, spec_of("nonfinite=stop", NonFinite::skip)); }).find("raise or stop"),
            std::string::npos);
  EXPECT_NE(message_of([&] { Trainer(*cpu_, spec_of("loss_scale=8", NonFinite::raise)); }).find("must be skip"),
            std::string::npos);
  EXPECT_NE(message_of([&] {
              TrainSpec spec = spec_of("none");
              spec.gradient.clip_norm = -1;
              Trainer(*cpu_, spec);
            }).find("clip_norm"),
            std::string::npos);
}

}  // namespace
}  // namespace fuselage
