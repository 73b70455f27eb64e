// The canonical order: chunks, lanes, the tree, and the search for a chunk's tensor.
#include "fuselage/core/partition.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace fuselage {
namespace {

TEST(Chunks, CoverEverySizeOnce) {
  for (std::int64_t n : {0l, 1l, 4095l, 4096l, 4097l, 8191l, 8192l, 1000000l, (1l << 40) + 1}) {
    const std::int64_t chunks = chunks_of(n);
    EXPECT_EQ(chunks, (n + 4095) / 4096);
    if (n == 0) continue;
    EXPECT_GT(chunk_length(n, chunks - 1), 0);
    EXPECT_EQ((chunks - 1) * kChunk + chunk_length(n, chunks - 1), n);
    if (chunks > 1) {
      EXPECT_EQ(chunk_length(n, 0), kChunk);
    }
  }
}

TEST(Tree, AddsNeighboursFirst) {
  // Powers of two that only survive in the ascending order: 1 + 2^-24 is lost, (2^-24 + 2^-24) + 1 is not.
  float lane[kLanes] = {};
  lane[0] = 0x1p-24f, lane[1] = 0x1p-24f, lane[2] = 1;
  EXPECT_EQ(add_lanes(lane), 1.0f + 0x1p-23f);
  float other[kLanes] = {};
  other[0] = 0x1p-24f, other[2] = 0x1p-24f, other[1] = 1;
  EXPECT_EQ(add_lanes(other), 1.0f);
}

TEST(Sequence, PutsElementIIntoLaneIMod256) {
  std::vector<double> x(1000, 0.0);
  x[3] = 0x1p-53, x[259] = 0x1p-53, x[4] = 1;  // 3 and 259 share a lane, so they meet first
  EXPECT_EQ(add_sequence(1000, [&](std::int64_t i) { return x[i]; }), 1.0 + 0x1p-52);
  x[259] = 0, x[260] = 0x1p-53;  // lane 4 holds the 1 and loses it
  EXPECT_EQ(add_sequence(1000, [&](std::int64_t i) { return x[i]; }), 1.0);
  EXPECT_EQ(add_sequence(0, [](std::int64_t) { return 1.0; }), 0.0);
}

TEST(TensorOfChunk, FindsTheOwnerInRaggedTables) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::int64_t> first{0}, owner;
    const int count = 1 + static_cast<int>(random() % 40);
    for (int t = 0; t < count; ++t) {
      const int chunks = random() % 3 == 0 ? 0 : static_cast<int>(random() % 5);  // empty tensors anywhere
      for (int c = 0; c < chunks; ++c) owner.push_back(t);
      first.push_back(first.back() + chunks);
    }
    for (std::size_t c = 0; c < owner.size(); ++c)
      ASSERT_EQ(tensor_of_chunk(first.data(), count, static_cast<std::int64_t>(c)), owner[c]) << "round " << round;
  }
}

}  // namespace
}  // namespace fuselage
