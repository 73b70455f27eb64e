// Random numbers without state: a number is a function of its seed and its place, so it has the same bits on every
// device, for any number of threads and in any order of evaluation, and resuming needs no generator to be saved.
//
// The function is Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC
// 2011): ten rounds of two 32 x 32 -> 64 bit products that turn a 128-bit counter and a 64-bit key into 128 random
// bits.
//
//   key     = seed                                          (low word, high word)
//   counter = index low, index high, stream, step           (index counts blocks of four words)
//
// `stream` keeps the uses apart (two layers' dropout, the shuffle, an initialiser): stream_of(). `step` is the training
// step or the epoch, modulo 2^32. The word of element i is word i % 4 of block i / 4, and that never depends on how the
// elements are divided among threads, lanes or launches.
#pragma once

#include <cstdint>

#include "fuselage/core/hd.h"

namespace fuselage {

/// 128 bits: a Philox counter, or the four random words made from one.
struct RandomBlock {
  std::uint32_t word[4];
};

/// The Philox key.
struct RandomKey {
  std::uint32_t word[2];
};

/// What random numbers are used for; each purpose has 2^24 instances (layers, tensors, ...).
enum class RandomUse : std::uint8_t { general, shuffle, split, init, dropout, rounding, augment, synthetic, noise };

FUSELAGE_HD constexpr std::uint32_t stream_of(RandomUse use, std::uint32_t instance = 0) {
  return (static_cast<std::uint32_t>(use) << 24) | (instance & 0xffffffu);
}

/// Philox4x32 with ten rounds.
FUSELAGE_HD constexpr RandomBlock philox(RandomBlock counter, RandomKey key) {
  std::uint32_t c0 = counter.word[0], c1 = counter.word[1], c2 = counter.word[2], c3 = counter.word[3];
  std::uint32_t k0 = key.word[0], k1 = key.word[1];
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xd2511f53u} * c0, p1 = std::uint64_t{0xcd9e8d57u} * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<std::uint32_t>(p1);
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<std::uint32_t>(p0);
    k0 += 0x9e3779b9u;  // the golden ratio and sqrt(3) - 1, as 32-bit fractions
    k1 += 0xbb67ae85u;
  }
  return {{c0, c1, c2, c3}};
}

/// The four words of block `index` of a stream at a step.
FUSELAGE_HD constexpr RandomBlock random_block(std::uint64_t seed, std::uint64_t index, std::uint32_t stream,
                                               std::uint32_t step) {
  return philox({{static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), stream, step}},
                {{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}});
}

/// The word of element i. A loop that visits neighbours makes a block once and uses its four words.
FUSELAGE_HD constexpr std::uint32_t random_word(std::uint64_t seed, std::uint64_t i, std::uint32_t stream,
                                                std::uint32_t step) {
  return random_block(seed, i / 4, stream, step).word[i % 4];
}

/// 64 random bits for element i: words 2 (i % 2) and 2 (i % 2) + 1 of block i / 2, the first one low.
FUSELAGE_HD constexpr std::uint64_t random_word64(std::uint64_t seed, std::uint64_t i, std::uint32_t stream,
                                                  std::uint32_t step) {
  const RandomBlock b = random_block(seed, i / 2, stream, step);
  const int at = static_cast<int>(i % 2) * 2;
  return (std::uint64_t{b.word[at + 1]} << 32) | b.word[at];
}

/// Uniform in [0, 1): the upper 24 bits times 2^-24, so every value is exact and 1 never comes up.
FUSELAGE_HD constexpr float uniform(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

/// Uniform in (0, 1]: for logarithms.
FUSELAGE_HD constexpr float uniform_positive(std::uint32_t word) {
  return static_cast<float>((word >> 8) + 1u) * 0x1p-24f;
}

/// Uniform in [0, 1) in double: the upper 53 of 64 bits.
FUSELAGE_HD constexpr double uniform_double(std::uint64_t word) { return static_cast<double>(word >> 11) * 0x1p-53; }

}  // namespace fuselage
