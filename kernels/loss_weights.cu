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
#pragma unroll 1
      for (int m = 0; m < a.metric_sums; ++m)
        if (a.metric[m]) put_chunk_sum(a.metric[m], n, 1, c);
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
  const WarpFloats floats(a);
  for_each_chunk(a.size, [&](std::int64_t c, std::int64_t begin, int length) {
    const Share at(a.wide);
    double sums[kLanesOfThread] = {};
    for (int base = 0; base < length; base += kLanes) {
      ThreadTile<false> tile;
      load_any(a, floats, begin + base, length - base < kLanes ? length - base : kLanes, at, tile);
      float weight[kLanesOfThread] = {1, 1, 1, 1, 1, 1, 1, 1};
      if (floats.has(kWeight)) read_share(floats.of(kWeight), at, weight);
      const unsigned good = bits_where(
          [&](int k) { return (tile.kept >> k & 1u) && in_domain_of(a, tile.t[k]) && is_weight(weight[k]); });
#pragma unroll
      for (int k = 0; k < kLanesOfThread; ++k)
        if (good >> k & 1u) sums[k] = sums[k] + static_cast<double>(divisor_weight(a.options.reduction, weight[k]));
    }
    put_sum(sums, a.wide, a.value, c);
  });
  finish_weights(a);
}

/// The bad weights of softmax passes; those of other losses are counted by their own passes.
template <class Args>
__device__ __forceinline__ void add_bad_weight(const Args& a, std::int64_t r) {
  if constexpr (std::is_same_v<Args, SoftmaxArgs>) {
    atomicAdd(&a.counters->bad_weights, Count{1});
    atomicMax(&a.counters->least_bad_weight, ~static_cast<Count>(r));
  }
}

/// Whether every row takes the weights of all classes. Other losses than softmax look for themselves.
template <bool kDense>
__device__ __forceinline__ bool takes_all_class_weights(const SoftmaxArgs& a) {
  return a.class_weight.data && a.rows > 0 && (kDense || a.label_smoothing > 0);
}
template <bool>
__device__ __forceinline__ bool takes_all_class_weights(const RowSumsArgs&) {
  return false;
}

/// Bad ones among them count once, as row 0. Called by one warp.
template <class Args>
__device__ __forceinline__ void look_at_class_weights(const Args& a) {
  bool bad = false;
  for (std::int64_t c = lane_id(); c < a.cols; c += kWarp)
    bad = bad || !is_weight(static_cast<const float*>(a.class_weight.data)[c * a.class_weight.col_stride]);
  if (__any_sync(kFullWarp, bad) && lane_id() == 0) add_bad_weight(a, 0);
}

/// A thread takes a row, or where the targets are dense, and a bad one among them leaves the row out, a warp does.
// budget: row_weights_kernel registers<=64 spills=0
template <bool kDense, class Args>
__global__ void __launch_bounds__(kWeightThreads) row_weights_kernel(const __grid_constant__ Args a) {
  constexpr int kShare = kDense ? kWarp : 1;
  const std::int64_t thread = thread_of_grid(), step = threads_of_grid() / kShare;
  for (std::int64_t r = thread / kShare; r < a.rows; r += step) {
    const auto in = row_inputs(a, 0, r);
    if (in.bad_weight && thread % kShare == 0) add_bad_weight(a, r);
    bool counts = in.counts;
    if (kDense && counts) {
      for (std::int64_t c = lane_id(); c < a.cols; c += kWarp)
        counts = counts && is_good_target(a, real_at(a.target, r, c));
      counts = __all_sync(kFullWarp, counts);
    }
    if (thread % kShare > 0) continue;
    const double weight = static_cast<double>(in.weight) * static_cast<double>(in.label_class_weight);
    a.value[r] = counts ? divisor_weight(a.options.reduction, weight) : 0.0;
  }
  if (takes_all_class_weights<kDense>(a) && blockIdx.x == 0 && warp_id() == 0) look_at_class_weights(a);
  finish_weights(a);
}

constexpr std::size_t kStaticShared = 8 * 1024;  ///< more than the kernel's own variables take

std::size_t shared_room() { return limits().shared_bytes > kStaticShared ? limits().shared_bytes - kStaticShared : 0; }
std::size_t chunk_bytes(std::int64_t cols) { return static_cast<std::size_t>(chunks_of(cols)) * sizeof(ChunkStore); }

}  // namespace

void launch_element_weights(const PointwiseArgs& a, CUstream_st* stream) {
  PointwiseArgs weights = a;
  weights.inputs &= 1u << kTarget | 1u << kWeight | 1u << kMask;
  weights.metric_sums = 0;
  launch(shape_pointwise("weights of elements", weights, stream), element_weights_kernel, weights);
  end_apart<true>(a, stream);
}

namespace {

template <class Args>
void weigh_rows(const Args& a, CUstream_st* stream) {
  const int threads = threads_for(kWeightThreads);
  launch({.name = "weights of rows",
          .blocks = blocks_for(a.rows, a.dense ? threads / kWarp : threads),
          .threads = threads,
          .stream = stream},
         a.dense ? row_weights_kernel<true, Args> : row_weights_kernel<false, Args>, a);
  end_apart<true>(a, stream);
}

}  // namespace

void launch_row_weights(const SoftmaxArgs& a, CUstream_st* stream) { weigh_rows(a, stream); }
void launch_row_weights(const RowSumsArgs& a, CUstream_st* stream) { weigh_rows(a, stream); }

void end_loss(const PointwiseArgs& a, CUstream_st* stream) { end_apart<false>(a, stream); }
void end_loss(const SoftmaxArgs& a, CUstream_st* stream) { end_apart<false>(a, stream); }
void end_loss(const RowSumsArgs& a, CUstream_st* stream) { end_apart<false>(a, stream); }

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
