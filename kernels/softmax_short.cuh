// Softmax cross-entropy on rows of up to 32 classes: one thread a row, classes in their order, in float. Tiles of rows
// pass through shared memory, so that global memory is read and written in its own order.
#pragma once

#include "kernels/softmax_rows.cuh"

namespace fuselage::kernels {

inline constexpr int kShortThreads = 128;  ///< the most of a block; 8 of them fill an old multiprocessor

/// Calls f(row, class, place in the tile) for this thread's share of a tile of `rows` rows, neighbours in memory going
/// to neighbouring threads.
template <class F>
__device__ __forceinline__ void walk_tile(int rows, int cols, int pitch, F&& f) {
  if (cols == 0) return;
  const int threads = static_cast<int>(blockDim.x), row_step = threads / cols, col_step = threads % cols;
  int r = static_cast<int>(threadIdx.x) / cols, c = static_cast<int>(threadIdx.x) % cols;
  while (r < rows) {
    f(r, c, r * pitch + c);
    r += row_step;
    c += col_step;
    if (c >= cols) {
      c -= cols;
      ++r;
    }
  }
}

/// Whether rows lie closer to each other than the classes of a row, as in [outer, classes, inner]: then neighbouring
/// threads take an element each of their own rows. Rows in blocks always do so.
template <class Void>
__device__ __forceinline__ bool rows_are_neighbours(const BasicPlane<Void>& p) {
  return p.block > 0 || p.row_stride < p.col_stride;
}

/// The label of a row of dense targets: the first of the largest.
__device__ __forceinline__ int densest(const SoftmaxArgs& a, std::int64_t r, int cols) {
  int best = 0;
  float most = real_at(a.target, r, 0);
  for (int c = 1; c < cols; ++c) {
    const float t = real_at(a.target, r, c);
    if (t > most) {
      most = t;
      best = c;
    }
  }
  return best;
}

__device__ __forceinline__ void count_rank(const SoftmaxArgs& a, const float* x, int cols, int label,
                                           ThreadCounts& counts) {
  int rank = 0;
  for (int c = 0; c < cols; ++c) rank += ranks_before(x[c], c, x[label], label);
  counts.correct += rank == 0;
  counts.top_k += rank < a.top_k;
}

/// The first element that is the maximum, which there is.
__device__ __forceinline__ int first_most(const float* x, float max) {
  int c = 0;
  while (x[c] != max) ++c;
  return c;
}

/// Row r, its logits in x, which receives the gradient.
template <class T, SoftmaxForm kForm>
__device__ __forceinline__ void short_row(const SoftmaxArgs& a, float pass, const Smoothing& share, std::int64_t r,
                                          float* x, ThreadCounts& counts) {
  constexpr bool kSoft = kForm != SoftmaxForm::hard, kShaped = kForm == SoftmaxForm::shaped;
  const int cols = static_cast<int>(a.cols);
  RowInputs in = row_inputs(a, pass, r);
  if (a.dense && in.counts)
    for (int c = 0; c < cols; ++c) {
      const float t = real_at(a.target, r, c);
      if (t != t) in.bad = true;
    }
  if (in.bad) counts.add_bad(r);
  if (in.bad || !in.counts) {
    put_value(a, r, 0);
    for (int c = 0; c < cols; ++c) x[c] = 0;
    return;
  }
  ++counts.count;

  float max = -__builtin_inff();
  for (int c = 0; c < cols; ++c) max = greater_of(x[c], max);
  const SoftmaxBase<float> base = softmax_base(max);
  const float anchor = softmax_anchor(max);
  const int label = static_cast<int>(in.label);
  float rest = 0, ties = 0, q_gap = 0, x_label = anchor, term_label = 0;
  SoftmaxCoefficients<float> q_sum;
  TwoPart<float> origin{};  // of transformed logits, and the label's logit relative to it
  float gap_label = 0, slope_label = 1;
  if constexpr (kShaped) origin = softmax_origin(a.shape, max);
  for (int c = 0; c < cols; ++c) {
    float term, gap = x[c], slope = 1;
    if constexpr (kShaped) {
      const SoftmaxImage<float> image = softmax_image(a.shape, x[c]);
      const TwoPart<float> distance = softmax_distance(a.shape, image.at, origin);
      term = softmax_term(distance);
      gap = distance.high;
      slope = image.slope;
    } else {
      term = softmax_term(x[c], base);
    }
    rest = rest + (x[c] == max ? 0.0f : term);
    ties = ties + (x[c] == max ? 1.0f : 0.0f);
    if (c == label) {
      x_label = x[c];
      term_label = term;
      if constexpr (kShaped) {
        gap_label = gap;
        slope_label = slope;
      }
    }
    if constexpr (kSoft) {
      const float q = coefficient_at(a, share, r, c);
      q_sum.add(q);
      q_gap = q_gap + softmax_gap(q, kShaped ? 0.0f : anchor, gap);
    }
  }
  float top, level = anchor;
  if constexpr (kShaped) {
    top = softmax_term(softmax_distance(a.shape, softmax_image(a.shape, max).at, origin));
    level = softmax_distance(a.shape, origin, TwoPart<float>{0, 0}).high;
  } else {
    top = softmax_term(max, base);
  }
  const float odds = rest / top + (ties - 1);
  const SoftmaxRow<float> row{
      max, kShaped ? 0.0f : anchor, odds, 1 / (top * (1 + odds)), odds / (1 + odds), q_sum.high(), q_gap, q_sum.low()};
  SoftmaxTarget<float> target{0, 0};
  if (!a.dense) {
    target.label_weight = share.keep * in.label_class_weight;
    if constexpr (kSoft) target.label_q = softmax_coefficient(in.label_class_weight, 0.0f, share.keep, share.even);
  }
  float loss = softmax_value(row, target, kShaped ? gap_label : x_label);
  SoftmaxExtra<float> extra{0, 0};
  if (kSoft && a.z_loss > 0) {
    extra = softmax_extra(a.z_loss, level, odds);
    loss = loss + extra.value;
  }
  put_value(a, r, static_cast<double>(from_float<float>(loss * in.weight)));
  if (a.ranks && odds == odds) {  // a NaN row is never right
    const int own = a.dense ? densest(a, r, cols) : label;
    count_rank(a, x, cols, own, counts);
    if (a.tallies.any()) tally(a.tallies, own, first_most(x, max), static_cast<double>(1 / (1 + odds)));
  }
  if (!a.gradient.data) return;

  const float scale = static_cast<float>(in.scale);
  float sum = target.label_weight + row.q, at_label;
  if constexpr (kSoft) {
    sum = sum + extra.slope;
    at_label = scale * softmax_label_gradient(row, target, x_label, term_label * row.scale, extra.slope);
  } else {
    at_label = scale * softmax_label_gradient(row, target, x_label, term_label * row.scale);
  }
  if constexpr (kShaped) at_label = softmax_bent(at_label, slope_label);
  const float factor = sum * row.scale * scale, least = softmax_least(factor), at_peak = scale * sum * row.complement,
              peak = softmax_peak(row);
  for (int c = 0; c < cols; ++c) {
    float term, slope = 1;
    if constexpr (kShaped) {
      const SoftmaxImage<float> image = softmax_image(a.shape, x[c]);
      term = softmax_term(softmax_distance(a.shape, image.at, origin));
      slope = image.slope;
    } else {
      term = softmax_term(x[c], base);
    }
    float g = softmax_scaled(term, factor, least);
    if constexpr (kSoft) {
      const float q = coefficient_at(a, share, r, c);
      g = select(x[c] == peak, fma(scale, (sum - q) + row.q_low, -at_peak), fma(-scale, q, g));
    }
    if constexpr (kShaped) g = softmax_bent(g, slope);
    g = c == label ? at_label : g;
    counts.nonfinite += !(abs(g) < finite_limit<T>());
    x[c] = g;
  }
}

template <class T, SoftmaxForm kForm>
__global__ void __launch_bounds__(kShortThreads, 8) softmax_short_kernel(const __grid_constant__ SoftmaxArgs a) {
  auto& logits = shared<float[kShortThreads * (kShortRow + 1)]>([] {});
  const int cols = static_cast<int>(a.cols), pitch = cols | 1;  // odd: a column's elements lie in different banks
  const float pass = pass_scale(a.options, a.counters);
  const Smoothing share = smoothing(a);
  ThreadCounts counts;
  const int threads = static_cast<int>(blockDim.x), thread = static_cast<int>(threadIdx.x);
  for (std::int64_t first = thread_of_grid() - threadIdx.x; first < a.rows; first += threads_of_grid()) {
    const int rows = a.rows - first < threads ? static_cast<int>(a.rows - first) : threads;
    if (rows_are_neighbours(a.prediction)) {
      if (thread < rows) {
        const T* x = static_cast<const T*>(a.prediction.data) + row_offset(a.prediction, first + thread);
        for (int c = 0; c < cols; ++c) logits[thread * pitch + c] = to_float(x[c * a.prediction.col_stride]);
      }
    } else {
      const T* x = static_cast<const T*>(a.prediction.data) + first * a.prediction.row_stride;
      walk_tile(rows, cols, pitch, [&](int r, int c, int at) {
        logits[at] = to_float(x[r * a.prediction.row_stride + c * a.prediction.col_stride]);
      });
    }
    __syncthreads();
    if (thread < rows) short_row<T, kForm>(a, pass, share, first + thread, logits + thread * pitch, counts);
    __syncthreads();
    if (a.gradient.data && rows_are_neighbours(a.gradient)) {
      if (thread < rows) {
        T* g = static_cast<T*>(a.gradient.data) + row_offset(a.gradient, first + thread);
        for (int c = 0; c < cols; ++c) g[c * a.gradient.col_stride] = from_float<T>(logits[thread * pitch + c]);
      }
      if (!rows_are_neighbours(a.prediction)) __syncthreads();  // else a thread goes on with its own row
    } else if (a.gradient.data) {
      T* g = static_cast<T*>(a.gradient.data) + first * a.gradient.row_stride;
      walk_tile(rows, cols, pitch, [&](int r, int c, int at) {
        g[r * a.gradient.row_stride + c * a.gradient.col_stride] = from_float<T>(logits[at]);
      });  // the next tile goes over each element by the thread that stored it
      if (rows_are_neighbours(a.prediction)) __syncthreads();  // but not here
    }
  }
  finish_rows(a, counts);
}

template <class T>
void launch_softmax_short(const SoftmaxArgs& a, CUstream_st* stream) {
  const int threads = threads_for(kShortThreads);
  const Launch shape{.name = "softmax cross-entropy, short rows",
                     .blocks = blocks_for(a.rows, threads),
                     .threads = threads,
                     .stream = stream};
  launch(shape,
         a.form == SoftmaxForm::hard   ? softmax_short_kernel<T, SoftmaxForm::hard>
         : a.form == SoftmaxForm::soft ? softmax_short_kernel<T, SoftmaxForm::soft>
                                       : softmax_short_kernel<T, SoftmaxForm::shaped>,
         a);
}

}  // namespace fuselage::kernels
