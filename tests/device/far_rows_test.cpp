// Memory in unusual places: rows that lie more than 2^32 elements apart, for which offsets of 32 bits are too short,
// and scratch memory that a captured graph goes on using after a larger pass has outgrown it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "fuselage/backend.h"
#include "tests/support/device.h"

namespace fuselage {
namespace {

constexpr std::int64_t kFar = std::int64_t{1} << 32;  // elements

class FarRows : public test::DeviceTest {
 protected:
  static std::vector<float> numbers(std::int64_t n, float first) {
    std::vector<float> x(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = first + static_cast<float>(i * 7 % 13) / 8;
    return x;
  }
  void copy(void* to, const void* from, std::int64_t floats) {
    device_->copy(to, from, static_cast<std::size_t>(floats) * sizeof(float));
  }

  /// A loss on two rows of which one stands in device memory and the other in pinned memory, gradient in place; and on
  /// packed rows by the CPU.
  void compare(std::string_view loss_name, std::int64_t cols, bool labels) {
    const AnyLoss loss = Losses::parse(loss_name, "loss");
    const auto bytes = static_cast<std::size_t>(cols) * sizeof(float);
    const Buffer below(*device_, 2 * bytes), row(*device_, bytes), above(*device_, 2 * bytes);
    const Buffer pinned(*device_, bytes, Buffer::Kind::host), report(*device_, sizeof(LossReport));
    float* const first = std::min(row.as<float>(), pinned.as<float>());
    float* const second = std::max(row.as<float>(), pinned.as<float>());
    const std::int64_t stride = second - first;
    if (stride < kFar) GTEST_SKIP() << "pinned memory stands only " << stride << " floats from device memory";
    // What lies between the rows would seem to overlap them.
    const Buffer& outside = first == row.data() ? below : above;
    std::vector<float> y = numbers(2 * cols, -0.5f);
    const std::vector<float> t = numbers(2 * cols, 0.25f);
    const std::vector<std::int64_t> label{cols - 1, 2};
    copy(first, y.data(), cols);
    copy(second, y.data() + cols, cols);
    LossBatch batch;
    batch.prediction = {first, DType::f32, 2, cols, stride};
    batch.gradient = {first, DType::f32, 2, cols, stride};
    if (labels) {
      device_->copy(outside.data(), label.data(), sizeof(std::int64_t) * 2);
      batch.target = {outside.as<std::int64_t>(), 2};
    } else {
      copy(outside.data(), t.data(), 2 * cols);
      batch.target = {outside.as<float>(), 2, cols};
    }
    device_->loss(loss, batch, report.as<LossReport>());
    LossReport got, expected;
    std::vector<float> gradient(y.size());
    device_->copy(&got, report.data(), sizeof got);
    copy(gradient.data(), first, cols);
    copy(gradient.data() + cols, second, cols);
    device_->synchronize();

    const auto cpu = make_cpu_backend({1, {}});
    batch.prediction = {y.data(), 2, cols};
    batch.gradient = {y.data(), 2, cols};
    batch.target = labels ? ConstView(label.data(), 2) : ConstView(t.data(), 2, cols);
    cpu->loss(loss, batch, &expected);
    EXPECT_EQ(got.value, expected.value);
    EXPECT_EQ(gradient, y);
  }

  std::unique_ptr<Backend> device_ = usable() ? make_backend(cuda_device_name()) : nullptr;
};

TEST_F(FarRows, OfPointwiseLosses) { compare("mse", 10, false); }
TEST_F(FarRows, OfShortRows) { compare("softmax_cross_entropy", 10, true); }
TEST_F(FarRows, OfLongRows) { compare("softmax_cross_entropy", 100, true); }
TEST_F(FarRows, OfRowsOfManyChunks) { compare("softmax_cross_entropy", 5000, true); }

TEST_F(FarRows, AndGraphsWhoseScratchIsOutgrown) {
  constexpr std::int64_t kRows = 140000;  // more row values than scratch memory has at first
  const AnyLoss loss = Losses::parse("softmax_cross_entropy", "loss");
  const std::vector<float> y = numbers(2 * 50, 0);
  const std::vector<std::uint8_t> t(static_cast<std::size_t>(kRows), 0);
  const Buffer logits(*device_, kRows * sizeof(float)), labels(*device_, t.size());
  const Buffer report(*device_, sizeof(LossReport)), other(*device_, sizeof(LossReport));
  device_->zero(logits.data(), logits.bytes());
  copy(logits.data(), y.data(), 100);
  device_->copy(labels.data(), t.data(), t.size());
  LossBatch batch, large;
  batch.prediction = {logits.as<float>(), 50, 2};
  batch.target = {labels.as<std::uint8_t>(), 50};
  large.prediction = {logits.as<float>(), kRows, 1};
  large.target = {labels.as<std::uint8_t>(), kRows};
  device_->loss(loss, batch, report.as<LossReport>());
  LossReport before, after;
  device_->copy(&before, report.data(), sizeof before);
  device_->synchronize();
  device_->begin_capture();
  device_->loss(loss, batch, report.as<LossReport>());
  const auto graph = device_->end_capture();
  device_->loss(loss, large, other.as<LossReport>());
  device_->zero(report.data(), report.bytes());
  device_->replay(*graph);
  device_->copy(&after, report.data(), sizeof after);
  device_->synchronize();
  EXPECT_GT(before.value, 0);
  EXPECT_EQ(after.value, before.value);
  EXPECT_EQ(after.count, 50);
}

}  // namespace
}  // namespace fuselage
