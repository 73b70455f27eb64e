// The kernel of a row loss (loss/row.h). A team takes a row: a warp where the row is one chunk, else a block whose
// warps take chunks in turn. Each sweep reads the row again, the second time from the cache. Storage types, strides and
// kinds of targets are known at run time alone, so a loss costs the compiler one kernel.
#pragma once

#include "kernels/row_sweep.cuh"

namespace fuselage::kernels {

/// The work of a team on one row. Every thread of the team calls everything; the leader alone does what is in double.
template <class L>
struct RowTask : RowOf<L> {
  using RowOf<L>::a, RowOf<L>::loss, RowOf<L>::state, RowOf<L>::team, RowOf<L>::r, RowOf<L>::label;
  static constexpr RowShape kRow = L::row;

  __device__ __forceinline__ void coefficients(float (&k)[kRowCoefficients]) const {
#pragma unroll
    for (int i = 0; i < kRowCoefficients; ++i) k[i] = static_cast<float>(state.k[i]);
  }

  /// Whether a thread of the warp saw a bad target, told to the leader, who asks after the next barrier.
  __device__ __forceinline__ void tell_bad(bool bad) const {
    const bool any = __any_sync(kFullWarp, bad);
    if (lane_id() == 0) state.found[team.warp].bad = any;
  }
  __device__ __forceinline__ void ask_bad() const {
    for (int w = 0; w < team.warps; ++w) state.bad = state.bad || state.found[w].bad;
  }

  /// The first of what the threads of the team have found, in the leader.
  __device__ __forceinline__ FirstMost first_of_team(FirstMost most) const {
    most = warp_reduce(most, FirstOfMost{});
    if (lane_id() == 0) state.found[team.warp].most = most;
    team.sync();
    if (team.leads())
      for (int w = 1; w < team.warps; ++w) most.take(state.found[w].most.value, state.found[w].most.at);
    return most;
  }

  /// The facts that need no sweep.
  __device__ __forceinline__ void begin(const RowSumsInputs& in) const {
    if (!team.leads()) return;
    RowFacts facts;
    facts.cols = a.cols;
    facts.label = label;
    facts.single = in.single;
    facts.most = -__builtin_inf();
    facts.label_weight = static_cast<double>(in.label_class_weight);
    if (takes_labels<L>() && label >= 0) facts.label_x = static_cast<double>(real_at(a.input[0], r, label));
    if constexpr (kRow.row_second) facts.second = static_cast<double>(real_at(a.input[1], r, 0));
    state.facts = facts;
    state.bad = false;
#pragma unroll
    for (int i = 0; i < kRowCoefficients; ++i) state.k[i] = 0;
  }

  /// The maximum of the prediction; no order shows.
  __device__ __forceinline__ void look_for_max() const {
    float max = -__builtin_inff();
    this->for_each_group_of_warp([&](std::int64_t first, int i, int n) {
      RowElement<float> e[kAhead];
      this->clear(e);
      this->load(first, i, kWarp, n, e);
      this->each(i, kWarp, n, [&](int u) { max = greater_of(e[u].x[0], max); });
    });
    max = warp_max(max);
    if (lane_id() == 0) state.found[team.warp].max = max;
    team.sync();
    if (!team.leads()) return;
    for (int w = 1; w < team.warps; ++w) max = greater_of(state.found[w].max, max);
    state.softmax.max = max;
  }

  /// What ranks first; no order shows.
  __device__ __forceinline__ void look_for_most() const {
    team.sync();  // the softmax is there
    FirstMost most;
    this->for_each_group_of_warp([&](std::int64_t first, int i, int n) {
      RowElement<float> e[kAhead];
      this->clear(e);
      this->load(first, i, kWarp, n, e);
      this->each(i, kWarp, n, [&](int u) {
        if constexpr (kRow.softmax) set_softmax(state.softmax, e[u]);
        most.take(loss.ranked(e[u]), first + i + u * kWarp);
      });
    });
    most = first_of_team(most);
    if (!team.leads()) return;
    state.facts.most = static_cast<double>(most.value);
    state.facts.most_at = most.at;
  }

  /// The sum of the terms below the maximum, and how many elements are equal to it.
  __device__ __forceinline__ void sum_softmax() const {
    team.sync();  // the maximum is there
    const float max = state.softmax.max;
    const SoftmaxBase<float> base = softmax_base(max);
    double total[2] = {};
    this->template sum_row<false>(total, [&](const RowElement<float>& e, float* out) {
      const bool tied = e.x[0] == max;
      out[0] = tied ? 0.0f : softmax_term(e.x[0], base);
      out[1] = tied ? 1.0f : 0.0f;
    });
    if (team.leads()) state.softmax = row_softmax(max, total[0], static_cast<std::int64_t>(total[1]), state.facts);
  }

  template <int kSweep>
  __device__ __forceinline__ void sweep() const {
    if constexpr (kSweep < kRow.sweeps) {
      if (kSweep >= row_sweeps(loss)) return;
      constexpr int kSums = kRow.sums[kSweep];
      team.sync();  // facts and coefficients are there
      float k[kRowCoefficients];
      coefficients(k);
      bool bad = false;
      double total[kSums] = {};
      this->template sum_row<true>(total, [&](const RowElement<float>& e, float* out) {
        if constexpr (kSweep == 0 && takes_dense<L>()) bad = bad || !in_domain<target_domain<L>()>(e.t);
        loss.template terms<kSweep>(e, k, out);
      });
      if constexpr (kSweep == 0 && takes_dense<L>()) {
        tell_bad(bad);
        team.sync();
      }
      if (!team.leads()) return;
      if constexpr (kSweep == 0 && takes_dense<L>()) ask_bad();
      row_gather<kSweep>(loss, state.facts, total, state.k);
    }
  }

  /// The value, and what follows from it, by the leader.
  __device__ __forceinline__ void close(const RowSumsInputs& in, ThreadCounts& counts) const {
    if (!team.leads()) return;
    state.ranked = false;
    if (state.bad) {
      counts.add_bad(r);
      return put_value(a, r, 0);
    }
    ++counts.count;
    const double value = loss.value(state.facts, state.k);
    state.ranked = a.ranks && row_may_be_right(value);
    state.scale = row_scale(in.scale, value);
    put_value(a, r, value * static_cast<double>(in.weight));
  }

  /// The first of the largest numbers of a plane's row, in the leader; of nothing but NaN there is none, and `at` is
  /// beyond the row.
  __device__ __forceinline__ FirstMost first_most_of(const Plane& p) const {
    FirstMost most{-__builtin_inff(), INT64_MAX};
    this->for_each_chunk_of_warp([&](std::int64_t first, int n) {
      for (int i = lane_id(); i < n; i += kWarp) most.take(real_at(p, r, first + i), first + i);
    });
    return first_of_team(most);
  }

  /// The rank of the label among the predictions.
  __device__ __forceinline__ void rank(ThreadCounts& counts) const {
    const std::int64_t of_targets = a.dense ? first_most_of(a.target).at : 0;
    if (team.leads()) {
      state.rank_label = a.dense ? of_targets : label;
      state.rank_x = real_at(a.input[0], r, state.rank_label);
      state.rank = 0;
    }
    team.sync();
    const float x_label = state.rank_x;
    const std::int64_t at_label = state.rank_label;
    unsigned long long before = 0;
    this->for_each_chunk_of_warp([&](std::int64_t first, int n) {
      for (int i = lane_id(); i < n; i += kWarp)
        before += ranks_before(real_at(a.input[0], r, first + i), first + i, x_label, at_label);
    });
    before = warp_reduce(before, Sum{});
    if (lane_id() == 0) atomicAdd(&state.rank, before);
    team.sync();
    if (team.leads()) {
      counts.correct += state.rank == 0;
      counts.top_k += a.top_k > 0 && state.rank < static_cast<unsigned long long>(a.top_k);
    }
    if (a.tallies.any()) tally_row();
  }

  /// Adds the row to the confusion counts and the calibration bins.
  __device__ __forceinline__ void tally_row() const {
    const FirstMost most = first_most_of(a.input[0]);
    if (!team.leads() || most.at >= a.cols) return;
    const double p = row_confidence(loss, state.facts, state.k, static_cast<double>(most.value));
    if (p == p) tally(a.tallies, state.rank_label, most.at, p);
  }

  /// An element's derivatives; each thread has read what it overwrites.
  __device__ __forceinline__ void store(std::int64_t c, const float (&g)[kRowInputs], unsigned& nonfinite) const {
    with_real(a.type, [&]<class T>() {
#pragma unroll
      for (int i = 0; i < kRowInputs; ++i) {
        if (!has_gradient<L>(i) || !a.gradient[i].data) continue;
        nonfinite += !(abs(g[i]) < finite_limit<T>());
        static_cast<T*>(a.gradient[i].data)[row_offset(a.gradient[i], r) + c * a.gradient[i].col_stride] =
            from_float<T>(g[i]);
      }
    });
  }

  __device__ __forceinline__ void gradient(ThreadCounts& counts) const {
    const float scale = state.scale;
    float k[kRowCoefficients];
    coefficients(k);
    this->for_each_group_of_warp([&](std::int64_t first, int i, int n) {
      RowElement<float> e[kAhead];
      this->clear(e);
      this->load_known(first, i, kWarp, n, e);
      this->each(i, kWarp, n, [&](int u) {
        float g[kRowInputs] = {};
        loss.gradient(e[u], k, g);
#pragma unroll
        for (int v = 0; v < kRowInputs; ++v) g[v] = g[v] * scale;
        store(first + i + u * kWarp, g, counts.nonfinite);
      });
    });
  }

  /// Whether a target of a row that is left out is bad; each warp looks at all of them.
  __device__ __forceinline__ bool holds_bad_target() const {
    bool bad = false;
    for (std::int64_t c = lane_id(); c < a.cols; c += kWarp) bad = bad || !is_good_target(a, real_at(a.target, r, c));
    return __any_sync(kFullWarp, bad);
  }

  /// Zeros for a row that counts for nothing.
  __device__ __forceinline__ void leave_out() const {
    unsigned none = 0;
    const float zero[kRowInputs] = {};
    this->for_each_chunk_of_warp([&](std::int64_t first, int n) {
      for (int i = lane_id(); i < n; i += kWarp) store(first + i, zero, none);
    });
  }

  __device__ __forceinline__ void run(const RowSumsInputs& in, bool any_gradient, ThreadCounts& counts) const {
    if (!in.counts) {
      const bool bad = in.bad || (in.bad_weight && a.dense && holds_bad_target());
      if (team.leads()) {
        put_value(a, r, 0);
        if (bad)
          counts.add_bad(r);
        else if (in.bad_weight)
          counts.add_bad_weight(r);
      }
      return leave_out();
    }
    team.sync();  // the last row's state has been read
    begin(in);
    if constexpr (kRow.softmax) {
      look_for_max();
      sum_softmax();
    }
    if constexpr (kRow.most) look_for_most();
    if (team.leads()) row_start(loss, state.facts, state.k);
    sweep<0>();
    sweep<1>();
    close(in, counts);
    team.sync();
    if (state.bad) return leave_out();
    if (takes_labels<L>() && state.ranked) rank(counts);
    if (any_gradient) gradient(counts);
  }
};

/// Where every row takes the weights of all classes, bad ones among them count once, as row 0. Called by one warp.
__device__ __forceinline__ void look_at_class_weights(const RowSumsArgs& a, ThreadCounts& counts) {
  bool bad = false;
  for (std::int64_t c = lane_id(); c < a.cols; c += kWarp)
    bad = bad || !is_weight(static_cast<const float*>(a.class_weight.data)[c * a.class_weight.col_stride]);
  if (__any_sync(kFullWarp, bad) && lane_id() == 0) counts.add_bad_weight(0);
}

template <class L>
__global__ void __launch_bounds__(kTeamWarps* kWarp, 2)
    row_sums_kernel(const __grid_constant__ L loss, const __grid_constant__ RowSumsArgs a) {
  static_assert(!takes_dense<L>() || L::row.sweeps > 0, "a sweep looks at the targets");
  auto& states = shared<RowState[kTeamWarps]>([] {});
  const Team team = a.warp_team ? Team{true, 0, 1} : Team{false, warp_id(), warps_of_block()};
  const int teams = a.warp_team ? warps_of_block() : 1, own = a.warp_team ? warp_id() : 0;
  const float pass = pass_scale(a.options, a.counters);
  bool any_gradient = false;
  for (int i = 0; i < kRowInputs; ++i) any_gradient = any_gradient || (has_gradient<L>(i) && a.gradient[i].data);
  ThreadCounts counts;
  if (takes_dense<L>() && (a.dense || spreads_labels(loss)) && a.class_weight.data && a.rows > 0 && blockIdx.x == 0 &&
      warp_id() == 0)
    look_at_class_weights(a, counts);
  for (std::int64_t r = blockIdx.x * static_cast<std::int64_t>(teams) + own; r < a.rows;
       r += static_cast<std::int64_t>(gridDim.x) * teams) {
    const RowSumsInputs in = row_inputs(a, pass, r);
    const RowTask<L> row{{loss, a, states[own], team, r, in.label, chunks_of(a.cols)}};
    row.run(in, any_gradient, counts);
  }
  finish_rows(a, counts);
}

}  // namespace fuselage::kernels
