// Philox: the published vectors, the mapping from elements to words, and the uniform numbers made from them.
#include "fuselage/core/rng.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

namespace fuselage {
namespace {

struct Known {
  RandomBlock counter;
  RandomKey key;
  std::array<std::uint32_t, 4> expected;
};

// Counter, key and result from the known-answer tests published with the paper's library.
constexpr Known kKnown[] = {
    {{{0, 0, 0, 0}}, {{0, 0}}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
     {{0xffffffff, 0xffffffff}},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
     {{0xa4093822, 0x299f31d0}},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

static_assert(philox(kKnown[0].counter, kKnown[0].key).word[0] == 0x6627e8d5, "usable in constant expressions");

TEST(Rng, PublishedVectors) {
  for (const Known& k : kKnown) {
    const RandomBlock got = philox(k.counter, k.key);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(got.word[i], k.expected[static_cast<std::size_t>(i)]) << "word " << i;
  }
}

TEST(Rng, SeedAndPlaceFillKeyAndCounter) {
  const RandomBlock direct = philox(kKnown[2].counter, kKnown[2].key);
  const RandomBlock named = random_block(0x299f31d0a4093822u, 0x85a308d3243f6a88u, 0x13198a2e, 0x03707344);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(named.word[i], direct.word[i]);
}

TEST(Rng, WordsOfElementsComeFromTheirBlock) {
  const std::uint64_t starts[] = {0, (std::uint64_t{1} << 34) - 8, std::uint64_t{1} << 40};
  for (const std::uint64_t start : starts) {
    for (std::uint64_t i = start; i < start + 16; ++i) {
      const RandomBlock quad = random_block(7, i / 4, 3, 9), pair = random_block(7, i / 2, 3, 9);
      EXPECT_EQ(random_word(7, i, 3, 9), quad.word[i % 4]);
      const std::uint64_t wide = random_word64(7, i, 3, 9);
      EXPECT_EQ(static_cast<std::uint32_t>(wide), pair.word[2 * (i % 2)]);
      EXPECT_EQ(static_cast<std::uint32_t>(wide >> 32), pair.word[2 * (i % 2) + 1]);
    }
  }
}

TEST(Rng, StreamsAreApart) {
  EXPECT_NE(stream_of(RandomUse::dropout, 1), stream_of(RandomUse::dropout, 2));
  EXPECT_NE(stream_of(RandomUse::dropout, 1), stream_of(RandomUse::init, 1));
  EXPECT_EQ(stream_of(RandomUse::dropout, 5) >> 24, static_cast<std::uint32_t>(RandomUse::dropout));
  EXPECT_EQ(stream_of(RandomUse::init, 0x01000002u), stream_of(RandomUse::init, 2));
  EXPECT_NE(random_word(1, 0, stream_of(RandomUse::shuffle), 0), random_word(1, 0, stream_of(RandomUse::split), 0));
  EXPECT_NE(random_word(1, 0, 0, 0), random_word(1, 0, 0, 1));
}

TEST(Rng, UniformEnds) {
  EXPECT_EQ(uniform(0), 0.0f);
  EXPECT_EQ(uniform(0xffffffffu), 0x1.fffffep-1f);
  EXPECT_EQ(uniform_positive(0), 0x1p-24f);
  EXPECT_EQ(uniform_positive(0xffffffffu), 1.0f);
  EXPECT_EQ(uniform_double(0), 0.0);
  EXPECT_EQ(uniform_double(~std::uint64_t{0}), 0x1.fffffffffffffp-1);
}

TEST(Rng, UniformIsUniform) {
  constexpr int kCount = 1 << 18, kBins = 64;
  std::vector<int> bins(kBins);
  double sum = 0, neighbours = 0, last = 0.5;
  for (int i = 0; i < kCount; ++i) {
    const double u = uniform(random_word(42, static_cast<std::uint64_t>(i), 0, 0));
    ++bins[static_cast<std::size_t>(u * kBins)];
    sum += u;
    neighbours += (u - 0.5) * (last - 0.5);
    last = u;
  }
  double chi2 = 0;
  for (const int b : bins) chi2 += (b - kCount / kBins) * (b - kCount / kBins) / double(kCount / kBins);
  EXPECT_NEAR(sum / kCount, 0.5, 5 * 0.2887 / 512);             // five standard errors
  EXPECT_NEAR(neighbours / kCount, 0.0, 5 * (1.0 / 12) / 512);  // no serial correlation
  EXPECT_GT(chi2, 63 - 5 * 11.3);
  EXPECT_LT(chi2, 63 + 5 * 11.3);
}

}  // namespace
}  // namespace fuselage
