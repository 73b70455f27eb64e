// The weight pass, the end of passes with many sums, and the shapes of the softmax's launches.
#include "kernels/loss_weights.cuh"

#include <algorithm>

#include "kernels/softmax_long.cuh"

namespace fuselage::kernels {

namespace {

constexpr int kWeightThreads = 256;
constexpr int kEndThreads = kLanes;  // a lane of a chunk each

/// The end of the weight pass, as end_pass: the sum stays in the counters.
template <class Args>
__device__ void end_weights(const Args& a, std::int64_t left, std::int64_t stride) {
  const double sum = block_sequence(a.value, left, stride);
  if (threadIdx.x == 0) a.counters->weight_sum = sum;
}

template <class Args>
__device__ void finish_weights(const Args& a) {
  if (!a.options.ends_apart && last_block(&a.counters->ticket)) end_weights(a, a.options.sums, 1);
}

/// What a weight pass or a loss pass with many sums leaves: every block adds up chunks, the last one ends the pass.
// budget: end_kernel registers<=64 spills=0
template <bool kWeights, class Args>
__global__ void __launch_bounds__(kEndThreads) end_kernel(const __grid_constant__ Args a) {
  const std::int64_t n = a.options.sums, chunks = chunks_of(n);
  for (std::int64_t c = blockIdx.x; c < chunks; c += gridDim.x) {
    put_chunk_sum(a.value, n, 1, c);
    if constexpr (!kWeights && std::is_same_v<Args, PointwiseArgs>) {
      if (!a.abs_error) continue;
      put_chunk_sum(a.abs_error, n, 1, c);
      put_chunk_sum(a.squared_error, n, 1, c);
    }
  }
  if (!last_block(&a.counters->ticket)) return;
  if constexpr (kWeights)
    end_weights(a, chunks, kChunk);
  else
    end_pass(a, chunks, kChunk);
}

template <bool kWeights, class Args>
void end_apart(const Args& a, CUstream_st* stream) {
  if (!a.options.ends_apart) return;
  launch({.name = kWeights ? "end of the weights" : "end of the loss",
          .blocks = blocks_for(chunks_of(a.options.sums), 1),
          .threads = threads_for(kEndThreads),
          .stream = stream},
         end_kernel<kWeights, Args>, a);
}

// budget: element_weights_kernel registers<=80 spills=0
// vectors: element_weights_kernel loads>=4 stores>=0
__global__ void __launch_bounds__(kPointwiseThreads) element_weights_kernel(const __grid_constant__ PointwiseArgs a) {
  for_each_chunk(a.size, [&](std::int64_t c, std::int64_t begin, int length) {
    float sum[kLanesOfThread] = {};
    for (int base = 0; base < length; base += kLanes)
#pragma unroll
      for (int j = 0; j < kLanesOfThread / kGroup; ++j) {
        const int i = base + (j * kWarp + lane_id()) * kGroup;
        if (i >= length) continue;
        const Group at = group_at(a, begin + i, length - i);
        float t[kGroup] = {}, w[kGroup] = {1, 1, 1, 1}, mask[kGroup] = {1, 1, 1, 1};
        with_real(a.target.dtype, [&]<class T>() { load_group<T>(a.target, at, a.cols, t); });
        if (a.weight.data) load_group<float>(a.weight, at, a.cols, w);
        if (a.mask.data) load_group<std::uint8_t>(a.mask, at, a.cols, mask);
#pragma unroll
        for (int v = 0; v < kGroup; ++v)
          if (v < at.live && mask[v] > 0 && t[v] == t[v]) sum[j * kGroup + v] = sum[j * kGroup + v] + w[v];
      }
    const float total = add_warp_lanes<kGroup>(sum);
    if (lane_id() == 0) a.value[c] = static_cast<double>(total);
  });
  finish_weights(a);
}

/// A thread takes a row, or where the targets are dense, and a NaN among them leaves the row out, a warp does.
// budget: row_weights_kernel registers<=64 spills=0
template <bool kDense>
__global__ void __launch_bounds__(kWeightThreads) row_weights_kernel(const __grid_constant__ SoftmaxArgs a) {
  constexpr int kShare = kDense ? kWarp : 1;
  const std::int64_t thread = thread_of_grid(), step = threads_of_grid() / kShare;
  for (std::int64_t r = thread / kShare; r < a.rows; r += step) {
    const RowInputs in = row_inputs(a, 0, r);
    bool counts = in.counts;
    if (kDense && counts) {
      for (std::int64_t c = lane_id(); c < a.cols; c += kWarp) {
        const float t = real_at(a.target, r, c);
        counts = counts && t == t;
      }
      counts = __all_sync(kFullWarp, counts);
    }
    if (thread % kShare == 0)
      a.value[r] = counts ? static_cast<double>(in.weight) * static_cast<double>(in.label_class_weight) : 0.0;
  }
  finish_weights(a);
}

constexpr std::size_t kStaticShared = 8 * 1024;  ///< more than the kernel's own variables take

std::size_t shared_room() { return limits().shared_bytes > kStaticShared ? limits().shared_bytes - kStaticShared : 0; }
std::size_t chunk_bytes(std::int64_t cols) { return static_cast<std::size_t>(chunks_of(cols)) * sizeof(ChunkStore); }

}  // namespace

void launch_element_weights(const PointwiseArgs& a, CUstream_st* stream) {
  launch(shape_pointwise("weights of elements", a, stream), element_weights_kernel, a);
  end_apart<true>(a, stream);
}

void launch_row_weights(const SoftmaxArgs& a, CUstream_st* stream) {
  const int threads = threads_for(kWeightThreads);
  launch({.name = "weights of rows",
          .blocks = blocks_for(a.rows, a.dense ? threads / kWarp : threads),
          .threads = threads,
          .stream = stream},
         a.dense ? row_weights_kernel<true> : row_weights_kernel<false>, a);
  end_apart<true>(a, stream);
}

void end_loss(const PointwiseArgs& a, CUstream_st* stream) { end_apart<false>(a, stream); }
void end_loss(const SoftmaxArgs& a, CUstream_st* stream) { end_apart<false>(a, stream); }

bool far_chunks(std::int64_t cols) { return cols > kChunk && chunk_bytes(cols) > shared_room() / 2; }

Launch shape_softmax_long(SoftmaxArgs& a, CUstream_st* stream) {
  const bool warp_team = a.cols <= kChunk;
  const std::int64_t warps = threads_for(kWarp * (warp_team ? kRowWarps : kBlockWarps)) / kWarp;
  const std::int64_t teams = warp_team ? warps : 1;
  const std::size_t stores = a.chunks ? 16 : static_cast<std::size_t>(teams) * chunk_bytes(a.cols);
  const auto room = static_cast<std::size_t>(teams * ceil_div(a.cols, kLanesOfThread) * kLanesOfThread) * sizeof(float);
  // Terms that crowd all other blocks out of a multiprocessor cost more than they save: two blocks must fit, or the row
  // be so long that one block fills it.
  const std::size_t most = warp_team ? shared_room() / 4 : shared_room();
  a.keep_terms = stores + room <= most;
  return {.name = "softmax cross-entropy, long rows",
          .blocks = blocks_for(a.rows, teams),
          .threads = static_cast<int>(kWarp * std::min(warps, warp_team ? warps : chunks_of(a.cols))),
          .stream = stream,
          .shared = stores + (a.keep_terms ? room : 0)};
}

}  // namespace fuselage::kernels
