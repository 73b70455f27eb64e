// The kernel of pointwise losses: reads prediction and target once, writes the gradient once, and sums value, metrics
// and counts on the way. Storage types, layouts and options are known at run time, and which of a few losses it is,
// too: what is compiled for each loss is its own arithmetic alone.
#pragma once

#include "kernels/pointwise_elements.cuh"

namespace fuselage::kernels {

template <class L>
struct Held {
  L loss;
};
/// Some losses, of which the pass takes one.
template <class... Ls>
struct LossSet : Held<Ls>... {
  static constexpr bool kPairs = (loss::PointwisePair<Ls> || ...);
  static_assert(!kPairs || (loss::PointwisePair<Ls> && ...));
  int chosen = 0;

  template <class L>
  static constexpr bool has() {
    return (std::is_same_v<L, Ls> || ...);
  }
  template <class L>
  void choose(const L& loss) {
    Held<L>::loss = loss;
    chosen = 0;
    (void)((std::is_same_v<L, Ls> || (++chosen, false)) || ...);
  }
  /// Calls f(the one).
  template <class F>
  __device__ __forceinline__ void with_chosen(F&& f) const {
    int i = 0;
    (void)((chosen == i++ ? (f(Held<Ls>::loss), true) : false) || ...);
  }
};

/// Adds up the outputs of a tile that are bad, and the first of them, if there are any: seldom, so that it is worth no
/// registers.
__device__ __forceinline__ void add_bad(unsigned bad, std::int64_t first, const Share& at, Count* number,
                                        Count* least) {
  if (!__any_sync(kFullWarp, bad != 0)) return;
  const unsigned sum = warp_reduce(static_cast<unsigned>(__popc(bad)), Sum{});
  const auto index = static_cast<Count>(first + at[__ffs(static_cast<int>(bad)) - 1]);
  const Count mark = warp_reduce(bad != 0 ? ~index : Count{0}, Greater{});
  if (lane_id() > 0) return;
  atomicAdd(number, static_cast<Count>(sum));
  atomicMax(least, mark);
}

/// Takes out what does not count, and counts the rest: of what the mask keeps the target decides, then the weight.
template <bool kPairs>
__device__ __forceinline__ void keep_good(const PointwiseArgs& a, const WarpFloats& floats, bool direct,
                                          std::int64_t first, const Share& at, ThreadTile<kPairs>& tile,
                                          ThreadCounts& counts) {
  const unsigned good = bits_where([&](int k) { return in_domain_of(a, tile.t[k]); });
  add_bad(tile.kept & ~good, first, at, &a.counters->bad, &a.counters->least_bad);
  tile.kept &= good;
  if (!direct && floats.has(kWeight)) {
    float weight[kLanesOfThread];
    read_share(floats.of(kWeight), at, weight);
    const unsigned weighs = bits_where([&](int k) { return is_weight(weight[k]); });
    add_bad(tile.kept & ~weighs, first, at, &a.counters->bad_weights, &a.counters->least_bad_weight);
    tile.kept &= weighs;
  }
  counts.count += __popc(tile.kept);
}

/// What the threads of a warp count of decisions waits in shared memory: seldom asked for, so that it is worth no
/// registers.
__device__ __forceinline__ void clear_decisions(const PointwiseArgs& a, const WarpFloats& floats) {
  for (int i = 0; a.decides && i < kDecisionCounts; ++i) floats.decisions(a)[i * kWarp] = 0;
}
__device__ __forceinline__ void add_decisions(const PointwiseArgs& a, const WarpFloats& floats) {
#pragma unroll 1
  for (int i = 0; a.decides && i < kDecisionCounts; ++i) {
    const unsigned sum = warp_reduce(floats.decisions(a)[i * kWarp], Sum{});
    if (lane_id() == 0) atomicAdd(&a.counters->decisions[i], static_cast<Count>(sum));
  }
}

/// Adds a tile to the decisions, and to the lane sums of metrics.
template <bool kPairs>
__device__ __forceinline__ void add_metrics(const PointwiseArgs& a, const WarpFloats& floats,
                                            const ThreadTile<kPairs>& tile) {
  if (a.decides) {
    const unsigned positive = tile.kept & bits_where([&](int k) { return tile.t[k] > a.middle_t; });
    const unsigned chosen = tile.kept & bits_where([&](int k) { return tile.y[k] > a.middle_y; });
    unsigned* const own = floats.decisions(a);
    own[kPositives * kWarp] += __popc(positive);
    own[kChosen * kWarp] += __popc(chosen);
    own[kHits * kWarp] += __popc(positive & chosen);
  }
  const auto add = [&](PointwiseMetric m, auto term) {
    double sums[kLanesOfThread];
    read_sums(floats.metric(m), sums);
#pragma unroll
    for (int k = 0; k < kLanesOfThread; ++k)
      if (tile.kept >> k & 1u) sums[k] = sums[k] + static_cast<double>(term(tile.y[k], tile.t[k]));
    write_sums(sums, floats.metric(m));
  };
  if (a.metric[kAbsError]) {
    add(kAbsError, [](float y, float t) { return abs(y - t); });
    add(kSquaredError, [](float y, float t) { return (y - t) * (y - t); });
  }
  if (a.metric[kTargetSum]) {
    const float shift = target_shift(a);
    add(kTargetSum, [&](float, float t) { return t - shift; });
    add(kSquaredTargetSum, [&](float, float t) { return (t - shift) * (t - shift); });
  }
}

/// Four elements, from the thread's `first`th on.
template <int kFirst, class Losses>
__device__ __forceinline__ void add_four(const Losses& losses, float scale, const WarpFloats& floats, bool direct,
                                         const Share& at, ThreadTile<Losses::kPairs>& tile,
                                         double (&sums)[kLanesOfThread]) {
  float weight[4] = {1, 1, 1, 1}, factor[4] = {scale, scale, scale, scale};
  if (!direct && floats.has(kWeight)) {
    read_four(floats.of(kWeight) + at[kFirst], weight);
#pragma unroll
    for (int v = 0; v < 4; ++v) factor[v] = weight[v] * scale;
  }
  if (!direct && floats.has(kUpstream)) {
    float upstream[4];
    read_four(floats.of(kUpstream) + at[kFirst], upstream);
#pragma unroll
    for (int v = 0; v < 4; ++v) factor[v] = factor[v] * upstream[v];
  }
  losses.with_chosen([&](const auto& loss) {
#pragma unroll
    for (int v = 0; v < 4; ++v) {
      const int k = kFirst + v;
      const bool keep = (tile.kept >> k & 1u) != 0;
      Contribution<float> out;
      if constexpr (Losses::kPairs) {
        out = contribution(loss, tile.y[k], tile.z[k], tile.t[k], keep, weight[v], factor[v]);
        tile.z[k] = out.second;
      } else {
        out = contribution(loss, tile.y[k], tile.t[k], keep, weight[v], factor[v]);
      }
      tile.y[k] = out.gradient;
      tile.t[k] = out.value;
    }
  });
#pragma unroll
  for (int k = kFirst; k < kFirst + 4; ++k) sums[k] = sums[k] + static_cast<double>(tile.t[k]);
}

/// Counts derivatives that are not finite as stored: seldom any.
template <bool kPairs>
__device__ __forceinline__ void count_nonfinite(const PointwiseArgs& a, const ThreadTile<kPairs>& tile,
                                                ThreadCounts& counts) {
  const auto add = [&](const float(&x)[kLanesOfThread]) {
    std::int32_t most = 0;  // bit patterns of magnitudes are in order, and those of NaN greatest
#pragma unroll
    for (int k = 0; k < kLanesOfThread; ++k) most = max(most, bits(abs(x[k])));
    if (most >= bits(a.finite_limit))
      counts.nonfinite += __popc(bits_where([&](int k) { return !(abs(x[k]) < a.finite_limit); }));
  };
  add(tile.y);
  if constexpr (kPairs) add(tile.z);
}

/// 256 elements from index `first` on, of which `length` exist: a warp's tile.
template <class Losses>
__device__ __forceinline__ void add_tile(const Losses& losses, const PointwiseArgs& a, float scale,
                                         const WarpFloats& floats, std::int64_t first, int length,
                                         double (&sums)[kLanesOfThread], ThreadCounts& counts) {
  const Share at(a.wide);
  const bool direct = a.direct && length == kLanes;
  ThreadTile<Losses::kPairs> tile;
  if (direct)
    load_direct(a, first, at, tile);
  else
    load_any(a, floats, first, length, at, tile);
  keep_good(a, floats, direct, first, at, tile, counts);
  if (a.metrics) add_metrics(a, floats, tile);
  add_four<0>(losses, scale, floats, direct, at, tile, sums);
  add_four<4>(losses, scale, floats, direct, at, tile, sums);
  count_nonfinite(a, tile, counts);
  if (direct)
    store_direct(a, first, at, tile);
  else
    store_any(a, floats, first, length, at, tile);
}

/// kBlocks: how many blocks a multiprocessor must have registers for.
template <class Losses, int kBlocks>
__global__ void __launch_bounds__(kPointwiseThreads, kBlocks)
    pointwise_kernel(const __grid_constant__ Losses losses, const __grid_constant__ PointwiseArgs a) {
  const float scale = pass_scale(a.options, a.counters);
  const WarpFloats floats(a);
  ThreadCounts counts;
  clear_decisions(a, floats);
  for_each_chunk(a.size, [&](std::int64_t c, std::int64_t begin, int length) {
    double sums[kLanesOfThread] = {};
    for (int m = 0; m < a.metric_sums; ++m) write_sums(sums, floats.metric(m));
    for (int base = 0; base < length; base += kLanes)
      add_tile(losses, a, scale, floats, begin + base, length - base < kLanes ? length - base : kLanes, sums, counts);
    put_sum(sums, a.wide, a.value, c);
#pragma unroll 1
    for (int m = 0; m < a.metric_sums; ++m) {
      if (!a.metric[m]) continue;
      read_sums(floats.metric(m), sums);
      put_sum(sums, a.wide, a.metric[m], c);
    }
  });
  add_decisions(a, floats);
  finish_pointwise(a, counts);
}

}  // namespace fuselage::kernels
