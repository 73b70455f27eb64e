// Training on the device of this build, end to end: it learns, repeats and resumes itself to the bit, and replays of
// captured steps are the steps themselves.
#include <gtest/gtest.h>

#include <vector>

#include "fuselage/train.h"
#include "tests/support/device.h"
#include "tests/support/tiny_data.h"

namespace fuselage {
namespace {

using testing::blobs;

const ModelSpec kModel{2, {{16, "gelu"}, {3}}, Init::he, 1};

class DeviceTraining : public test::DeviceTest {
 protected:
  std::unique_ptr<Backend> device_ = usable() ? make_backend(cuda_device_name()) : nullptr;
  Dataset data_ = blobs(200);

  Trainer trainer(const std::string& optimizer = "adamw:lr=1e-2") {
    return Trainer(*device_, kModel, "softmax_cross_entropy", optimizer, "cosine", {"accuracy"});
  }
  FitOptions options(std::int64_t epochs) const {
    return {.epochs = epochs, .batch_size = 32, .seed = 2, .validation = &data_};
  }
};

std::vector<float> read(Backend& device, const float* from, std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  device.copy(values.data(), from, values.size() * sizeof(float));
  device.synchronize();
  return values;
}

std::vector<float> values_of(Backend& device, Trainer& t) {
  return read(device, t.model().values(), t.model().arena_size());
}

TEST_F(DeviceTraining, LearnsAndRepeatsItselfToTheBit) {
  Trainer first = trainer("adamw:lr=5e-2"), second = trainer("adamw:lr=5e-2");
  ASSERT_EQ(first.fit(data_, options(4)), RunEnd::done);
  ASSERT_EQ(second.fit(data_, options(4)), RunEnd::done);
  const History &a = first.history(), &b = second.history();
  ASSERT_EQ(a.size(), 4u);
  EXPECT_LT(a.back().train.loss, 0.7 * a.front().train.loss);
  EXPECT_GT(a.back().test->metrics[0], 0.9);
  EXPECT_EQ(values_of(*device_, first), values_of(*device_, second));
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(a[i].same_numbers(b[i])) << "epoch " << i;
}

TEST_F(DeviceTraining, ResumesToTheBit) {
  Trainer whole = trainer();
  whole.fit(data_, options(3));
  Trainer half = trainer();
  FitOptions stopped = options(3);
  stopped.on_epoch = [](const EpochRecord& epoch) { return epoch.epoch < 2; };
  ASSERT_EQ(half.fit(data_, stopped), RunEnd::callback);
  Trainer rest = trainer();
  rest.restore(half.snapshot());
  rest.fit(data_, options(3));
  EXPECT_EQ(values_of(*device_, rest), values_of(*device_, whole));
}

TEST_F(DeviceTraining, IsWithinReachOfTheCpu) {
  const auto cpu = make_backend("cpu", nullptr, 1);
  Trainer host(*cpu, kModel, "softmax_cross_entropy", "sgd:lr=0.1", "constant");
  Trainer there(*device_, kModel, "softmax_cross_entropy", "sgd:lr=0.1", "constant");
  host.fit(data_, options(1));
  there.fit(data_, options(1));
  const double wanted = host.history().back().train.loss;
  EXPECT_NEAR(there.history().back().train.loss, wanted, 1e-4 * wanted);  // products differ in their order
}

/// A loss and an update on a few numbers: the work of a step without products.
class TinyStep {
 public:
  static constexpr std::int64_t kSize = 37;
  explicit TinyStep(Backend& device, std::string_view gradient = "none")
      : device_(device), gradient_options_(parse_gradient_options(gradient)) {
    for (Buffer* b : {&value_, &gradient_, &first_, &second_, &target_})
      *b = Buffer(device, kSize * sizeof(float), Buffer::Kind::device);
    report_ = Buffer(device, sizeof(LossReport), Buffer::Kind::device);
    state_ = Buffer(device, sizeof(StepState), Buffer::Kind::device);
    groups_ = Buffer(device, sizeof(GroupState), Buffer::Kind::device);
    std::vector<float> values, targets;
    for (int i = 0; i < kSize; ++i) {
      values.push_back(static_cast<float>(i));
      targets.push_back(static_cast<float>(10 - i));
    }
    device.copy(value_.data(), values.data(), value_.bytes());
    device.copy(target_.data(), targets.data(), target_.bytes());
    for (Buffer* b : {&first_, &second_, &state_, &groups_}) device.zero(b->data(), b->bytes());
    device.synchronize();
    const Parameter parameter{"p",   value_.data(), gradient_.data(), {first_.as<float>(), second_.as<float>()},
                              kSize, DType::f32};
    set_ = device.bind({&parameter, 1}, group_, gradient_options_);
    const float scale = static_cast<float>(gradient_options_.loss_scale);
    device.copy(&state_.as<StepState>()->loss_scale, &scale, sizeof scale);
    device.synchronize();
  }

  void run() {
    LossBatch batch;
    batch.prediction = ConstView{value_.data(), DType::f32, 1, kSize, kSize, 1};
    batch.target = ConstView{target_.data(), DType::f32, 1, kSize, kSize, 1};
    batch.gradient = View{gradient_.data(), DType::f32, 1, kSize, kSize, 1};
    batch.scale = 1000;
    if (gradient_options_.loss_scale > 0) batch.upstream = ConstView(&state_.as<StepState>()->loss_scale, 1);
    device_.loss(loss_, batch, report_.as<LossReport>());
    device_.update(*set_, state_.as<StepState>(), groups_.as<GroupState>(), report_.as<LossReport>());
  }
  std::vector<float> values() { return read(device_, value_.as<float>(), kSize); }
  StepState state() {
    StepState s;
    device_.copy(&s, state_.data(), sizeof s);
    device_.synchronize();
    return s;
  }

 private:
  Backend& device_;
  GradientOptions gradient_options_;
  AnyLoss loss_ = Losses::make("huber", "loss");
  ParameterGroup group_{OptimizerSpec::parse("adamw:lr=1e-2"), ScheduleSpec::parse("cosine:total=2000")};
  Buffer value_, gradient_, first_, second_, target_, report_, state_, groups_;
  std::unique_ptr<ParameterSet> set_;
};

class Replays : public DeviceTraining, public ::testing::WithParamInterface<const char*> {};

TEST_P(Replays, AThousandAreAThousandSteps) {
  constexpr int kSteps = 1000;
  TinyStep eager(*device_, GetParam()), captured(*device_, GetParam());
  const auto cpu = make_backend("cpu", nullptr, 1);
  TinyStep host(*cpu, GetParam());
  captured.run();  // scratch memory is there from now on
  device_->begin_capture();
  captured.run();
  const auto graph = device_->end_capture();
  EXPECT_EQ(captured.state().step, 1) << "a capture runs nothing";
  for (int i = 1; i < kSteps; ++i) device_->replay(*graph);
  for (int i = 0; i < kSteps; ++i) eager.run(), host.run();
  const StepState end = captured.state(), wanted = host.state();
  EXPECT_EQ(end.step + end.skipped, kSteps);
  EXPECT_EQ(end.step, wanted.step);
  EXPECT_EQ(end.loss_scale, wanted.loss_scale);
  EXPECT_EQ(end.norm, wanted.norm);
  EXPECT_EQ(captured.values(), eager.values());
  EXPECT_EQ(captured.values(), host.values());
  const bool scaled = parse_gradient_options(GetParam()).loss_scale > 0;
  EXPECT_EQ(scaled, end.skipped > 10) << "the scale overflows now and then";
}

// Gradients are up to 27, so that the scale overflows whenever it has grown.
INSTANTIATE_TEST_SUITE_P(
    DeviceTraining, Replays,
    ::testing::Values("none", "clip_norm=0.05,clip_tensor=0.06,clip_value=0.02",
                      "loss_scale=1e37,greatest_scale=8e37,interval=20,growth=1024,clip_norm=0.05,backoff=0.25"));

}  // namespace
}  // namespace fuselage
