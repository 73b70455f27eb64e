// Passes over groups of rows: cells, weights and terms of rows, and the sums of each cell in canonical order.
#include "kernels/groups.cuh"

namespace fuselage::kernels {

namespace {

constexpr int kSlice = 32;  // cells that a block adds up over one chunk
constexpr std::uint16_t kNoCell = 0xffff;
static_assert(2 * kMostGroups < kNoCell);

__device__ __forceinline__ void put_row(const GroupArgs& a, std::int64_t r, const GroupRow& row, double term) {
  a.cell[r] = static_cast<std::int32_t>(row.cell);
  if (row.cell < 0) return;
  a.terms[r] = static_cast<double>(row.weight);
  a.terms[a.rows + r] = term;
}

__device__ __forceinline__ void put_counts(const GroupArgs& a, const GroupCounts& own) {
  const GroupCounts sum = group_counts_of_block(own);
  if (threadIdx.x == 0) a.found[blockIdx.x] = sum;
}

/// A thread takes a row of one prediction.
// budget: group_rows_kernel registers<=112 spills=0
__global__ void __launch_bounds__(kGroupThreads) group_rows_kernel(const __grid_constant__ GroupArgs a) {
  GroupCounts found;
  for (std::int64_t r = thread_of_grid(); r < a.rows; r += threads_of_grid()) {
    const GroupRow row = group_row_at(a, r);
    found.add(row, r);
    double term = 0;
    if (row.cell >= 0) {
      const float x = real_at(a.prediction, r, 0), t = a.rule.residual ? real_at(a.target, r, 0) : 0.0f;
      term =
          a.rule.of_values ? static_cast<double>(x) : static_cast<double>(row.weight) * row_score(a.rule, x, t).value;
    }
    put_row(a, r, row, term);
  }
  put_counts(a, found);
}

/// The sum of a softmax row's terms but that of the positive class; all threads of the warp get it.
__device__ __forceinline__ double softmax_rest(const GroupArgs& a, std::int64_t r, float max) {
  const auto term = [&](std::int64_t c) {
    return c < a.cols && c != a.rule.positive ? softmax_weight(real_at(a.prediction, r, c), max) : 0.0;
  };
  double rest = 0;
  if (a.cols <= kShortRow) {
    const double own = term(lane_id());
    for (int c = 0; c < static_cast<int>(a.cols); ++c) rest = rest + __shfl_sync(kFullWarp, own, c);
    return rest;
  }
  for (std::int64_t begin = 0; begin < a.cols; begin += kChunk) {
    double lanes[kLanesOfThread] = {};
    for (int base = 0; base < kChunk && begin + base < a.cols; base += kLanes)
#pragma unroll
      for (int j = 0; j < kLanesOfThread; ++j) lanes[j] = lanes[j] + term(begin + base + j * kWarp + lane_id());
    rest = rest + add_warp_lanes<1>(lanes);
  }
  return rest;
}

/// A warp takes a row of logits.
// budget: group_softmax_kernel registers<=128 spills=0
__global__ void __launch_bounds__(kGroupThreads, 2) group_softmax_kernel(const __grid_constant__ GroupArgs a) {
  GroupCounts found;
  for (std::int64_t r = thread_of_grid() / kWarp; r < a.rows; r += threads_of_grid() / kWarp) {
    const GroupRow row = group_row_at(a, r);
    double term = 0;
    if (row.cell >= 0) {
      float max = -__builtin_inff();
      for (std::int64_t c = lane_id(); c < a.cols; c += kWarp) max = greater_of(real_at(a.prediction, r, c), max);
      max = warp_max(max);
      const float x = real_at(a.prediction, r, a.rule.positive);
      const double own = softmax_weight(x, max), total = softmax_rest(a, r, max) + own;
      term = static_cast<double>(row.weight) * (own / total);
      if (lane_id() == 0) {
        a.max[r] = max;
        a.x_positive[r] = x;
        a.total[r] = total;
      }
    }
    if (lane_id() > 0) continue;
    found.add(row, r);
    put_row(a, r, row, term);
  }
  put_counts(a, found);
}

/// A block takes a chunk of rows, kSlice cells and two kinds of terms; a warp takes one of the cells at a time.
// budget: group_chunks_kernel registers<=80 spills=0
__global__ void __launch_bounds__(kGroupThreads) group_chunks_kernel(const __grid_constant__ GroupArgs a) {
  auto& cell_of = shared<std::uint16_t[kChunk]>([] {});
  const std::int64_t slices = ceil_div(a.cells, kSlice), items = a.chunks * slices * (a.kinds / 2);
  for (std::int64_t item = blockIdx.x; item < items; item += gridDim.x) {
    const std::int64_t pair = item / slices, first = item % slices * kSlice;
    const std::int64_t chunk = pair % a.chunks, kind = pair / a.chunks * 2, begin = chunk * kChunk;
    const double* const terms = a.terms + kind * a.rows + begin;
    double* const part = a.part + (kind * a.cells + first) * a.chunks + chunk;
    const int length = chunk_length(a.rows, chunk);
    __syncthreads();  // the last item's cells were read
    for (int i = static_cast<int>(threadIdx.x); i < length; i += static_cast<int>(blockDim.x)) {
      const std::int32_t cell = a.cell[begin + i];
      cell_of[i] = cell < 0 ? kNoCell : static_cast<std::uint16_t>(cell);
    }
    __syncthreads();
    for (int k = warp_id(); k < kSlice && first + k < a.cells; k += warps_of_block()) {
      const auto cell = static_cast<std::uint16_t>(first + k);
      double one[kLanesOfThread] = {}, other[kLanesOfThread] = {};
      for (int base = 0; base < length; base += kLanes)
#pragma unroll
        for (int j = 0; j < kLanesOfThread; ++j) {
          const int i = base + j * kWarp + lane_id();
          if (i >= length || cell_of[i] != cell) continue;
          one[j] = one[j] + terms[i];
          other[j] = other[j] + terms[a.rows + i];
        }
      const double sum = add_warp_lanes<1>(one), sum_of_other = add_warp_lanes<1>(other);
      if (lane_id() > 0) continue;
      part[k * a.chunks] = sum;
      part[(a.cells + k) * a.chunks] = sum_of_other;
    }
  }
}

/// A block takes a cell: the sum of its chunks.
// budget: group_sums_kernel registers<=64 spills=0
__global__ void __launch_bounds__(kGroupThreads) group_sums_kernel(const __grid_constant__ GroupArgs a) {
  for (std::int64_t i = blockIdx.x; i < a.kinds * a.cells; i += gridDim.x) {
    const double sum = block_sequence(a.part + i * a.chunks, a.chunks, 1);
    if (threadIdx.x == 0) a.sums[i] = sum;
  }
}

}  // namespace

std::int64_t group_row_blocks(const GroupArgs& a) {
  const int threads = threads_for(kGroupThreads);
  return blocks_for(a.rows, a.softmax ? threads / kWarp : threads);
}

void launch_group_rows(const GroupArgs& a, CUstream_st* stream) {
  const Launch shape{
      .name = "rows of groups", .blocks = a.row_blocks, .threads = threads_for(kGroupThreads), .stream = stream};
  launch(shape, a.softmax ? group_softmax_kernel : group_rows_kernel, a);
}

void launch_group_cells(const GroupArgs& a, CUstream_st* stream) {
  const int threads = threads_for(kGroupThreads);
  const std::int64_t items = a.chunks * ceil_div(a.cells, kSlice) * (a.kinds / 2);
  if (items > 0)
    launch({.name = "chunks of groups", .blocks = blocks_for(items, 1), .threads = threads, .stream = stream},
           group_chunks_kernel, a);
  if (a.chunks != 1)
    launch({.name = "sums of groups", .blocks = blocks_for(a.kinds * a.cells, 1), .threads = threads, .stream = stream},
           group_sums_kernel, a);
}

}  // namespace fuselage::kernels
