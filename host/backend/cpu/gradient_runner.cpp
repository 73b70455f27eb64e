// The pass over all gradients before an update, on the CPU's threads.
#include <atomic>

#include "host/backend/cpu/update_runner.h"
#include "host/backend/cpu/workers.h"

namespace fuselage::cpu {
namespace {

constexpr std::int64_t kChunksPerTask = 8;

std::size_t index_of(std::int64_t i) { return static_cast<std::size_t>(i); }

GradientChunk look_at_chunk(const Target& target, const GradientFactors& before, const Parameter& p, std::int64_t c) {
  const int n = chunk_length(p.size, c);
  if (p.dtype == DType::f32) return target.gradient(before, static_cast<const float*>(p.gradient) + c * kChunk, n);
  alignas(64) float floats[kChunk];
  const char* const from = static_cast<const char*>(p.gradient) + c * kChunk * static_cast<int>(size_of(p.dtype));
  target.floats_from[static_cast<std::size_t>(p.dtype)](from, floats, n);
  return target.gradient(before, floats, n);
}

}  // namespace

GradientFindings look_at_gradients(const Target& target, Parameters& set, float loss_scale, int threads) {
  const GradientFactors before = gradient_factors(set.gradient, loss_scale);
  const std::int64_t count = static_cast<std::int64_t>(set.tensors.size()), chunks = set.first_gradient.back();
  const auto takes_part = [&](std::int64_t t) { return !set.groups[index_of(set.tensors[index_of(t)].group)].frozen; };
  std::atomic<std::int64_t> nonfinite = 0;
  parallel_blocks(threads, chunks, kChunksPerTask, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t chunk = first; chunk < last; ++chunk) {
      const std::int64_t t = tensor_of_chunk(set.first_gradient.data(), count, chunk);
      if (!takes_part(t)) continue;
      const std::int64_t c = chunk - set.first_gradient[index_of(t)];
      const GradientChunk found = look_at_chunk(target, before, set.tensors[index_of(t)], c);
      set.gradient_squares[index_of(chunk)] = found.square;
      nonfinite += found.nonfinite;
    }
  });
  const StandardFloats floats;
  std::vector<double>& squares = set.tensor_squares;
  for (std::int64_t t = 0; t < count; ++t) {
    const std::int64_t first = set.first_gradient[index_of(t)], own = set.first_gradient[index_of(t) + 1] - first;
    squares[index_of(t)] =
        takes_part(t) ? add_sequence(own, [&](auto c) { return set.gradient_squares[index_of(first + c)]; }) : 0;
  }
  GradientFindings found{static_cast<unsigned long long>(nonfinite), 0};
  found.squared = add_sequence(count, [&](auto t) { return clipped_square(set.gradient, squares[index_of(t)]); });
  const double of_all = clip_factor(found.squared, set.gradient.clip_norm);
  for (std::size_t t = 0; t < squares.size(); ++t)
    set.factors[t] = {before.unscale, before.limit, tensor_factor(set.gradient, squares[t], of_all)};
  return found;
}

}  // namespace fuselage::cpu
