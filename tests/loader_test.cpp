// Loader: the batches of its thread are those of a direct gather; resuming, errors and buffers.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "fuselage/data.h"
#include "tests/support/files.h"

namespace fuselage {
namespace {

using test::expect_error;

Dataset numbered(std::int64_t n, std::int64_t width = 3) {
  Array features(DType::i32, {n, width}), labels(DType::i32, {n}), weights(DType::f32, {n});
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < width; ++j)
      features.as<std::int32_t>()[static_cast<std::size_t>(i * width + j)] = static_cast<std::int32_t>(i * 10 + j);
    labels.as<std::int32_t>()[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i);
    weights.as<float>()[static_cast<std::size_t>(i)] = static_cast<float>(i) + 0.5f;
  }
  return Dataset(std::move(features), std::move(labels), std::move(weights));
}

LoaderOptions with(std::int64_t batch_size, std::uint64_t seed = 1) {
  LoaderOptions o;
  o.batch_size = batch_size;
  o.seed = seed;
  return o;
}

std::uint64_t mix(std::uint64_t sum, std::uint64_t value) { return (sum ^ value) * 0x100000001b3u; }

std::uint64_t checksum(std::uint64_t sum, std::int64_t rows, std::int64_t width, const BatchBuffers& b) {
  for (std::int64_t i = 0; i < rows * width; ++i)
    sum = mix(sum, static_cast<std::uint32_t>(__builtin_bit_cast(std::int32_t, b.x[i])));
  for (std::int64_t i = 0; i < rows; ++i) sum = mix(sum, static_cast<std::uint32_t>(b.labels[i]));
  for (std::int64_t i = 0; i < rows; ++i)
    sum = mix(sum, static_cast<std::uint32_t>(__builtin_bit_cast(std::int32_t, b.weights[i])));
  return mix(sum, static_cast<std::uint64_t>(rows));
}

TEST(Loader, TenThousandBatchesEqualADirectGather) {
  const Dataset d = numbered(1003, 7);
  for (const bool drop_last : {false, true}) {
    LoaderOptions o = with(32, 11);
    o.drop_last = drop_last;
    o.buffers = drop_last ? 5 : 2;
    Loader loader(d, o);
    SampleOrder order(d.size(), 11);
    std::vector<float> x(32 * 7), w(32);
    std::vector<std::int32_t> labels(32);
    std::uint64_t loaded = 1, direct = 1;
    std::int64_t batches = 0;
    for (std::int64_t epoch = 0; batches < 10000; ++epoch) {
      HostBatch batch;
      std::int64_t in_epoch = 0;
      while (loader.next(batch)) {
        const auto rows =
            order.at(epoch).subspan(static_cast<std::size_t>(in_epoch * 32), static_cast<std::size_t>(batch.rows));
        d.gather(rows, {x.data(), labels.data(), nullptr, w.data()});
        ASSERT_EQ(batch.epoch, epoch);
        ASSERT_EQ(batch.position, in_epoch * 32);
        ASSERT_EQ(batch.data.targets, nullptr);
        loaded = checksum(loaded, batch.rows, 7, batch.data);
        direct = checksum(direct, batch.rows, 7, {x.data(), labels.data(), nullptr, w.data()});
        ASSERT_EQ(loaded, direct) << "batch " << batches;
        ++in_epoch;
        ++batches;
      }
      ASSERT_EQ(in_epoch, loader.batches_per_epoch());
      ASSERT_EQ(in_epoch, drop_last ? 31 : 32);
    }
  }
}

TEST(Loader, EverySampleOnceAnEpoch) {
  const Dataset d = numbered(101);
  Loader loader(d, with(10));
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::vector<int> seen(101);
    HostBatch batch;
    while (loader.next(batch)) {
      EXPECT_EQ(batch.rows, batch.position == 100 ? 1 : 10);
      for (std::int64_t i = 0; i < batch.rows; ++i) {
        ++seen[static_cast<std::size_t>(batch.data.labels[i])];
        EXPECT_EQ(batch.indices[static_cast<std::size_t>(i)], batch.data.labels[i]);
      }
    }
    EXPECT_EQ(seen, std::vector<int>(101, 1));
    EXPECT_EQ(loader.state(), (LoaderState{epoch + 1, 0}));
  }
}

TEST(Loader, ResumesAnywhere) {
  const Dataset d = numbered(50);
  std::vector<std::vector<std::int64_t>> all;
  std::vector<LoaderState> states;
  Loader loader(d, with(8));
  HostBatch batch;
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (states.push_back(loader.state()); loader.next(batch); states.push_back(loader.state()))
      all.emplace_back(batch.indices.begin(), batch.indices.end());
    states.pop_back();  // the end of this epoch and the begin of the next lead to the same batch
  }
  ASSERT_EQ(all.size(), states.size());
  for (std::size_t from = 0; from < states.size(); ++from) {
    Loader resumed(d, with(8));
    resumed.seek(states[from]);
    for (std::size_t k = from; k < std::min(from + 9, all.size()); ++k) {
      ASSERT_TRUE(resumed.next(batch) || resumed.next(batch));
      ASSERT_EQ(std::vector<std::int64_t>(batch.indices.begin(), batch.indices.end()), all[k]) << from << " " << k;
    }
    loader.seek(states[from]);  // and with a loader that is already running
    ASSERT_TRUE(loader.next(batch));
    ASSERT_EQ(std::vector<std::int64_t>(batch.indices.begin(), batch.indices.end()), all[from]);
  }
  for (const LoaderState bad : {LoaderState{-1, 0}, LoaderState{0, -1}, LoaderState{0, 51}})
    expect_error(Errc::bad_argument, {"50 samples"}, [&] { loader.seek(bad); });
}

TEST(Loader, ABatchStaysUntilTheNextCall) {
  Loader loader(numbered(64), with(8));
  HostBatch batch;
  for (int i = 0; i < 200; ++i) {
    if (!loader.next(batch)) continue;
    const std::uint64_t before = checksum(1, batch.rows, 3, batch.data);
    for (int spin = 0; spin < 50; ++spin) ASSERT_EQ(checksum(1, batch.rows, 3, batch.data), before);
  }
}

TEST(Loader, ErrorsOfTheThreadComeOutOfNext) {
  LoaderOptions o = with(10);
  o.buffers = 5;
  std::atomic<int> prepared{0};
  o.prepare = [&](HostBatch&) {
    if (prepared++ == 3) throw std::runtime_error("augmentation broke");
  };
  Loader loader(numbered(100), o);
  HostBatch batch;
  EXPECT_TRUE(loader.next(batch));
  while (prepared < 4) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the fault is there before these are asked for
  for (int i = 1; i < 3; ++i) EXPECT_TRUE(loader.next(batch)) << "the batches before are good";
  for (int i = 0; i < 2; ++i) {
    try {
      loader.next(batch);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& e) {
      EXPECT_STREQ(e.what(), "augmentation broke");
    }
  }
  EXPECT_EQ(loader.state(), (LoaderState{0, 30})) << "counts what was delivered";
  loader.seek(loader.state());  // the fault is gone: it goes on
  EXPECT_TRUE(loader.next(batch));
  EXPECT_EQ(batch.position, 30);
}

TEST(Loader, PrepareChangesTheBatch) {
  LoaderOptions o = with(4);
  o.prepare = [](HostBatch& b) { b.data.x[0] = -7; };
  Loader loader(numbered(8), o);
  HostBatch batch;
  ASSERT_TRUE(loader.next(batch));
  EXPECT_EQ(batch.data.x[0], -7);
}

TEST(Loader, BuffersComeFromTheAllocator) {
  std::atomic<int> live{0}, made{0};
  LoaderOptions o = with(16);
  o.buffers = 3;
  o.allocator.allocate = [&](std::size_t bytes) {
    ++live;
    ++made;
    return std::malloc(bytes);
  };
  o.allocator.release = [&](void* p) {
    --live;
    std::free(p);
  };
  {
    Loader loader(numbered(100), o);
    EXPECT_EQ(live, 9);  // features, labels and weights of three batches
    HostBatch batch;
    for (int i = 0; i < 30; ++i) loader.next(batch);
    EXPECT_EQ(made, 9) << "nothing is allocated later";
  }
  EXPECT_EQ(live, 0);
  o.allocator.allocate = [&](std::size_t bytes) -> void* {
    if (made++ == 13) throw std::bad_alloc();
    ++live;
    return std::malloc(bytes);
  };
  expect_error(Errc::out_of_memory, {"batch buffer"}, [&] { Loader(numbered(100), o); });
  EXPECT_EQ(live, 0) << "what was allocated before the failure is released";
}

TEST(Loader, EndsWhileItsThreadIsBusyOrWaiting) {
  const Dataset d = numbered(1000);
  for (int i = 0; i < 100; ++i) {
    Loader loader(d, with(7));
    HostBatch batch;
    for (int k = 0; k < i % 5; ++k) loader.next(batch);
  }
  Loader never_started(d, with(7));
}

TEST(Loader, RefusalsNameTheOption) {
  const Dataset d = numbered(10);
  expect_error(Errc::bad_argument, {"batch_size 0"}, [&] { Loader(d, with(0)); });
  LoaderOptions o = with(11);
  o.drop_last = true;
  expect_error(Errc::bad_argument, {"10 samples", "11", "drop_last"}, [&] { Loader(d, o); });
  o = with(4);
  o.buffers = 1;
  expect_error(Errc::bad_argument, {"1 buffers"}, [&] { Loader(d, o); });
  o = with(4);
  o.allocator.allocate = std::malloc;
  expect_error(Errc::bad_argument, {"allocate and release"}, [&] { Loader(d, o); });
  expect_error(Errc::bad_argument, {"0 samples"}, [&] { Loader(numbered(0), with(4)); });
  Loader large(d, with(std::int64_t{1} << 60));  // no more rows than the dataset has
  HostBatch batch;
  ASSERT_TRUE(large.next(batch));
  EXPECT_EQ(batch.rows, 10);
}

}  // namespace
}  // namespace fuselage
