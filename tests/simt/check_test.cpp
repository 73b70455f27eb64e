// The checks of accesses: each fault is found, under any order, with the lines of those that take part.
#include "tests/simt/check.h"

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "tests/simt/kernels/fixture.h"
#include "tests/simt/shadow.h"

namespace {

using namespace simt;
using namespace simt::test;

using Stamp = simt::Access;  // a test below has the other name

class Checked : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { ASSERT_TRUE(check::enabled()) << "the kernels of this program are not instrumented"; }
};

class Access : public Checked {};
TEST_P(Access, FaultIsFoundInAnyOrder) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    expect_fault(GetParam(), "tests/simt/kernels/access_faults.cu", run_case(GetParam(), seed));
    if (HasFailure()) break;
  }
}
INSTANTIATE_TEST_SUITE_P(, Access, testing::ValuesIn(access_faults().begin(), access_faults().end()), CaseName());

class Race : public Checked {};
TEST_P(Race, IsFoundInAnyOrder) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::string fault = run_case(GetParam(), seed);
    expect_fault(GetParam(), "tests/simt/kernels/races.cu", fault);
    const auto first = fault.find("tests/simt/kernels/races.cu:"), last = fault.rfind("tests/simt/kernels/races.cu:");
    EXPECT_NE(first, last) << "names one party only: " << fault;
    EXPECT_NE(fault.find("nothing orders the two"), std::string::npos) << fault;
    if (HasFailure()) {
      ADD_FAILURE() << "seed " << seed;
      break;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(, Race, testing::ValuesIn(races().begin(), races().end()), CaseName());

/// Two queues that run out of step with each other, and the host.
class Queues : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(check::enabled()) << "the kernels of this program are not instrumented";
    ASSERT_EQ(cudaMalloc(reinterpret_cast<void**>(&floats_), 64 * sizeof(float)), cudaSuccess);
    ASSERT_EQ(cudaMemset(floats_, 0, 64 * sizeof(float)), cudaSuccess);
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    for (cudaStream_t& queue : queues_)
      ASSERT_EQ(cudaStreamCreateWithFlags(&queue, cudaStreamNonBlocking), cudaSuccess);
  }
  float* floats_ = nullptr;
  cudaStream_t queues_[2]{};
};

TEST_F(Queues, AreOrderedByEvents) {
  cudaEvent_t done{};
  ASSERT_EQ(cudaEventCreateWithFlags(&done, cudaEventDisableTiming), cudaSuccess);
  ASSERT_EQ(add_one(floats_, 64, queues_[0]), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(done, queues_[0]), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(queues_[1], done, 0), cudaSuccess);
  ASSERT_EQ(add_one(floats_, 64, queues_[1]), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(queues_[1]), cudaSuccess) << cudaGetErrorString(cudaGetLastError());
  cudaEventDestroy(done);
}

TEST_F(Queues, RaceWithoutAnEvent) {
  ASSERT_EQ(add_one(floats_, 64, queues_[0]), cudaSuccess);
  ASSERT_EQ(add_one(floats_, 64, queues_[1]), cudaSuccess);
  const cudaError_t status = cudaDeviceSynchronize();
  EXPECT_NE(status, cudaSuccess);
  const std::string text = cudaGetErrorString(status);
  EXPECT_NE(text.find("race: "), std::string::npos) << text;
  EXPECT_NE(text.find("of kernel 'add one' (operation "), std::string::npos) << text;
}

check::Cell read_by(std::initializer_list<Stamp> readers) {
  check::Cell cell{};
  for (const Stamp& reader : readers)
    EXPECT_EQ(check::visit(cell, reader, [](const Stamp&) { return false; }), nullptr);
  return cell;
}

TEST(Shadow, KeepsReadersFarApart) {
  const auto access = [](std::uint32_t block, unsigned thread, bool write) {
    Stamp a;
    a.instance = block;
    a.thread = thread;
    a.bytes = 3;
    a.write = write;
    return a;
  };
  const Stamp writer = access(1, 0, true);
  const auto of_thread = [&](const Stamp& a) { return a.instance == 1 && a.thread == 0; };
  const auto of_warp = [&](const Stamp& a) { return a.instance == 1 && a.thread < 32; };
  const auto of_block = [&](const Stamp& a) { return a.instance == 1; };
  // The writer knows of ever more readers; one that it does not know of came last, after two that it knows.
  check::Cell cell = read_by({access(1, 0, false), access(1, 0, false), access(1, 5, false)});
  EXPECT_NE(check::visit(cell, writer, of_thread), nullptr);
  cell = read_by({access(1, 1, false), access(1, 2, false), access(1, 40, false)});
  EXPECT_NE(check::visit(cell, writer, of_warp), nullptr);
  cell = read_by({access(1, 1, false), access(1, 2, false), access(1, 40, false), access(1, 3, false)});
  EXPECT_NE(check::visit(cell, writer, of_warp), nullptr);
  cell = read_by({access(1, 1, false), access(1, 40, false), access(2, 0, false), access(1, 3, false)});
  EXPECT_NE(check::visit(cell, writer, of_block), nullptr);
  cell = read_by({access(1, 1, false), access(1, 2, false), access(1, 40, false)});
  EXPECT_EQ(check::visit(cell, writer, of_block), nullptr);
  EXPECT_EQ(cell.others[0].instance, 0u) << "a write takes the place of the readers";
}

TEST(Ranges, KnowWhatWasWritten) {
  ASSERT_TRUE(check::enabled()) << "the kernels of this program are not instrumented";
  const CaseMemory memory;
  const Memory& m = memory.get();
  EXPECT_EQ(check::read_range(0, m.floats, kFloats * sizeof(float)), "");
  EXPECT_NE(check::read_range(0, m.floats, kFloats * sizeof(float) + 1), "");
  EXPECT_NE(check::write_range(0, m.freed, 4), "");
  // Half of what is copied was written.
  check::copy_initialised(m.fresh + 8, m.floats, 16);
  EXPECT_EQ(check::write_range(0, m.fresh + 8, 16), "");
  check::copy_initialised(m.fresh, m.fresh + 6, 16);
  EXPECT_EQ(check::write_range(0, m.fresh, 16), "");
  Memory from = m;
  from.fresh = m.fresh + 2;
  const Case* never_written = nullptr;
  for (const Case& one : access_faults())
    if (std::string(one.name) == "never_written") never_written = &one;
  ASSERT_NE(never_written, nullptr);
  EXPECT_EQ(run_with_seed(grid_of(*never_written, from), 1), "");
  from.fresh = m.fresh;
  EXPECT_NE(run_with_seed(grid_of(*never_written, from), 1), "");
}

}  // namespace
