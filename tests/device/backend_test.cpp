// The device of this build as a backend: memory, queues, events, captures and errors. Results of kernels are the
// subject of bits_test.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "fuselage/backend.h"
#include "tests/support/device.h"
#include "tests/support/files.h"

namespace fuselage {
namespace {

using test::expect_error;
using Queue = Backend::Queue;

class DeviceBackend : public test::DeviceTest {
 protected:
  std::unique_ptr<Backend> device_ = usable() ? make_backend(cuda_device_name()) : nullptr;

  Buffer device(std::size_t bytes) { return {*device_, bytes, Buffer::Kind::device}; }
  Buffer pinned(std::size_t bytes) { return {*device_, bytes, Buffer::Kind::host}; }
  std::vector<float> read(const void* from, std::size_t count) {
    std::vector<float> values(count);
    device_->copy(values.data(), from, count * sizeof(float));
    device_->synchronize();
    return values;
  }
};

TEST_F(DeviceBackend, CopiesBetweenAllKindsOfMemory) {
  const std::vector<float> values{1, -2, 3.5f, 4, 5, -6, 7};
  const std::size_t bytes = values.size() * sizeof(float);
  const Buffer a = device(bytes), b = device(bytes), p = pinned(bytes), q = pinned(bytes);
  for (const Queue queue : {Queue::compute, Queue::copy}) {
    device_->copy(a.data(), values.data(), bytes, queue);
    device_->copy(p.data(), a.data(), bytes, queue);
    device_->copy(b.data(), p.data(), bytes, queue);
    device_->copy(q.data(), b.data(), bytes, queue);
    std::vector<float> back(values.size());
    device_->copy(back.data(), b.data(), bytes, queue);
    device_->synchronize();
    EXPECT_EQ(back, values);
    EXPECT_EQ(std::memcmp(p.data(), values.data(), bytes), 0);
    EXPECT_EQ(std::memcmp(q.data(), values.data(), bytes), 0);
    for (const Buffer* target : {&a, &b}) device_->zero(target->data(), bytes, queue);
    device_->zero(p.data(), bytes, queue);
    device_->synchronize();
    EXPECT_EQ(read(a.data(), values.size()), std::vector<float>(values.size()));
  }
  device_->copy(nullptr, nullptr, 0);
  device_->zero(nullptr, 0);
}

TEST_F(DeviceBackend, SourcesInOrdinaryMemoryAreTakenAtTheCall) {
  std::vector<float> values(1000, 1);
  const Buffer a = device(values.size() * sizeof(float));
  device_->copy(a.data(), values.data(), a.bytes());
  std::fill(values.begin(), values.end(), 2);
  device_->synchronize();
  EXPECT_EQ(read(a.data(), 1000), std::vector<float>(1000, 1));
}

TEST_F(DeviceBackend, EventsOrderTheQueues) {
  constexpr std::size_t n = 100'000;
  const Buffer a = device(n * sizeof(float)), b = device(n * sizeof(float)), p = pinned(n * sizeof(float));
  const auto copied = device_->make_event(), used = device_->make_event();
  for (int round = 0; round < 20; ++round) {
    device_->synchronize(*used);  // not recorded at first: no wait
    std::fill_n(static_cast<float*>(p.data()), n, static_cast<float>(round));
    device_->wait(*used, Queue::copy);
    device_->copy(a.data(), p.data(), p.bytes(), Queue::copy);
    device_->record(*copied, Queue::copy);
    device_->wait(*copied, Queue::compute);
    device_->copy(b.data(), a.data(), a.bytes(), Queue::compute);
    device_->record(*used, Queue::compute);
    EXPECT_EQ(read(b.data(), n), std::vector<float>(n, static_cast<float>(round)));
  }
}

TEST_F(DeviceBackend, TimesBetweenEvents) {
  const auto first = device_->make_event(true), last = device_->make_event(true), untimed = device_->make_event();
  const Buffer a = device(1 << 20);
  device_->record(*first);
  device_->zero(a.data(), a.bytes());
  device_->record(*last);
  const double seconds = device_->seconds_between(*first, *last);
  EXPECT_GT(seconds, 0);
  EXPECT_LT(seconds, 10);
  device_->record(*untimed);
  expect_error(Errc::cuda, {"timing between events"}, [&] { device_->seconds_between(*first, *untimed); });
}

TEST_F(DeviceBackend, CapturedWorkRunsAtEachReplayOnly) {
  constexpr std::size_t n = 1000;
  const Buffer a = device(n * sizeof(float)), b = device(n * sizeof(float));
  device_->zero(b.data(), b.bytes());
  device_->synchronize();
  device_->begin_capture();
  device_->copy(b.data(), a.data(), a.bytes());
  const auto graph = device_->end_capture();
  const std::vector<float> none(n), ones(n, 1), twos(n, 2);
  device_->copy(a.data(), ones.data(), a.bytes());
  EXPECT_EQ(read(b.data(), n), none);
  for (const auto* values : {&ones, &twos}) {
    device_->copy(a.data(), values->data(), a.bytes());
    device_->replay(*graph);
    EXPECT_EQ(read(b.data(), n), *values);
  }
}

TEST_F(DeviceBackend, CapturesRefuseWhatTheyCannotHold) {
  const Buffer a = device(4096);
  device_->begin_capture();
  expect_error(Errc::bad_argument, {"under way"}, [&] { device_->begin_capture(); });
  expect_error(Errc::bad_argument, {"not run before"}, [&] {
    const auto* x = a.as<float>();
    device_->product({false, false, 2, 3, 4, x, x + 64, a.as<float>() + 128});
  });
  expect_error(Errc::cuda, {"waiting for the device"}, [&] { device_->synchronize(); });
  expect_error(Errc::cuda, {"capture"}, [&] { device_->end_capture(); });
  expect_error(Errc::bad_argument, {"no capture"}, [&] { device_->end_capture(); });
  device_->zero(a.data(), a.bytes());  // and then all is as before
  EXPECT_EQ(read(a.data(), 1024), std::vector<float>(1024));
}

TEST_F(DeviceBackend, NamesTheMemoryThatCannotBeHad) {
  expect_error(Errc::out_of_memory, {"1125899906842624 bytes", "device memory"}, [&] { device(std::size_t{1} << 50); });
  expect_error(Errc::out_of_memory, {"1125899906842624 bytes", "pinned host"}, [&] { pinned(std::size_t{1} << 50); });
  const Buffer a = device(256);  // and then all is as before
  device_->zero(a.data(), a.bytes());
  EXPECT_EQ(read(a.data(), 64), std::vector<float>(64));
}

TEST_F(DeviceBackend, TwoBesideEachOther) {
  const auto other = make_backend(std::string(cuda_device_name()) + ":0");
  const Buffer a = device(4000), b(*other, 4000, Buffer::Kind::device);
  const std::vector<float> ones(1000, 1), twos(1000, 2);
  device_->copy(a.data(), ones.data(), 4000);
  other->copy(b.data(), twos.data(), 4000);
  EXPECT_EQ(read(a.data(), 1000), ones);
  other->synchronize();
  EXPECT_EQ(read(b.data(), 1000), twos);
  EXPECT_EQ(other->device(), cuda_device_name());
  expect_error(Errc::no_device, {"99"}, [] { make_backend(std::string(cuda_device_name()) + ":99"); });
}

TEST(Devices, AreListedInMessages) {
  const std::string name(cuda_device_name());
  expect_error(Errc::unknown_name, {"unknown device 'gpu'", "auto, cpu, " + name + ", " + name + ":N"},
               [] { make_backend("gpu"); });
  const CudaStatus status = cuda_status();
  EXPECT_EQ(status.device, name);
  std::string why;
  EXPECT_EQ(make_backend("auto", &why)->device(), status.usable ? name : "cpu");
  EXPECT_NE(why.find(status.usable ? name : "cpu"), std::string::npos) << why;
}

}  // namespace
}  // namespace fuselage
