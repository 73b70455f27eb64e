// Gradients added up, and the norms of parameters, on the CPU's threads.
#include "host/backend/cpu/combination.h"

#include <atomic>
#include <cmath>
#include <vector>

#include "fuselage/loss_pass.h"
#include "host/backend/cpu/staging.h"
#include "host/backend/cpu/workers.h"

namespace fuselage::cpu {

namespace {

constexpr std::int64_t kChunksPerTask = 8;

struct Sums {
  double l1, squared_l2;
};

template <class T>
Sums norms_of_chunk(const T* p, int n) {
  double l1[kLanes] = {}, squares[kLanes] = {};
  for (int base = 0; base < n; base += kLanes)
    for (int l = 0; l < kLanes && base + l < n; ++l) {
      const auto x = static_cast<double>(to_float(p[base + l]));
      l1[l] += std::abs(x);
      squares[l] = std::fma(x, x, squares[l]);
    }
  return {add_lanes(l1), add_lanes(squares)};
}

}  // namespace

std::int64_t add_elements(const View& sum, const ConstView& from, int threads) {
  std::atomic<std::int64_t> grew_infinite = 0;
  dispatch(sum.dtype, [&]<class T>() {
    const std::int64_t grain = std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(sum.cols, 1));
    parallel_blocks(threads, sum.rows, grain, [&](std::int64_t first, std::int64_t last, int) {
      const float limit = finite_limit<T>();
      std::int64_t found = 0;
      for (std::int64_t r = first; r < last; ++r)
        for (std::int64_t c = 0; c < sum.cols; ++c) {
          T* const to = address<T>(sum, r, c);
          const float a = to_float(*to), b = to_float(*address<T>(from, r, c)), s = a + b;
          *to = from_float<T>(s);
          found += !(abs(s) < limit) && abs(a) < limit && abs(b) < limit;
        }
      grew_infinite += found;
    });
  });
  return grew_infinite;
}

ParameterNorms parameter_norms(std::span<const Parameter> parameters, int threads) {
  std::vector<std::int64_t> first_chunk{0};
  for (const Parameter& p : parameters) first_chunk.push_back(first_chunk.back() + chunks_of(p.size));
  const std::int64_t chunks = first_chunk.back(), count = static_cast<std::int64_t>(parameters.size());
  std::vector<Sums> sums(static_cast<std::size_t>(chunks));
  parallel_blocks(threads, chunks, kChunksPerTask, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t chunk = first; chunk < last; ++chunk) {
      const auto t = static_cast<std::size_t>(tensor_of_chunk(first_chunk.data(), count, chunk));
      const Parameter& p = parameters[t];
      const std::int64_t c = chunk - first_chunk[t];
      dispatch(p.dtype, [&]<class T>() {
        sums[static_cast<std::size_t>(chunk)] =
            norms_of_chunk(static_cast<const T*>(p.value) + c * kChunk, chunk_length(p.size, c));
      });
    }
  });
  const StandardFloats floats;
  const auto at = [&](std::int64_t c) -> const Sums& { return sums[static_cast<std::size_t>(c)]; };
  return {canonical_nan(add_sequence(chunks, [&](std::int64_t c) { return at(c).l1; })),
          canonical_nan(add_sequence(chunks, [&](std::int64_t c) { return at(c).squared_l2; }))};
}

}  // namespace fuselage::cpu
