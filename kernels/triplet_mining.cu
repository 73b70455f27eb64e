// Triplets of a batch: who is alike, which triplets count and what they cost.
#include "kernels/triplets.cuh"

namespace fuselage::kernels {

namespace {

/// A warp takes a row, and counts those that come before it when rows are sorted by label.
// budget: triplet_classes_kernel registers<=40 spills=0
__global__ void __launch_bounds__(kTripletThreads) triplet_classes_kernel(const __grid_constant__ TripletArgs a) {
  for (std::int64_t r = thread_of_grid() / kWarp; r < a.rows; r += threads_of_grid() / kWarp) {
    const std::int64_t own = label_at(a.label, r);
    int all = 0, less = 0, same = 0, earlier = 0;
    for (std::int64_t j = lane_id(); j < a.rows; j += kWarp) {
      if (!row_kept(a.mask, j)) continue;
      const std::int64_t other = label_at(a.label, j);
      ++all;
      less += other < own ? 1 : 0;
      same += other == own ? 1 : 0;
      earlier += other == own && j < r ? 1 : 0;
    }
    all = warp_reduce(all, Sum{});
    less = warp_reduce(less, Sum{});
    same = warp_reduce(same, Sum{});
    earlier = warp_reduce(earlier, Sum{});
    if (lane_id() > 0) continue;
    if (r == 0) *a.members = all;
    const bool counts = row_kept(a.mask, r);
    a.classes[r] = counts ? TripletClass{less, less + same} : TripletClass{-1, -1};
    if (counts) a.member[less + earlier] = static_cast<std::int32_t>(r);
  }
}

/// A warp takes an anchor.
// budget: triplet_hard_kernel registers<=40 spills=0
__global__ void __launch_bounds__(kTripletThreads) triplet_hard_kernel(const __grid_constant__ TripletArgs a) {
  for (std::int64_t r = thread_of_grid() / kWarp; r < a.rows; r += threads_of_grid() / kWarp) {
    const float* const d = a.distance + r * a.rows;
    float* const w = a.weight ? a.weight + r * a.rows : nullptr;
    const std::int32_t own = a.classes[r].first;
    Count far = 0, near = 0;
    for (std::int64_t j = lane_id(); j < a.rows; j += kWarp) {
      if (w) w[j] = 0;
      const std::int32_t other = a.classes[j].first;
      if (own < 0 || other < 0 || j == r) continue;
      if (other == own)
        far = Greater{}(far, Count{triplets::far_key(d[j], j)});
      else
        near = Greater{}(near, Count{triplets::near_key(d[j], j)});
    }
    far = warp_reduce(far, Greater{});
    near = warp_reduce(near, Greater{});
    __syncwarp();  // the zeros are there
    if (lane_id() > 0) continue;
    double value = 0;
    triplets::Tally tally;
    if (far != 0 && near != 0) {
      const std::int64_t p = triplets::row_of_key(far), n = triplets::row_of_key(near);
      const double excess = triplets::excess(static_cast<double>(d[p]) + a.spec.margin, d[n]);
      tally.triplets = 1;
      if (triplets::active(excess)) {
        tally.active = 1;
        value = excess;
        if (w) w[p] = 1, w[n] = -1;
      }
    }
    a.value[r] = value;
    a.tally[r] = tally;
  }
}

/// Positives of an anchor, a round of them at a time.
struct Positives {
  double base[kLanes];  ///< distance + margin
  std::int32_t row[kLanes];
  unsigned active[kLanes];  ///< triplets of each
};

/// The triplets of an anchor with the positives of a round and a negative for each thread of a warp, at distance d,
/// where there is one. Adds their losses to `sum`; gives back how many are active for this thread.
__device__ __forceinline__ unsigned meet(Positives& positives, int count, std::int64_t anchor, bool is_negative,
                                         float d, double& sum) {
  if (!__any_sync(kFullWarp, is_negative)) return 0;
  unsigned active = 0, of_positive = 0;
  for (int k = 0; k < count; ++k) {
    const double excess = triplets::excess(positives.base[k], d);
    const bool is = is_negative && positives.row[k] != anchor && triplets::active(excess);
    sum = sum + (is ? excess : 0.0);
    active += is ? 1 : 0;
    const unsigned votes = __ballot_sync(kFullWarp, is);
    if (k % kWarp == lane_id()) of_positive = static_cast<unsigned>(__popc(votes));
    if (k % kWarp < kWarp - 1 && k < count - 1) continue;
    if (of_positive > 0) atomicAdd(&positives.active[k / kWarp * kWarp + lane_id()], of_positive);
    of_positive = 0;
  }
  return active;
}

/// A block takes an anchor: its positives by rounds, strangers j of each by lane j mod 256.
// budget: triplet_all_kernel registers<=56 spills=0
__global__ void __launch_bounds__(kTripletThreads) triplet_all_kernel(const __grid_constant__ TripletArgs a) {
  auto& positives = shared<Positives>([] {});
  auto& lanes = shared<double[kLanes]>([] {});
  auto& active = shared<Count>([] {});
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  for (std::int64_t r = blockIdx.x; r < a.rows; r += gridDim.x) {
    const float* const d = a.distance + r * a.rows;
    float* const w = a.weight ? a.weight + r * a.rows : nullptr;
    const TripletClass own = a.classes[r];
    for (std::int64_t j = thread; w && j < a.rows; j += threads) w[j] = 0;
    for (int l = thread; l < kLanes; l += threads) lanes[l] = 0;
    if (thread == 0) active = 0;
    for (std::int32_t first = own.first; first < own.last; first += kLanes) {
      const int count = own.last - first < kLanes ? own.last - first : kLanes;
      __syncthreads();  // the zeros are there, and the last round's positives were read
      for (int k = thread; k < count; k += threads) {
        const std::int32_t j = a.member[first + k];
        positives.row[k] = j;
        positives.base[k] = static_cast<double>(d[j]) + a.spec.margin;
        positives.active[k] = 0;
      }
      __syncthreads();
      Count of_thread = 0;
      for (int l = thread; l < kLanes; l += threads) {
        double sum = lanes[l];
        for (std::int64_t j = l; j - lane_id() < a.rows; j += kLanes) {
          const std::int32_t other = j < a.rows ? a.classes[j].first : -1;
          const bool is_negative = other >= 0 && other != own.first;
          const unsigned found = meet(positives, count, r, is_negative, is_negative ? d[j] : 0.0f, sum);
          if (w && is_negative) w[j] = w[j] - static_cast<float>(found);
          of_thread += found;
        }
        lanes[l] = sum;
      }
      if (of_thread > 0) atomicAdd(&active, of_thread);
      __syncthreads();  // positives' counts are there
      for (int k = thread; w && k < count; k += threads)
        if (positives.row[k] != r) w[positives.row[k]] = static_cast<float>(positives.active[k]);
    }
    const double value = block_chunk(lanes, kLanes, 1);
    if (thread > 0) continue;
    const std::int64_t alike = own.last - own.first, strangers = *a.members - alike;
    a.value[r] = value;
    a.tally[r] = {own.first < 0 ? 0 : (alike - 1) * strangers, static_cast<std::int64_t>(active)};
  }
}

/// One block: the report, and what multiplies every derivative.
// budget: triplet_close_kernel registers<=40 spills=0
__global__ void __launch_bounds__(kTripletThreads) triplet_close_kernel(const __grid_constant__ TripletArgs a) {
  auto& counts = shared<Count[2]>([] {});
  if (threadIdx.x < 2) counts[threadIdx.x] = 0;
  Count triplets = 0, active = 0;
  for (std::int64_t r = threadIdx.x; r < a.rows; r += blockDim.x) {
    triplets += static_cast<Count>(a.tally[r].triplets);
    active += static_cast<Count>(a.tally[r].active);
  }
  __syncthreads();
  atomicAdd(&counts[0], triplets);
  atomicAdd(&counts[1], active);
  __syncthreads();
  const double sum = block_sequence(a.value, a.rows, 1);
  if (threadIdx.x > 0) return;
  const triplets::Tally tally{static_cast<std::int64_t>(counts[0]), static_cast<std::int64_t>(counts[1])};
  LossReport report;
  report.value_sum = sum;
  report.count = tally.triplets;
  report.correct = tally.triplets - tally.active;
  report.weight_sum = triplets::divisor(a.spec, tally);
  finish_report(report, Reduction::mean, report.weight_sum, BadLabels::error, false);
  *a.report = report;
  *a.end = {0, 0, gradient_scale(report.weight_sum, a.scale, a.upstream ? *a.upstream : 1.0f)};
}

}  // namespace

void launch_triplet_mining(const TripletArgs& a, CUstream_st* stream) {
  const int threads = threads_for(kTripletThreads);
  const std::int64_t warps = blocks_for(a.rows, threads / kWarp);
  if (a.rows > 0) {
    launch({.name = "classes of triplets", .blocks = warps, .threads = threads, .stream = stream},
           triplet_classes_kernel, a);
    if (a.spec.mining == triplets::Mining::hard)
      launch({.name = "hard triplets", .blocks = warps, .threads = threads, .stream = stream}, triplet_hard_kernel, a);
    else
      launch({.name = "all triplets", .blocks = blocks_for(a.rows, 1), .threads = threads, .stream = stream},
             triplet_all_kernel, a);
  }
  launch({.name = "end of triplets", .blocks = 1, .threads = threads, .stream = stream}, triplet_close_kernel, a);
}

}  // namespace fuselage::kernels
