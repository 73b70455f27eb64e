// A team's sweeps over one row of a row loss: elements, sums in canonical order, the first of the largest.
//
// A warp takes a chunk at a time, and in it one of its 8 lane sums after the other: lane sum j of thread t is lane
// 32 j + t of core/partition.h, so what a thread adds lies 256 columns apart, and a warp reads 32 side by side. Lane
// sums are added over the warp at once, which leaves one number for each j, in lane j: few registers, short code.
#pragma once

#include "kernels/row_args.cuh"

namespace fuselage::kernels {

inline constexpr int kTeamWarps = 8;  ///< the most of a block
inline constexpr int kAhead = 4;      ///< elements that a thread reads before it computes

/// The first of the largest elements among those that were looked at; at = -1: there was none above -inf.
struct FirstMost {
  float value = -__builtin_inff();
  std::int64_t at = -1;

  __device__ __forceinline__ void take(float x, std::int64_t i) {
    if (!(x > value || (x == value && at >= 0 && i >= 0 && i < at))) return;
    value = x;
    at = i;
  }
};
struct FirstOfMost {
  __device__ __forceinline__ FirstMost operator()(FirstMost a, const FirstMost& b) const {
    a.take(b.value, b.at);
    return a;
  }
};
template <>
inline constexpr bool kOrderFree<FirstOfMost, FirstMost> = true;

/// What a warp finds when it looks at its chunks.
struct WarpFindings {
  float max;
  bool bad;
  FirstMost most;
};

/// What a team knows of its row, in shared memory. The leader writes it.
struct RowState {
  RowFacts facts;
  double k[kRowCoefficients];
  RowSoftmax<float> softmax;
  float scale;  ///< of the derivatives
  bool bad;     ///< a target that the loss is not made for
  bool ranked;
  std::int64_t rank_label;
  float rank_x;
  unsigned long long rank;
  WarpFindings found[kTeamWarps];
  float part[2][kTeamWarps][kRowSums];  ///< chunk sums of two rounds
};

/// Who works on a row.
struct Team {
  bool is_warp;
  int warp, warps;

  __device__ __forceinline__ bool leads() const { return warp == 0 && lane_id() == 0; }
  __device__ __forceinline__ void sync() const {
    if (is_warp)
      __syncwarp();
    else
      __syncthreads();
  }
};

/// Input i has an element for each column.
template <class L>
constexpr bool has_input(int i) {
  return i < L::inputs.count() && !(i == 1 && L::row.row_second);
}
template <class L>
constexpr bool has_gradient(int i) {
  return has_input<L>(i) && (i != 1 || L::inputs.second_has_gradient);
}
template <class L>
constexpr bool takes_labels() {
  return L::row.target == RowTarget::classes || L::row.target == RowTarget::labels;
}
template <class L>
constexpr bool takes_dense() {
  return L::row.target == RowTarget::classes || L::row.target == RowTarget::dense;
}

/// A row as its sweeps see it.
template <class L>
struct RowOf {
  const L& loss;
  const RowSumsArgs& a;
  RowState& state;
  Team team;
  std::int64_t r, label, chunks;

  /// Calls f(u) for the elements i, i + step ... of a group that are below n.
  template <class F>
  __device__ __forceinline__ static void each(int i, int step, int n, F&& f) {
#pragma unroll
    for (int u = 0; u < kAhead; ++u)
      if (i + u * step < n) f(u);
  }

  /// Column first + i + u step to e[u].
  __device__ __forceinline__ void load(std::int64_t first, int i, int step, int n,
                                       RowElement<float> (&e)[kAhead]) const {
    with_real(a.type, [&]<class T>() {
#pragma unroll
      for (int k = 0; k < kRowInputs; ++k) {
        if (!has_input<L>(k)) continue;
        const T* x = static_cast<const T*>(a.input[k].data) + row_offset(a.input[k], r);
        each(i, step, n, [&](int u) { e[u].x[k] = to_float(x[(first + i + u * step) * a.input[k].col_stride]); });
      }
    });
    if (takes_dense<L>() && a.dense) {
      with_real(a.target.dtype, [&]<class T>() {
        const T* t = static_cast<const T*>(a.target.data) + row_offset(a.target, r);
        each(i, step, n, [&](int u) { e[u].t = to_float(t[(first + i + u * step) * a.target.col_stride]); });
      });
    }
    if (takes_labels<L>() && a.class_weight.data) {
      const float* w = static_cast<const float*>(a.class_weight.data);
      each(i, step, n, [&](int u) { e[u].w = w[(first + i + u * step) * a.class_weight.col_stride]; });
    }
    if (takes_labels<L>() && a.labels)
      each(i, step, n, [&](int u) { e[u].t = first + i + u * step == label ? 1.0f : 0.0f; });
  }

  /// The same, with what the row's softmax and the first of the largest tell of it.
  __device__ __forceinline__ void load_known(std::int64_t first, int i, int step, int n,
                                             RowElement<float> (&e)[kAhead]) const {
    load(first, i, step, n, e);
    each(i, step, n, [&](int u) {
      if constexpr (L::row.softmax) set_softmax(state.softmax, e[u]);
      if constexpr (L::row.most) e[u].most = first + i + u * step == state.facts.most_at ? 1.0f : 0.0f;
    });
  }

  /// The elements without values for what the loss does not have.
  __device__ __forceinline__ static void clear(RowElement<float> (&e)[kAhead]) {
#pragma unroll
    for (int u = 0; u < kAhead; ++u) {
      e[u] = {};
      e[u].w = 1;
    }
  }

  /// Sums over a chunk of n columns from `first` on; f(element, out) gives an element's. The result is in lane 0.
  template <bool kKnown, int N, class F>
  __device__ __forceinline__ void sum_chunk(std::int64_t first, int n, float (&sum)[N], F&& f) const {
    float mine[N] = {};
#pragma unroll 1
    for (int j = 0; j < kLanesOfThread && j * kWarp < n; ++j) {
      float lane[N] = {};
#pragma unroll 1
      for (int i = j * kWarp + lane_id(); i < n; i += kAhead * kLanes) {
        RowElement<float> e[kAhead];
        clear(e);
        if constexpr (kKnown)
          load_known(first, i, kLanes, n, e);
        else
          load(first, i, kLanes, n, e);
        each(i, kLanes, n, [&](int u) {
          float out[N];
          f(e[u], out);
#pragma unroll
          for (int s = 0; s < N; ++s) lane[s] = lane[s] + out[s];
        });
      }
#pragma unroll
      for (int s = 0; s < N; ++s) {
#pragma unroll
        for (int o = 1; o < kWarp; o *= 2) lane[s] = lane[s] + __shfl_xor_sync(kFullWarp, lane[s], o);
        if (lane_id() == j) mine[s] = lane[s];
      }
    }
#pragma unroll
    for (int s = 0; s < N; ++s) {
#pragma unroll
      for (int o = 1; o < kLanesOfThread; o *= 2) mine[s] = mine[s] + __shfl_xor_sync(kFullWarp, mine[s], o);
      sum[s] = mine[s];
    }
  }

  /// Sums over the row, in the leader: chunk sums as doubles, in their order. Two rounds of chunks have memory, so that
  /// one barrier each is enough: the leader has read a round before the one after the next is written.
  template <bool kKnown, int N, class F>
  __device__ __forceinline__ void sum_row(double (&total)[N], F&& f) const {
    const bool leads = team.leads();
    int buffer = 0;
#pragma unroll 1
    for (std::int64_t round = 0; round < chunks; round += team.warps, buffer ^= 1) {
      const std::int64_t c = round + team.warp;
      if (c < chunks) {
        float sum[N];
        sum_chunk<kKnown>(c * kChunk, chunk_length(a.cols, c), sum, f);
        if (lane_id() == 0)
#pragma unroll
          for (int s = 0; s < N; ++s) state.part[buffer][team.warp][s] = sum[s];
      }
      team.sync();
      if (!leads) continue;
#pragma unroll 1
      for (int w = 0; w < team.warps && round + w < chunks; ++w)
#pragma unroll
        for (int s = 0; s < N; ++s) total[s] = total[s] + static_cast<double>(state.part[buffer][w][s]);
    }
  }

  /// Calls f(first column of a chunk, its length) for the chunks of this warp.
  template <class F>
  __device__ __forceinline__ void for_each_chunk_of_warp(F&& f) const {
#pragma unroll 1
    for (std::int64_t c = team.warp; c < chunks; c += team.warps) f(c * kChunk, chunk_length(a.cols, c));
  }

  /// Calls f(first, i, n) for this thread's groups of elements 32 apart, where order does not matter: column first + i
  /// and so on, of a chunk of n.
  template <class F>
  __device__ __forceinline__ void for_each_group_of_warp(F&& f) const {
    for_each_chunk_of_warp([&](std::int64_t first, int n) {
#pragma unroll 1
      for (int i = lane_id(); i < n; i += kAhead * kWarp) f(first, i, n);
    });
  }
};

}  // namespace fuselage::kernels
