// The emulated runtime: work that is really late, events, graphs, and every mistake found with a message that says it.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "fuselage/backend.h"
#include "host/backend/cuda/products.h"
#include "tests/simt/check.h"
#include "tests/simt/launch.h"
#include "tests/simt/memory.h"
#include "tests/support/files.h"

namespace simt {
namespace {

constexpr std::size_t kBytes = 4096;

class Runtime : public ::testing::Test {
 protected:
  void SetUp() override {
    before_ = options();
    options().seed = 0;  // as late as possible
    for (cudaStream_t* s : {&first_, &second_}) ok(cudaStreamCreateWithFlags(s, cudaStreamNonBlocking));
    for (void** p : {&a_, &b_, &c_}) ok(cudaMalloc(p, kBytes));
    for (void** p : {&pinned_, &other_pinned_}) ok(cudaMallocHost(p, kBytes));
    for (void* p : {a_, b_, c_}) ok(cudaMemsetAsync(p, 0, kBytes, first_));
    ok(cudaDeviceSynchronize());
    std::memset(pinned_, 0, kBytes);
  }
  void TearDown() override {
    cudaDeviceReset();
    for (void* p : {a_, b_, c_}) ok(cudaFree(p));
    for (void* p : {pinned_, other_pinned_}) ok(cudaFreeHost(p));
    for (cudaStream_t s : {first_, second_}) ok(cudaStreamDestroy(s));
    options() = before_;
  }

  static void ok(cudaError_t status) { ASSERT_EQ(status, cudaSuccess) << cudaGetErrorString(status); }
  /// The error, and words of its message.
  static void fails(cudaError_t status, cudaError_t expected, std::initializer_list<std::string> words) {
    EXPECT_EQ(status, expected) << cudaGetErrorName(status);
    cudaGetLastError();
    const std::string text = cudaGetErrorString(expected);
    for (const std::string& word : words)
      EXPECT_NE(text.find(word), std::string::npos) << "'" << word << "' in: " << text;
  }
  std::string pinned_text(std::size_t n) const { return {static_cast<const char*>(pinned_), n}; }
  int first_byte(const void* p) {
    unsigned char byte = 0;
    ok(cudaMemcpy(&byte, p, 1, cudaMemcpyDeviceToHost));
    return byte;
  }
  static std::string number_of(const void* p) { return std::to_string(find_allocation(p)->number); }
  Grid grid(std::function<void()> body) {
    Grid g;
    g.name = "test";
    g.kernel = a_;
    g.blocks = g.threads = {1, 1, 1};
    g.body = std::move(body);
    return g;
  }

  Options before_;
  cudaStream_t first_ = nullptr, second_ = nullptr;
  void *a_ = nullptr, *b_ = nullptr, *c_ = nullptr, *pinned_ = nullptr, *other_pinned_ = nullptr;
};

TEST_F(Runtime, WorkIsLate) {
  bool ran = false;
  ok(enqueue_grid(grid([&] { ran = true; }), first_));
  ok(cudaStreamSynchronize(second_));
  EXPECT_FALSE(ran);
  ok(cudaStreamSynchronize(first_));
  EXPECT_TRUE(ran);
}

TEST_F(Runtime, WorkIsLateByTheSeedAndAtOnceWhereAsked) {
  int early = 0;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    options().seed = seed;
    bool ran = false;
    ok(enqueue_grid(grid([&] { ran = true; }), first_));
    for (int i = 0; i < 2; ++i) ok(cudaMemsetAsync(a_, 0, 1, second_));
    early += ran;
    ok(cudaDeviceSynchronize());
    EXPECT_TRUE(ran);
  }
  EXPECT_GT(early, 2);
  EXPECT_LT(early, 48);
  options().eager = true;
  bool ran = false;
  ok(enqueue_grid(grid([&] { ran = true; }), first_));
  EXPECT_TRUE(ran);
}

TEST_F(Runtime, TargetsOfQueuedCopiesAreGarbage) {
  ok(cudaMemcpyAsync(pinned_, a_, 4, cudaMemcpyDeviceToHost, first_));
  EXPECT_EQ(pinned_text(4), "\xff\xff\xff\xff");
  ok(cudaStreamSynchronize(first_));
  EXPECT_EQ(pinned_text(4), std::string(4, '\0'));
}

TEST_F(Runtime, FindsASourceThatTheHostChangesTooEarly) {
  ok(cudaMemcpyAsync(a_, pinned_, 64, cudaMemcpyHostToDevice, first_));
  static_cast<char*>(pinned_)[5] = 1;
  fails(cudaStreamSynchronize(first_), cudaErrorLaunchFailure,
        {"copy of 64 bytes", "the host changed its source", "pinned allocation " + number_of(pinned_)});
  fails(cudaMemsetAsync(a_, 0, 1, first_), cudaErrorLaunchFailure, {"the host changed"});  // the device is lost
  fails(cudaGetLastError(), cudaErrorLaunchFailure, {"the host changed"});
  cudaDeviceReset();
  ok(cudaMemcpyAsync(a_, pinned_, 64, cudaMemcpyHostToDevice, first_));
  ok(cudaStreamSynchronize(first_));
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(Runtime, RoundTripsThroughPinnedMemoryAreNoMistake) {
  ok(cudaMemsetAsync(a_, 7, kBytes, first_));
  ok(cudaMemcpyAsync(pinned_, a_, kBytes, cudaMemcpyDefault, first_));
  ok(cudaMemcpyAsync(b_, pinned_, kBytes, cudaMemcpyDefault, first_));
  ok(cudaMemcpyAsync(pinned_, c_, kBytes, cudaMemcpyDefault, first_));
  ok(cudaStreamSynchronize(first_));
  EXPECT_EQ(first_byte(b_), 7);
  EXPECT_EQ(pinned_text(1)[0], 0);
}

TEST_F(Runtime, RefusesRangesAndKinds) {
  fails(cudaMemcpyAsync(a_, b_, kBytes + 1, cudaMemcpyDefault, first_), cudaErrorInvalidValue,
        {"the target", "4097 bytes", "byte 0 of allocation " + number_of(a_), "pass its end"});
  fails(cudaMemcpyAsync(a_, static_cast<char*>(pinned_) + 4000, 97, cudaMemcpyDefault, first_), cudaErrorInvalidValue,
        {"the source", "byte 4000 of pinned allocation", "pass its end"});
  fails(cudaMemcpyAsync(a_, b_, 4, cudaMemcpyHostToDevice, first_), cudaErrorInvalidValue, {"another kind"});
  fails(cudaMemcpyAsync(a_, nullptr, 4, cudaMemcpyDefault, first_), cudaErrorInvalidValue, {"a null pointer"});
  fails(cudaMemsetAsync(static_cast<char*>(a_) + 4090, 0, 7, first_), cudaErrorInvalidValue,
        {"a fill", "pass its end"});
  int here = 0;
  fails(cudaMemsetAsync(&here, 0, 4, first_), cudaErrorInvalidValue, {"host memory"});
  void* gone = nullptr;
  ok(cudaMalloc(&gone, 100));
  const std::string number = number_of(gone);
  fails(cudaFreeHost(gone), cudaErrorInvalidValue, {"cudaFreeHost", "allocation " + number});
  ok(cudaFree(gone));
  fails(cudaFree(gone), cudaErrorInvalidValue, {"allocation " + number + ", which was freed"});
  fails(cudaMemsetAsync(gone, 0, 1, first_), cudaErrorInvalidValue, {"allocation " + number + ", which was freed"});
  fails(cudaMalloc(&gone, std::size_t{1} << 40), cudaErrorMemoryAllocation, {"out of memory", "1099511627776"});
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(Runtime, RefusesLaunches) {
  const auto launch = [&](dim3 blocks, dim3 threads, std::size_t shared) {
    Grid g = grid([] {});
    g.blocks = blocks;
    g.threads = threads;
    g.dynamic_bytes = shared;
    return enqueue_grid(g, first_);
  };
  fails(launch({0, 1, 1}, {1, 1, 1}, 0), cudaErrorInvalidConfiguration, {"'test'", "0 x 1 x 1 blocks"});
  fails(launch({1, 65536, 1}, {1, 1, 1}, 0), cudaErrorInvalidConfiguration, {"1 x 65536 x 1 blocks"});
  fails(launch({1, 1, 1}, {32, 33, 1}, 0), cudaErrorInvalidConfiguration, {"32 x 33 x 1 threads", "1024"});
  fails(launch({1, 1, 1}, {1, 1, 65}, 0), cudaErrorInvalidConfiguration, {"1 x 1 x 65 threads"});
  fails(launch({1, 1, 1}, {1, 1, 1}, 48 * 1024 + 1), cudaErrorInvalidValue, {"49153 bytes", "it may have 49152"});
  ok(cudaFuncSetAttribute(a_, cudaFuncAttributeMaxDynamicSharedMemorySize, 227 * 1024));
  ok(launch({1, 1, 1}, {1, 1, 1}, 227 * 1024));
  fails(cudaFuncSetAttribute(a_, cudaFuncAttributeMaxDynamicSharedMemorySize, 227 * 1024 + 1), cudaErrorInvalidValue,
        {"232449 bytes", "232448 is the most"});
  ok(cudaFuncSetAttribute(a_, cudaFuncAttributeMaxDynamicSharedMemorySize, 48 * 1024));
}

TEST_F(Runtime, EventsMarkAndOrderWork) {
  cudaEvent_t event = nullptr, later = nullptr;
  ok(cudaEventCreate(&event));
  ok(cudaEventCreate(&later));
  ok(cudaStreamWaitEvent(second_, event, 0));  // never recorded: nothing to wait for
  ok(cudaEventQuery(event));
  std::string order;
  ok(enqueue_grid(grid([&] { order += 'a'; }), first_));
  ok(cudaEventRecord(event, first_));
  ok(enqueue_grid(grid([&] { order += 'b'; }), first_));
  ok(cudaEventRecord(later, first_));
  ok(cudaStreamWaitEvent(second_, event, 0));
  ok(enqueue_grid(grid([&] { order += 'c'; }), second_));
  float time = -1;
  fails(cudaEventElapsedTime(&time, event, later), cudaErrorNotReady, {"not waited for"});
  ok(cudaStreamSynchronize(second_));
  EXPECT_EQ(order, "ac");
  EXPECT_EQ(cudaEventQuery(later), cudaErrorNotReady);
  int asked = 0;
  while (cudaEventQuery(later) == cudaErrorNotReady) ASSERT_LT(++asked, 10);
  EXPECT_EQ(order, "acb");
  ok(cudaEventElapsedTime(&time, event, later));
  EXPECT_GE(time, 0);
  ok(cudaEventDestroy(event));
  ok(cudaEventDestroy(later));
}

TEST_F(Runtime, TheNullStreamWaitsForBlockingStreamsOnly) {
  cudaStream_t blocking = nullptr;
  ok(cudaStreamCreate(&blocking));
  std::string order;
  ok(enqueue_grid(grid([&] { order += 'b'; }), blocking));
  ok(enqueue_grid(grid([&] { order += 'n'; }), first_));
  ok(cudaMemset(a_, 0, 4));
  EXPECT_EQ(order, "");
  ok(cudaStreamSynchronize(nullptr));
  EXPECT_EQ(order, "b");
  ok(cudaStreamDestroy(blocking));
}

TEST_F(Runtime, OperationsAreOrderedByWaitsAlone) {
  if (!check::enabled()) GTEST_SKIP() << "accesses are not checked in this flavour";
  cudaEvent_t event = nullptr;
  ok(cudaEventCreate(&event));
  ok(cudaMemsetAsync(a_, 1, kBytes, first_));
  ok(cudaEventRecord(event, first_));
  ok(cudaStreamWaitEvent(second_, event, 0));
  ok(cudaMemsetAsync(a_, 2, kBytes, second_));
  ok(cudaDeviceSynchronize());
  ok(cudaMemsetAsync(a_, 3, kBytes, first_));                       // the host waited
  ok(cudaMemcpyAsync(b_, a_, kBytes, cudaMemcpyDefault, second_));  // nobody waits
  fails(cudaDeviceSynchronize(), cudaErrorLaunchFailure, {"copy of 4096 bytes", "fill of 4096 bytes"});
  cudaDeviceReset();
  ok(cudaEventDestroy(event));
}

TEST_F(Runtime, GraphsRunWhatWasCaptured) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  int calls = 0;
  ok(cudaStreamBeginCapture(first_, cudaStreamCaptureModeThreadLocal));
  ok(enqueue_grid(grid([&] { ++calls; }), first_));
  ok(cudaMemcpyAsync(a_, pinned_, 1, cudaMemcpyHostToDevice, first_));
  ok(cudaMemcpyAsync(b_, a_, 1, cudaMemcpyDeviceToDevice, first_));
  ok(cudaStreamEndCapture(first_, &graph));
  ok(cudaGraphInstantiate(&exec, graph, 0));
  ok(cudaGraphDestroy(graph));
  ok(cudaDeviceSynchronize());
  EXPECT_EQ(calls, 0);
  for (int i = 1; i <= 3; ++i) {
    static_cast<char*>(pinned_)[0] = static_cast<char>(i);
    ok(cudaGraphLaunch(exec, second_));
    ok(cudaStreamSynchronize(second_));
    EXPECT_EQ(calls, i);
    EXPECT_EQ(first_byte(b_), i);
  }
  ok(cudaGraphLaunch(exec, first_));
  static_cast<char*>(pinned_)[0] = 9;  // too early
  fails(cudaStreamSynchronize(first_), cudaErrorLaunchFailure, {"the host changed its source"});
  cudaDeviceReset();
  ok(cudaGraphExecDestroy(exec));
}

TEST_F(Runtime, GraphsKeepTheOrderOfTheirBranches) {
  cudaEvent_t fork = nullptr, join = nullptr;
  ok(cudaEventCreate(&fork));
  ok(cudaEventCreate(&join));
  std::string order;
  ok(cudaStreamBeginCapture(first_, cudaStreamCaptureModeThreadLocal));
  ok(enqueue_grid(grid([&] { order += 'a'; }), first_));
  ok(cudaEventRecord(fork, first_));
  ok(cudaStreamWaitEvent(second_, fork, 0));
  ok(enqueue_grid(grid([&] { order += 'b'; }), first_));
  ok(enqueue_grid(grid([&] { order += 'c'; }), second_));
  ok(cudaEventRecord(join, second_));
  ok(cudaStreamWaitEvent(first_, join, 0));
  ok(enqueue_grid(grid([&] { order += 'd'; }), first_));
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  ok(cudaStreamEndCapture(first_, &graph));
  ok(cudaGraphInstantiate(&exec, graph, 0));
  int swapped = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    options().seed = seed;
    order.clear();
    ok(cudaGraphLaunch(exec, first_));
    ok(cudaStreamSynchronize(first_));
    EXPECT_TRUE(order == "abcd" || order == "acbd") << order;
    swapped += order == "acbd";
  }
  EXPECT_GT(swapped, 0);
  EXPECT_LT(swapped, 20);
  ok(cudaStreamSynchronize(second_));  // which is free again
  for (cudaEvent_t e : {fork, join}) ok(cudaEventDestroy(e));
  ok(cudaGraphDestroy(graph));
  ok(cudaGraphExecDestroy(exec));
}

TEST_F(Runtime, CapturesRefuseWhatCudaRefuses) {
  void* data = nullptr;
  int here = 0;
  cudaEvent_t event = nullptr;
  ok(cudaEventCreate(&event));
  ok(cudaEventRecord(event, second_));
  const std::vector<std::pair<std::function<cudaError_t()>, cudaError_t>> calls = {
      {[&] { return cudaStreamSynchronize(first_); }, cudaErrorStreamCaptureUnsupported},
      {[&] { return cudaStreamQuery(first_); }, cudaErrorStreamCaptureUnsupported},
      {[&] { return cudaDeviceSynchronize(); }, cudaErrorStreamCaptureUnsupported},
      {[&] { return cudaMalloc(&data, 1); }, cudaErrorStreamCaptureUnsupported},
      {[&] { return cudaMallocHost(&data, 1); }, cudaErrorStreamCaptureUnsupported},
      {[&] { return cudaFree(a_); }, cudaErrorStreamCaptureUnsupported},
      {[&] { return cudaMemcpy(a_, b_, 4, cudaMemcpyDefault); }, cudaErrorStreamCaptureUnsupported},
      {[&] { return cudaMemcpyAsync(&here, a_, 4, cudaMemcpyDefault, first_); }, cudaErrorStreamCaptureUnsupported},
      {[&] { return cudaMemcpyAsync(a_, &here, 4, cudaMemcpyDefault, first_); }, cudaErrorStreamCaptureUnsupported},
      {[&] { return cudaStreamWaitEvent(first_, event, 0); }, cudaErrorStreamCaptureIsolation},
  };
  cudaGraph_t graph = nullptr;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    ok(cudaStreamBeginCapture(first_, cudaStreamCaptureModeThreadLocal));
    EXPECT_EQ(calls[i].first(), calls[i].second) << "call " << i;
    EXPECT_EQ(cudaMemsetAsync(a_, 0, 4, first_), cudaErrorStreamCaptureInvalidated) << "call " << i;
    EXPECT_EQ(cudaStreamEndCapture(first_, &graph), cudaErrorStreamCaptureInvalidated) << "call " << i;
    EXPECT_EQ(graph, nullptr);
  }
  ok(cudaStreamBeginCapture(first_, cudaStreamCaptureModeThreadLocal));
  ok(cudaMemsetAsync(a_, 0, 4, first_));
  ok(cudaEventRecord(event, first_));
  fails(cudaEventSynchronize(event), cudaErrorCapturedEvent, {"within a capture"});
  ok(cudaStreamWaitEvent(second_, event, 0));
  ok(cudaMemsetAsync(b_, 0, 4, second_));
  fails(cudaStreamEndCapture(first_, &graph), cudaErrorStreamCaptureUnjoined, {"unjoined"});
  fails(cudaStreamEndCapture(first_, &graph), cudaErrorIllegalState, {"not being captured"});
  fails(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeThreadLocal), cudaErrorStreamCaptureUnsupported, {"null"});
  ok(cudaEventDestroy(event));
  cudaGetLastError();
}

TEST_F(Runtime, ProductsHaveTheirPlaceInTheQueue) {
  const std::vector<float> a{1, 2, 3, 4, 5, 6}, b{7, 8, 9, 10, 11, 12};
  ok(cudaMemcpyAsync(a_, a.data(), 24, cudaMemcpyDefault, first_));
  ok(cudaMemcpyAsync(b_, b.data(), 24, cudaMemcpyDefault, first_));
  fuselage::cuda::Products products;
  fuselage::Product p{false, false, 2, 2, 3, static_cast<float*>(a_), static_cast<float*>(b_), static_cast<float*>(c_)};
  EXPECT_FALSE(products.ready(p));
  products.run(p, first_);
  EXPECT_TRUE(products.ready(p));
  const auto result = [&] {
    std::vector<float> c(4);
    ok(cudaMemcpyAsync(c.data(), c_, 16, cudaMemcpyDefault, first_));
    return c;
  };
  EXPECT_EQ(result(), (std::vector<float>{58, 64, 139, 154}));
  p.transpose_a = p.transpose_b = true;
  products.run(p, first_);
  EXPECT_EQ(result(), (std::vector<float>{76, 103, 100, 136}));
  p.k = 0;
  products.run(p, first_);
  EXPECT_EQ(result(), std::vector<float>(4));
  p.k = 600;
  fuselage::test::expect_error(fuselage::Errc::cuda, {"product: b", "4800 bytes"}, [&] {
    p.m = 1;
    products.run(p, first_);
  });
}

TEST_F(Runtime, MessagesDescribeAddresses) {
  const auto* bytes = static_cast<const char*>(a_);
  const std::string number = number_of(a_);
  EXPECT_EQ(describe(bytes + 10), "byte 10 of allocation " + number + ", which has 4096 bytes");
  EXPECT_EQ(describe(bytes + 4096), "byte 4096 of allocation " + number + ", which has 4096 bytes");
  EXPECT_EQ(describe(&number), "host memory");
  EXPECT_EQ(find_allocation(bytes + 4096), nullptr);
  EXPECT_EQ(find_allocation(bytes + 4095)->begin, reinterpret_cast<std::uintptr_t>(a_));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a_) % 256, 0u);
  void* fresh = nullptr;
  ok(cudaMalloc(&fresh, 8));
  {
    const DeviceAccess access;
    EXPECT_EQ(std::string(static_cast<char*>(fresh), 8), std::string(8, '\xff'));
  }
  ok(cudaFree(fresh));
}

using RuntimeDeath = Runtime;

TEST_F(RuntimeDeath, TheHostMayNotTouchDeviceMemory) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const std::string place = "byte 8 of allocation [0-9]+, which has 4096 bytes, at .*runtime_test.cpp:";
  EXPECT_DEATH({ static_cast<volatile char*>(a_)[8] = 1; }, "host code touched device memory: " + place);
  EXPECT_DEATH({ std::memcpy(pinned_, static_cast<char*>(a_) + 8, 64); }, "host code touched device memory: " + place);
  EXPECT_DEATH(
      {
        ok(enqueue_grid(grid([this] { static_cast<volatile char*>(a_)[1 << 20] = 1; }), first_));
        cudaStreamSynchronize(first_);
      },
      "work of the device touched device memory");
}

}  // namespace
}  // namespace simt
