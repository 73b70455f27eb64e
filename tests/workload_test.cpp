// Workloads of benchmarks: buffers that rotate, and first results that tell a wrong pass from a right one.
#include "host/validate/workload.h"

#include <gtest/gtest.h>

#include <bit>
#include <set>

#include "tests/support/wrapped_backend.h"

namespace fuselage {
namespace {

using namespace validate;

TEST(Workload, CopiesOutgrowTheCache) {
  EXPECT_EQ(copies_beyond_cache(1e6, 10e6), 20);
  EXPECT_EQ(copies_beyond_cache(100e6, 10e6), 1);
  EXPECT_EQ(copies_beyond_cache(1, 10e6), 64) << "small ones are for small caches";
  EXPECT_GE(copies_beyond_cache(50e6, kDeviceCacheBytes) * 50e6, 2 * 128e6) << "the largest cache of a GPU";
}

TEST(Workload, EveryCopyTakesItsTurn) {
  test::WrappedBackend backend;
  std::set<const void*> gradients;
  backend.after_loss = [&](const LossBatch& batch, LossReport&) { gradients.insert(batch.gradient.data); };
  const auto workload = loss_workload(backend, loss::Mse{}, DType::f32, 100, 1, 3);
  for (int i = 0; i < 6; ++i) workload->run();
  EXPECT_EQ(gradients.size(), 3u);
}

TEST(Workload, BytesAreThoseThatAPassMustMove) {
  test::WrappedBackend backend;
  EXPECT_EQ(loss_workload(backend, loss::Mse{}, DType::bf16, 100, 2, 1)->bytes(), 3 * 200 * 2);
  EXPECT_EQ(loss_workload(backend, loss::SoftmaxCrossEntropy{}, DType::f32, 100, 10, 1)->bytes(), 8000 + 400);
  EXPECT_EQ(step_workload(backend, usual_optimizer(optim::Adam{}), DType::f32, 4, 50, 1)->bytes(), 200 * (12 + 16));
  EXPECT_EQ(copy_workload(backend, 4000)->bytes(), 8000);
}

std::uint64_t loss_result(Backend& backend, int copies, const AnyLoss& loss = loss::Mse{}) {
  const auto workload = loss_workload(backend, loss, DType::f32, 70, 10, copies);
  workload->run();
  return workload->first_result();
}

std::uint64_t step_result(Backend& backend, int copies, int runs = 1) {
  const auto workload = step_workload(backend, usual_optimizer(optim::Sgd{}), DType::f32, 3, 100, copies);
  for (int i = 0; i < runs; ++i) workload->run();
  return workload->first_result();
}

TEST(FirstResult, IsTheSameOnEveryTargetWithAnyNumberOfCopies) {
  test::WrappedBackend right;
  for (const std::string& target : cpu_targets()) {
    const auto backend = make_cpu_backend({2, target});
    for (const int copies : {1, 3}) {
      EXPECT_EQ(loss_result(*backend, copies), loss_result(right, 1)) << target;
      EXPECT_EQ(step_result(*backend, copies), step_result(right, 1)) << target;
    }
  }
  EXPECT_NE(loss_result(right, 1), loss_result(right, 1, loss::Mae{}));
  EXPECT_NE(step_result(right, 1), step_result(right, 1, 2)) << "a second step begins elsewhere";
}

TEST(FirstResult, SeesOneBit) {
  test::WrappedBackend right, wrong;
  for (const int element : {0, 350, 699}) {
    wrong.after_loss = [&](const LossBatch& batch, LossReport&) {
      float& g = static_cast<float*>(batch.gradient.data)[element];
      g = std::bit_cast<float>(std::bit_cast<std::uint32_t>(g) ^ 1u);
    };
    EXPECT_NE(loss_result(wrong, 1), loss_result(right, 1)) << element;
  }
  wrong.after_loss = [](const LossBatch&, LossReport& report) { ++report.count; };
  EXPECT_NE(loss_result(wrong, 1), loss_result(right, 1)) << "the report";
  wrong.after_update = [](StepState& state) { ++state.step; };
  EXPECT_NE(step_result(wrong, 1), step_result(right, 1)) << "the step counter";
}

TEST(MedianSeconds, IsATimeOfTheDevice) {
  test::WrappedBackend backend;
  const auto workload = copy_workload(backend, 1 << 20);
  const double seconds = median_seconds(backend, *workload, 3);
  EXPECT_GT(seconds, 1e-7);
  EXPECT_LT(seconds, 10);
}

}  // namespace
}  // namespace fuselage
