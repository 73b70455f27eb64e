// Who adds what to what, in which order: the canonical order of every float sum, fixed by the shape alone.
//
// A sequence is cut into chunks of 4,096 elements, counted from its start. In a chunk, element i belongs to lane
// i mod 256; a lane adds its (at most 16) elements in index order, starting from +0. The 256 lane sums are added by an
// ascending binary tree: lane l with l^1, then l^2, l^4 ... l^128. Chunk sums are a sequence again: of chunks, lanes
// and the tree, until one sum is left. How many threads, blocks, vectors or instructions do this is free; the order is
// not, so the bits are the same everywhere. Sums over elements or rows are double throughout: fp32 lanes of equal terms
// all err to the same side. Sums along a row are fp32 within its chunks.
//
// An element that is left out adds nothing, which gives the same bits as adding +0: a sum that starts at +0 is never
// -0.
#pragma once

#include <cstdint>

#include "fuselage/core/hd.h"

namespace fuselage {

inline constexpr int kLanes = 256;
inline constexpr int kChunk = 4096;
inline constexpr int kLaneDepth = kChunk / kLanes;

/// Rows of up to this many classes are added in class order by one lane each, without chunks.
inline constexpr int kShortRow = 32;

/// Rows of a matrix that one partial sum of its columns takes, in row order; see column sums in docs/numerics.md.
inline constexpr int kColumnRows = 256;

FUSELAGE_HD constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return a / b + (a % b != 0); }

/// How many chunks `n` elements have.
FUSELAGE_HD constexpr std::int64_t chunks_of(std::int64_t n) { return ceil_div(n, kChunk); }

/// The number of elements of chunk `c` of `n`.
FUSELAGE_HD constexpr int chunk_length(std::int64_t n, std::int64_t c) {
  const std::int64_t rest = n - c * kChunk;
  return static_cast<int>(rest < kChunk ? rest : kChunk);
}

/// Adds 256 lane sums in place by the ascending tree; the result is in lane[0].
template <class S>
FUSELAGE_HD S add_lanes(S* lane) {
  for (int n = kLanes; n > 1; n /= 2)
    for (int i = 0; i < n / 2; ++i) lane[i] = lane[2 * i] + lane[2 * i + 1];
  return lane[0];
}

/// The canonical sum of one chunk of doubles, get(0) ... get(n - 1), n <= kChunk.
template <class Get>
double add_chunk(int n, Get&& get) {
  double lane[kLanes] = {};
  int i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int l = 0; l < kLanes; ++l) lane[l] = lane[l] + get(i + l);
  for (int l = 0; i + l < n; ++l) lane[l] = lane[l] + get(i + l);
  return add_lanes(lane);
}

/// Chunk `c` of n sums: of the elements where level is 1, of the sums one level below elsewhere.
template <class Get>
double add_level(std::int64_t n, int level, std::int64_t c, const Get& get) {
  const std::int64_t first = c * kChunk;
  if (level == 1) return add_chunk(chunk_length(n, c), [&](int i) { return get(first + i); });
  std::int64_t below = n;
  for (int l = 1; l < level; ++l) below = chunks_of(below);
  return add_chunk(chunk_length(below, c), [&](int i) { return add_level(n, level - 1, first + i, get); });
}

/// The canonical sum of a sequence of doubles (chunk sums, row losses): chunk sums of chunk sums, until one is left.
template <class Get>
double add_sequence(std::int64_t n, Get&& get) {
  int levels = 1;
  for (std::int64_t sums = chunks_of(n); sums > 1; sums = chunks_of(sums)) ++levels;
  return add_level(n, levels, 0, get);
}

/// Which of `count` tensors chunk `c` belongs to: first[t] is the number of chunks before tensor t, first[count] all of
/// them. Empty tensors have no chunk and are never returned.
FUSELAGE_HD constexpr std::int64_t tensor_of_chunk(const std::int64_t* first, std::int64_t count, std::int64_t c) {
  std::int64_t low = 0, high = count;  // first[low] <= c < first[high]
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    if (first[middle] <= c)
      low = middle;
    else
      high = middle;
  }
  return low;
}

}  // namespace fuselage
