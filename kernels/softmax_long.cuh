// Softmax cross-entropy on rows of more than 32 classes. A team takes a row: one warp where the row is one chunk, a
// block where it has more, each warp taking chunks in turn. Logits are read twice, the second time from the cache; the
// terms wait in shared memory for the row's sum where they fit, and are computed again where they do not.
#pragma once

#include "kernels/softmax_gradient.cuh"

namespace fuselage::kernels {

inline constexpr int kRowWarps = 4;    ///< the most warps of a block where each has a row of its own
inline constexpr int kBlockWarps = 8;  ///< the most warps of a block that works on one row

template <bool kWarpTeam>
inline constexpr int kTeamThreads = kWarp*(kWarpTeam ? kRowWarps : kBlockWarps);
/// Blocks that a multiprocessor holds: 512 threads of 128 registers.
template <bool kWarpTeam>
inline constexpr int kTeamBlocks = kWarpTeam ? 4 : 2;

/// What a team's leader tells the others of its row.
struct RowState {
  RowGradient gradient;
  bool bad, ranked;
  std::int64_t rank_label;
  float rank_logit;
  unsigned long long rank, argmax;
  float max;
  double odds;
  Most most[kBlockWarps];
};

template <bool kWarpTeam>
__device__ __forceinline__ void sync_team() {
  if constexpr (kWarpTeam)
    __syncwarp();
  else
    __syncthreads();
}

/// The row from its chunks, by the leader: value and state.
template <class T, SoftmaxForm kForm>
__device__ void close_row(const SoftmaxArgs& a, const Smoothing& share, const RowView<T>& row, const RowInputs& in,
                          const ChunkStore* chunks, RowState& state) {
  constexpr bool kSoft = kForm != SoftmaxForm::hard, kShaped = kForm == SoftmaxForm::shaped;
  const auto part = [&](std::int64_t c) { return chunks[c].part; };
  RowGradient& g = state.gradient;
  SoftmaxRow<double> sums;
  if constexpr (kShaped) {
    sums = softmax_row(a.shape, chunks_of(a.cols), part);
    g.origin = softmax_origin(a.shape, static_cast<float>(sums.max));
  } else {
    sums = softmax_row(chunks_of(a.cols), part);
  }
  state.bad = a.dense && sums.q != sums.q;           // a NaN among the targets
  state.ranked = a.ranks && sums.odds == sums.odds;  // a NaN row is never right
  state.max = static_cast<float>(sums.max);
  state.odds = sums.odds;
  if (state.bad) return put_value(a, row.row, 0);
  SoftmaxTarget<double> target{0, 0};
  float x_label = static_cast<float>(sums.anchor);
  if (!a.dense) {
    target.label_weight = (1 - a.label_smoothing) * static_cast<double>(in.label_class_weight);
    if constexpr (kSoft)
      target.label_q = static_cast<double>(softmax_coefficient(in.label_class_weight, 0.0f, share.keep, share.even));
    x_label = to_float(row.x[in.label * row.stride]);
  }
  double gap = static_cast<double>(x_label);
  SoftmaxImage<float> image{};
  if constexpr (kShaped) {
    if (!a.dense) image = softmax_image(a.shape, x_label);
    gap = a.dense ? 0 : softmax_distance_double(a.shape, image.at, g.origin);
  }
  double loss = softmax_value<double>(sums, target, gap), sum = target.label_weight + sums.q;
  SoftmaxExtra<double> extra{0, 0};
  if (kSoft && a.z_loss > 0) {
    const double level = kShaped ? softmax_level(a.shape, g.origin) : sums.anchor;
    extra = softmax_extra(static_cast<double>(a.z_loss), level, sums.odds);
    loss = loss + extra.value;
    sum = sum + extra.slope;
  }
  put_value(a, row.row, loss * static_cast<double>(in.weight));

  g.peak = static_cast<float>(softmax_peak(sums));
  g.base = softmax_base(static_cast<float>(sums.max));
  g.sum_scale = sum * sums.scale;
  g.scale = in.scale;
  g.row_scale = static_cast<float>(in.scale);
  g.sum = static_cast<float>(sum);
  g.at_peak = static_cast<float>(in.scale * sum * sums.complement);
  if (a.dense) return;
  const ChunkStore& store = chunks[in.label / kChunk];
  double p;
  if constexpr (kShaped) {
    const float own = store.part.max;
    const float term = softmax_term(softmax_distance(a.shape, image.at, softmax_origin(a.shape, own)));
    p = static_cast<double>(term) * sums.scale * softmax_rebase(a.shape, own, g.origin);
  } else {
    p = static_cast<double>(softmax_term(x_label, store.base)) * sums.scale * softmax_rebase(store.base, g.base);
  }
  if constexpr (kSoft)
    g.at_label = static_cast<float>(in.scale * softmax_label_gradient<double>(sums, target, x_label, p, extra.slope));
  else
    g.at_label = static_cast<float>(in.scale * softmax_label_gradient<double>(sums, target, x_label, p));
  if constexpr (kShaped) g.at_label = softmax_bent(g.at_label, image.slope);
}

/// The rank of the label, by the whole team.
template <class T, int V, bool kWarpTeam>
__device__ void count_rank(const SoftmaxArgs& a, const RowView<T>& row, const RowInputs& in, int warp, int warps,
                           RowState& state, ThreadCounts& counts) {
  const std::int64_t chunks = chunks_of(a.cols);
  const bool leader = warp == 0 && lane_id() == 0;
  if (a.dense) {
    Most most{-__builtin_inff(), INT64_MAX};
    for (std::int64_t c = warp; c < chunks; c += warps) most_of_chunk<T, V>(a, row.row, c, most);
    most = warp_reduce(most, FirstOfLargest{});
    if (lane_id() == 0) state.most[warp] = most;
    sync_team<kWarpTeam>();
  }
  if (leader) {
    state.rank_label = in.label;
    if (a.dense) {
      Most most = state.most[0];
      for (int w = 1; w < warps; ++w) most.take(state.most[w].value, state.most[w].at);
      state.rank_label = most.at;
    }
    state.rank_logit = to_float(row.x[state.rank_label * row.stride]);
    state.rank = 0;
    state.argmax = ~0ull;
  }
  sync_team<kWarpTeam>();
  unsigned long long before = 0;
  for (std::int64_t c = warp; c < chunks; c += warps)
    before += rank_in_chunk<V>(a, row, c, state.rank_logit, state.rank_label);
  before = warp_reduce(before, Sum{});
  if (lane_id() == 0) atomicAdd(&state.rank, before);
  if (a.tallies.any())
    for (std::int64_t c = warp; c < chunks; c += warps) {
      const Count first = first_of_chunk<V>(a, row, c, state.max);
      if (first != ~Count{0}) atomicMin(&state.argmax, first);
    }
  sync_team<kWarpTeam>();
  if (!leader) return;
  counts.correct += state.rank == 0;
  counts.top_k += a.top_k > 0 && state.rank < static_cast<unsigned long long>(a.top_k);
  if (a.tallies.any())
    tally(a.tallies, state.rank_label, static_cast<std::int64_t>(state.argmax), 1 / (1 + state.odds));
}

/// Zeros for a row that counts for nothing.
template <class T, int V>
__device__ void leave_out_row(const SoftmaxArgs& a, std::int64_t r, int thread, int threads) {
  if (thread == 0) put_value(a, r, 0);
  if (!a.gradient.data) return;
  T* g = static_cast<T*>(a.gradient.data) + row_of<V>(a.gradient, r);
  for (std::int64_t c = thread; c < a.cols; c += threads) g[c * a.gradient.col_stride] = T{};
}

template <class T, int V, SoftmaxForm kForm, bool kWarpTeam>
__global__ void __launch_bounds__(kTeamThreads<kWarpTeam>, kTeamBlocks<kWarpTeam>)
    softmax_long_kernel(const __grid_constant__ SoftmaxArgs a) {
  auto& states = shared<RowState[kWarpTeam ? kRowWarps : 1]>([] {});
  const int teams = kWarpTeam ? warps_of_block() : 1, team = kWarpTeam ? warp_id() : 0;
  const int warp = kWarpTeam ? 0 : warp_id(), warps = kWarpTeam ? 1 : warps_of_block();
  const int thread = warp * kWarp + lane_id();
  const std::int64_t chunks = chunks_of(a.cols), room = ceil_div(a.cols, kLanesOfThread) * kLanesOfThread;
  float* terms = a.keep_terms ? dynamic_shared<float>() + team * room : nullptr;
  ChunkStore* near = reinterpret_cast<ChunkStore*>(dynamic_shared<float>() + (a.keep_terms ? teams * room : 0));
  ChunkStore* stores = a.chunks ? a.chunks + blockIdx.x * chunks : near + team * chunks;
  RowState& state = states[team];
  const float pass = pass_scale(a.options, a.counters);
  const Smoothing share = smoothing(a);
  ThreadCounts counts;
  for (std::int64_t r = blockIdx.x * static_cast<std::int64_t>(teams) + team; r < a.rows;
       r += static_cast<std::int64_t>(gridDim.x) * teams) {
    const RowInputs in = row_inputs(a, pass, r);
    if (!in.counts) {
      if (in.bad && thread == 0) counts.add_bad(r);
      leave_out_row<T, V>(a, r, thread, warps * kWarp);
      continue;
    }
    const RowView<T> row{static_cast<const T*>(a.prediction.data) + row_of<V>(a.prediction, r), a.prediction.col_stride,
                         r};
    for (std::int64_t c = warp; c < chunks; c += warps) {
      const ChunkStore store = sweep_chunk<T, V, kForm>(a, share, row, c, terms);
      __syncwarp();  // the last row's base has been read
      if (lane_id() == 0) stores[c] = store;
    }
    sync_team<kWarpTeam>();  // the chunks are there, and the last row's state has been read
    if (thread == 0) {
      close_row<T, kForm>(a, share, row, in, stores, state);
      if (state.bad)
        counts.add_bad(r);
      else
        ++counts.count;
    }
    sync_team<kWarpTeam>();
    if (state.bad) {
      leave_out_row<T, V>(a, r, thread, warps * kWarp);
    } else {
      if (state.ranked) count_rank<T, V, kWarpTeam>(a, row, in, warp, warps, state, counts);
      if (a.gradient.data)
        for (std::int64_t c = warp; c < chunks; c += warps)
          counts.nonfinite += gradient_chunk<T, V, kForm>(a, share, row, state.gradient, stores[c], in.label, c, terms);
    }
  }
  finish_rows(a, counts);
}

/// Blocks, threads and shared memory for `a`, whose keep_terms and chunks are set to fit.
Launch shape_softmax_long(SoftmaxArgs& a, CUstream_st* stream);

template <class T>
void launch_softmax_long(const SoftmaxArgs& args, CUstream_st* stream) {
  SoftmaxArgs a = args;
  const Launch shape = shape_softmax_long(a, stream);
  const auto lines_up = [&]<class Plane>(const Plane& p) {  // rows can be read by 16 bytes
    return !p.data || (p.col_stride == 1 && p.block == 0 && reinterpret_cast<std::uintptr_t>(p.data) % 16 == 0 &&
                       p.row_stride * static_cast<std::int64_t>(sizeof(T)) % 16 == 0);
  };
  // Transformed logits are computed longer than they are read: one by one will do.
  const bool vectors =
      lines_up(a.prediction) && lines_up(a.gradient) && a.target.block == 0 && a.form != SoftmaxForm::shaped;
  const auto pick = [&]<int V, SoftmaxForm kForm>() {
    launch(shape, a.cols <= kChunk ? softmax_long_kernel<T, V, kForm, true> : softmax_long_kernel<T, V, kForm, false>,
           a);
  };
  using enum SoftmaxForm;
  if (a.form == shaped)
    pick.template operator()<1, shaped>();
  else if (vectors)
    a.form == soft ? pick.template operator()<kVector<T>, soft>() : pick.template operator()<kVector<T>, hard>();
  else
    a.form == soft ? pick.template operator()<1, soft>() : pick.template operator()<1, hard>();
}

}  // namespace fuselage::kernels
