// Triplets of a batch: distances of all pairs, and the gradient from what counts of them. Both go through tiles in
// shared memory; a warp holds kTileRows rows, a thread of it kTileCols of the columns.
#include "kernels/triplets.cuh"

#include "fuselage/pair_pass.h"
#include "kernels/scratch.cuh"

namespace fuselage::kernels {

namespace {

using triplets::kRun;
constexpr int kRowsOfWarp = 8;
constexpr int kColsOfThread = 2;
constexpr int kTileCols = kColsOfThread * kWarp;
constexpr int kMostRows = kRowsOfWarp * kMostWarps;
constexpr int kPad = 4;  // a warp's rows stay aligned to 16 bytes, and fewer banks collide

/// kRun elements of a tile's rows: [element][row].
struct alignas(16) RowTile {
  float at[kRun][kMostRows + kPad];
};

/// The rows of this thread's warp, and its columns, at one element.
__device__ __forceinline__ void take(const RowTile& tile, int at, float (&rows)[kRowsOfWarp]) {
  load_floats<kRowsOfWarp>(&tile.at[at][warp_id() * kRowsOfWarp], rows);
}
template <int kPitch>
__device__ __forceinline__ void take(const float (&tile)[kRun][kPitch], int at, float (&cols)[kColsOfThread]) {
#pragma unroll
  for (int v = 0; v < kColsOfThread; ++v) cols[v] = tile[at][v * kWarp + lane_id()];
}

/// Sums of runs, in double.
using RunSums = double[kRowsOfWarp][kColsOfThread];
__device__ __forceinline__ void add_run(const float (&run)[kRowsOfWarp][kColsOfThread], RunSums& sums) {
#pragma unroll
  for (int i = 0; i < kRowsOfWarp; ++i)
#pragma unroll
    for (int v = 0; v < kColsOfThread; ++v) sums[i][v] = sums[i][v] + static_cast<double>(run[i][v]);
}

/// Element `c` of row `r`, 0 outside the batch.
__device__ __forceinline__ float packed_at(const TripletArgs& a, std::int64_t r, std::int64_t c) {
  return r < a.rows && c < a.cols ? a.packed[r * a.cols + c] : 0.0f;
}

/// A block takes tiles of pairs that have one on or above the diagonal.
// budget: triplet_distances_kernel registers<=104 spills=0
__global__ void __launch_bounds__(kTripletThreads, 2) triplet_distances_kernel(const __grid_constant__ TripletArgs a) {
  auto& left = shared<RowTile>([] {});
  auto& right = shared<float[kRun][kTileCols + 1]>([] {});
  const int threads = static_cast<int>(blockDim.x), tile_rows = warps_of_block() * kRowsOfWarp;
  const std::int64_t across = ceil_div(a.rows, kTileCols), tiles = ceil_div(a.rows, tile_rows) * across;
  for (std::int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const std::int64_t r0 = tile / across * tile_rows, j0 = tile % across * kTileCols;
    if (j0 + kTileCols <= r0) continue;
    RunSums sums = {};
    for (std::int64_t begin = 0; begin < a.cols; begin += kRun) {
      __syncthreads();  // the last run was read
      for (int t = static_cast<int>(threadIdx.x); t < tile_rows * kRun; t += threads)
        left.at[t % kRun][t / kRun] = packed_at(a, r0 + t / kRun, begin + t % kRun);
      for (int t = static_cast<int>(threadIdx.x); t < kTileCols * kRun; t += threads)
        right[t % kRun][t / kRun] = packed_at(a, j0 + t / kRun, begin + t % kRun);
      __syncthreads();
      float run[kRowsOfWarp][kColsOfThread] = {};
#pragma unroll 4
      for (int c = 0; c < kRun; ++c) {  // past the last element both are 0, which adds nothing
        float x[kRowsOfWarp], y[kColsOfThread];
        take(left, c, x);
        take(right, c, y);
#pragma unroll
        for (int i = 0; i < kRowsOfWarp; ++i)
#pragma unroll
          for (int v = 0; v < kColsOfThread; ++v) {
            const float d = x[i] - y[v];
            run[i][v] = run[i][v] + d * d;
          }
      }
      add_run(run, sums);
    }
#pragma unroll
    for (int v = 0; v < kColsOfThread; ++v)
#pragma unroll
      for (int i = 0; i < kRowsOfWarp; ++i) {
        const std::int64_t r = r0 + warp_id() * kRowsOfWarp + i, j = j0 + v * kWarp + lane_id();
        if (r > j || j >= a.rows) continue;
        const float d = triplets::distance(a.spec, sums[i][v]);
        a.distance[r * a.rows + j] = d;
        if (r != j) a.distance[j * a.rows + r] = d;
      }
  }
}

/// What multiplies the difference of rows r and j in the derivative by r.
__device__ __forceinline__ float slope_at(const TripletArgs& a, std::int64_t r, std::int64_t j) {
  if (r >= a.rows || j >= a.rows) return 0;
  const std::int64_t at = r * a.rows + j;
  return triplets::slope(a.spec, a.weight[at] + a.weight[j * a.rows + r], a.distance[at]);
}

/// Elements of the gradient, rounded once; gives back how many are not finite.
__device__ __forceinline__ unsigned store_gradient(const TripletArgs& a, const RunSums& sums, std::int64_t r0,
                                                   std::int64_t c0) {
  const auto factor = static_cast<double>(a.end->factor);
  unsigned nonfinite = 0;
#pragma unroll
  for (int i = 0; i < kRowsOfWarp; ++i)
#pragma unroll
    for (int v = 0; v < kColsOfThread; ++v) {
      const std::int64_t r = r0 + i, c = c0 + v * kWarp + lane_id();
      if (r >= a.rows || c >= a.cols) continue;
      const auto g = static_cast<float>(sums[i][v] * factor);
      nonfinite += abs(g) < finite_limit(a.gradient.dtype) ? 0 : 1;
      with_real(a.gradient.dtype, [&]<class T>() {
        static_cast<T*>(a.gradient.data)[row_offset(a.gradient, r) + c * a.gradient.col_stride] = from_float<T>(g);
      });
    }
  return nonfinite;
}

/// A block takes tiles of the gradient.
// budget: triplet_gradient_kernel registers<=128 spills=0
__global__ void __launch_bounds__(kTripletThreads, 2) triplet_gradient_kernel(const __grid_constant__ TripletArgs a) {
  auto& slopes = shared<RowTile>([] {});
  auto& others = shared<float[kRun][kTileCols]>([] {});
  const int threads = static_cast<int>(blockDim.x), tile_rows = warps_of_block() * kRowsOfWarp;
  const std::int64_t across = ceil_div(a.cols, kTileCols), tiles = ceil_div(a.rows, tile_rows) * across;
  unsigned nonfinite = 0;
  for (std::int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const std::int64_t first = tile / across * tile_rows, c0 = tile % across * kTileCols;
    const std::int64_t r0 = first + warp_id() * kRowsOfWarp;
    float own[kRowsOfWarp][kColsOfThread];
#pragma unroll
    for (int i = 0; i < kRowsOfWarp; ++i)
#pragma unroll
      for (int v = 0; v < kColsOfThread; ++v) own[i][v] = packed_at(a, r0 + i, c0 + v * kWarp + lane_id());
    RunSums sums = {};
    for (std::int64_t begin = 0; begin < a.rows; begin += kRun) {
      bool any = false;
      __syncthreads();  // the last run was read
      for (int t = static_cast<int>(threadIdx.x); t < tile_rows * kRun; t += threads) {
        const float k = slope_at(a, first + t / kRun, begin + t % kRun);
        slopes.at[t % kRun][t / kRun] = k;
        any = any || k != 0.0f;
      }
      for (int t = static_cast<int>(threadIdx.x); t < kRun * kTileCols; t += threads)
        others[t / kTileCols][t % kTileCols] = packed_at(a, begin + t / kTileCols, c0 + t % kTileCols);
      if (!__syncthreads_or(any)) continue;
      float run[kRowsOfWarp][kColsOfThread] = {};
#pragma unroll 4
      for (int j = 0; j < kRun; ++j) {
        float k[kRowsOfWarp], x[kColsOfThread];
        take(slopes, j, k);
        take(others, j, x);
#pragma unroll
        for (int i = 0; i < kRowsOfWarp; ++i) {
          if (k[i] == 0.0f) continue;
#pragma unroll
          for (int v = 0; v < kColsOfThread; ++v) run[i][v] = run[i][v] + k[i] * (own[i][v] - x[v]);
        }
      }
      add_run(run, sums);
    }
    nonfinite += store_gradient(a, sums, r0, c0);
  }
  nonfinite = warp_reduce(nonfinite, Sum{});
  if (lane_id() == 0 && nonfinite > 0) atomicAdd(&a.end->nonfinite, static_cast<Count>(nonfinite));
  if (!last_block(&a.end->ticket) || threadIdx.x > 0) return;
  a.report->nonfinite = static_cast<std::int64_t>(a.end->nonfinite);
  if (a.report->nonfinite > 0) a.report->rejected = true;
}

TripletArgs triplet_args(const TripletBatch& b, ScratchArrays& scratch) {
  TripletArgs a{};
  a.rows = b.x.rows;
  a.cols = b.x.cols;
  a.label = plane_of(b.label, a.rows, 1);
  a.mask = plane_of(b.mask, a.rows, 1);
  a.gradient = plane_of(b.gradient, a.rows, a.cols);
  a.scale = b.scale;
  a.upstream = static_cast<const float*>(b.upstream.data);
  a.packed = scratch.take<float>(a.rows * a.cols);
  a.distance = scratch.take<float>(a.rows * a.rows);
  a.weight = b.gradient ? scratch.take<float>(a.rows * a.rows) : nullptr;
  a.classes = scratch.take<TripletClass>(a.rows);
  a.member = scratch.take<std::int32_t>(a.rows);
  a.members = scratch.take<std::int32_t>(1);
  a.value = scratch.take<double>(a.rows);
  a.tally = scratch.take<triplets::Tally>(a.rows);
  a.end = scratch.take<TripletEnd>(1);
  return a;
}

}  // namespace

std::size_t triplet_scratch(const TripletBatch& batch) {
  ScratchArrays scratch(nullptr);
  triplet_args(batch, scratch);
  return scratch.used();
}

void batch_triplet(const BatchTriplet& spec, const TripletBatch& batch, LossReport* report, void* memory,
                   CUstream_st* stream) {
  ScratchArrays scratch(memory);
  TripletArgs a = triplet_args(batch, scratch);
  a.spec = spec;
  a.report = report;
  pair_step(PackRows{batch.x, {}, a.packed, nullptr, 0}, stream);
  const int threads = threads_for(kTripletThreads), tile_rows = threads / kWarp * kRowsOfWarp;
  const auto launch_tiles = [&](const char* name, std::int64_t cols, auto kernel) {
    const std::int64_t tiles = ceil_div(a.rows, tile_rows) * ceil_div(cols, kTileCols);
    if (tiles > 0)
      launch({.name = name, .blocks = blocks_for(tiles, 1), .threads = threads, .stream = stream}, kernel, a);
  };
  launch_tiles("distances of triplets", a.rows, triplet_distances_kernel);
  launch_triplet_mining(a, stream);
  if (a.weight) launch_tiles("gradient of triplets", a.cols, triplet_gradient_kernel);
}

}  // namespace fuselage::kernels
