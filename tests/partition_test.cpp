// The canonical order: chunks, lanes, the tree, and the search for a chunk's tensor.
#include "fuselage/core/partition.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
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

TEST(Sequence, AddsChunkByChunkAndThenTheirSums) {
  // Two halves of an ulp meet where they share a chunk and a lane; elsewhere each meets the 1 of its lane and is lost.
  const std::int64_t n = 3 * kChunk + 5;
  const auto sum = [&](std::int64_t one, std::int64_t half, std::int64_t other) {
    return add_sequence(n, [&](std::int64_t i) { return i == one ? 1.0 : i == half || i == other ? 0x1p-53 : 0.0; });
  };
  EXPECT_EQ(sum(0, kChunk, kChunk + kLanes), 1.0 + 0x1p-52);  // without chunks, lane 0 would add them to the 1
  EXPECT_EQ(sum(0, 2 * kChunk, 3 * kChunk), 1.0 + 0x1p-52);   // the tree of chunk sums: (0 + 1) + (2 + 3)
  EXPECT_EQ(sum(0, kChunk, 2 * kChunk), 1.0);
}

/// add_sequence as the words say it: lists of sums.
double by_levels(std::vector<double> x) {
  do {
    std::vector<double> sums;
    for (std::size_t first = 0; first < x.size(); first += kChunk) {
      std::vector<double> lane(kLanes, 0.0);
      for (std::size_t i = first; i < std::min(first + kChunk, x.size()); ++i) lane[i % kLanes] += x[i];
      for (; lane.size() > 1; lane.resize(lane.size() / 2))
        for (std::size_t i = 0; i < lane.size() / 2; ++i) lane[i] = lane[2 * i] + lane[2 * i + 1];
      sums.push_back(lane[0]);
    }
    x = sums;
  } while (x.size() > 1);
  return x[0];
}

TEST(Sequence, HasTheBitsOfItsDefinition) {
  std::mt19937_64 random(11);
  std::vector<double> x;
  for (int i = 0; i < 40 * kChunk + 77; ++i) x.push_back(std::ldexp(static_cast<double>(random()), -60));
  for (const std::size_t n : {1, 255, 256, 4095, 4096, 4097, 8192, 12289, 40 * kChunk + 77}) {
    x.resize(std::max(x.size(), n));
    const std::vector<double> head(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_EQ(add_sequence(static_cast<std::int64_t>(n), [&](std::int64_t i) { return head[i]; }), by_levels(head))
        << n;
  }
}

TEST(Sequence, HasAThirdLevelWhereTheSecondIsLong) {
  // Chunk sums 4,096 and 4,097 meet before they meet number 0; on the second level lane 0 would lose the first of them.
  const std::int64_t last = std::int64_t{kChunk} * kChunk;
  const auto get = [&](std::int64_t i) { return i == 0 ? 1.0 : i == last || i == last + kChunk ? 0x1p-53 : 0.0; };
  EXPECT_EQ(add_sequence(last + kChunk + 1, get), 1.0 + 0x1p-52);
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
