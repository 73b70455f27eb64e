// The trainer's path for devices with memory of their own: staged copies, two slots, steps captured and replayed. The
// device here is the CPU behind a recorder, whose graphs are lists of calls.
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>
#include <vector>

#include "fuselage/train.h"
#include "tests/support/tiny_data.h"
#include "tests/support/wrapped_backend.h"

namespace fuselage {
namespace {

using Calls = std::vector<std::function<void()>>;

struct RecordedGraph final : Graph {
  Calls calls;
};

class RecordingBackend final : public test::WrappedBackend {
 public:
  int captures = 0, replays = 0, refusals_left = 0;

  bool host_accessible() const override { return false; }
  bool can_capture() const override { return true; }
  void begin_capture() override {
    if (capturing_) throw std::logic_error("a capture is under way already");
    capturing_ = true;
    ++captures;
  }
  std::unique_ptr<Graph> end_capture() override {
    auto graph = std::make_unique<RecordedGraph>();
    graph->calls.swap(calls_);
    capturing_ = false;
    return graph;
  }
  void replay(Graph& graph) override {
    ++replays;
    for (const auto& call : static_cast<RecordedGraph&>(graph).calls) call();
  }
  void copy(void* to, const void* from, std::size_t bytes, Queue queue) override {
    run_or_record([=, this] { WrappedBackend::copy(to, from, bytes, queue); });
  }
  void product(const Product& product) override {
    if (capturing_ && refusals_left > 0) {
      --refusals_left;
      throw Error(Errc::cuda, "planted: the product is not ready");
    }
    run_or_record([=, this] { WrappedBackend::product(product); });
  }
  void bias_activation(const AnyActivation& activation, std::int64_t rows, std::int64_t cols, float* z,
                       const float* bias, float* a) override {
    run_or_record([=, this] { WrappedBackend::bias_activation(activation, rows, cols, z, bias, a); });
  }
  void bias_activation_backward(const AnyActivation& activation, std::int64_t rows, std::int64_t cols, const float* z,
                                const float* a, float* da, float* bias_gradient) override {
    run_or_record(
        [=, this] { WrappedBackend::bias_activation_backward(activation, rows, cols, z, a, da, bias_gradient); });
  }
  bool capturing() const { return capturing_; }

 protected:
  void run_loss(const AnyLoss& loss, const LossBatch& batch, LossReport* report) override {
    run_or_record([=, this] { WrappedBackend::run_loss(loss, batch, report); });
  }
  void run_update(ParameterSet& parameters, StepState* state, GroupState* groups, const LossReport* gate) override {
    run_or_record([=, this, &parameters] { WrappedBackend::run_update(parameters, state, groups, gate); });
  }

 private:
  void run_or_record(std::function<void()> call) {
    if (capturing_)
      calls_.push_back(std::move(call));
    else
      call();
  }

  bool capturing_ = false;
  Calls calls_;
};

const ModelSpec kModel{2, {{16, "gelu"}, {3}}, Init::he, 1};

std::vector<float> values_of(Trainer& trainer) {
  return {trainer.model().values(), trainer.model().values() + trainer.model().arena_size()};
}

Trainer make_trainer(Backend& backend, std::int64_t validate_every = 0) {
  TrainSpec spec = TrainSpec::parse(kModel, "softmax_cross_entropy", "adamw:lr=1e-2", "cosine", {"accuracy"});
  spec.validate_every = validate_every;
  return Trainer(backend, spec);
}

TEST(GraphStep, ReplayedRunsHaveTheBitsOfPlainOnes) {
  const auto plain = make_backend("cpu", nullptr, 1);
  RecordingBackend device;
  const Dataset data = testing::blobs(200);
  const FitOptions options{.epochs = 6, .batch_size = 32, .seed = 2, .validation = &data};
  Trainer wanted = make_trainer(*plain), replayed = make_trainer(device);
  wanted.fit(data, options);
  replayed.fit(data, options);
  EXPECT_EQ(values_of(replayed), values_of(wanted));
  ASSERT_EQ(replayed.history().size(), wanted.history().size());
  for (std::size_t i = 0; i < wanted.history().size(); ++i)
    EXPECT_TRUE(replayed.history()[i].same_numbers(wanted.history()[i])) << i;
  // An epoch is seven batches and an evaluation, so batches of 32 rows come in both slots and the last one, of 8,
  // always in the first: each of the three is run once and captured at its second time.
  EXPECT_EQ(device.captures, 3);
  EXPECT_EQ(device.replays, 6 * 7 - 3);
}

TEST(GraphStep, ValidatedStepsRunBetweenReplays) {
  const auto plain = make_backend("cpu", nullptr, 1);
  RecordingBackend device;
  const Dataset data = testing::blobs(160);
  const FitOptions options{.epochs = 4, .batch_size = 32, .seed = 2};
  Trainer wanted = make_trainer(*plain), validated = make_trainer(device, 5);
  wanted.fit(data, options);
  validated.fit(data, options);
  EXPECT_EQ(values_of(validated), values_of(wanted));
  EXPECT_GT(device.replays, 10);
}

TEST(GraphStep, AnotherScheduleOrALargerBatchMeansOtherGraphs) {
  const auto plain = make_backend("cpu", nullptr, 1);
  RecordingBackend device;
  const Dataset data = testing::blobs(200);
  const auto run = [&](Backend& backend) {
    Trainer first = make_trainer(backend), second = make_trainer(backend);
    first.fit(data, {.epochs = 2, .batch_size = 32});
    second.fit(data, {.epochs = 3, .batch_size = 32});
    const Checkpoint middle = first.snapshot();
    first.restore(second.snapshot());  // its schedule comes along
    EXPECT_EQ(middle.schedule, "cosine:total=14");
    HostBatch batch;
    std::vector<float> x(400);
    std::vector<std::int32_t> labels(200);
    std::vector<std::int64_t> rows(200);
    for (std::size_t i = 0; i < 200; ++i) rows[i] = static_cast<std::int64_t>(i);
    batch.data = {x.data(), labels.data(), nullptr, nullptr};
    data.gather(rows, batch.data);
    for (const std::int64_t n : {32, 32, 32, 200, 200, 200, 200, 32, 32, 32}) {
      batch.rows = n;
      if (n == 200) first.finish();
      first.step(batch);
    }
    first.finish();
    return values_of(first);
  };
  EXPECT_EQ(run(device), run(*plain));
}

TEST(GraphStep, ACaptureThatFailsIsEnded) {
  RecordingBackend device;
  const Dataset data = testing::blobs(96);
  Trainer trainer = make_trainer(device);
  device.refusals_left = 1;
  EXPECT_THROW(trainer.fit(data, {.epochs = 4, .batch_size = 32}), Error);
  EXPECT_FALSE(device.capturing());
}

}  // namespace
}  // namespace fuselage
