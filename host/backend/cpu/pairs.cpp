// The small passes of losses over all pairs of rows, on the CPU's threads.
#include "host/backend/cpu/pairs.h"

#include <atomic>

#include "fuselage/loss_pass.h"
#include "host/backend/cpu/staging.h"
#include "host/backend/cpu/workers.h"

namespace fuselage::cpu {

namespace {

constexpr std::int64_t kElementsOfTask = 32768;

std::int64_t rows_of_task(std::int64_t cols) {
  return std::max<std::int64_t>(1, kElementsOfTask / std::max<std::int64_t>(cols, 1));
}

/// The sum over a row: chunk sums are added in order.
template <class Get>
double row_sum(std::int64_t cols, const Get& get) {
  double sum = 0;
  for (std::int64_t c = 0; c < chunks_of(cols); ++c)
    sum = sum + add_chunk(chunk_length(cols, c), [&](int i) { return get(c * kChunk + i); });
  return sum;
}

void run(const PackRows& p, int threads) {
  const std::int64_t cols = p.x.cols;
  parallel_blocks(threads, p.x.rows, rows_of_task(cols), [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t r = first; r < last; ++r) {
      float* const u = p.packed + r * cols;
      const bool kept = kept_at(p.mask, r, 0);
      for (std::int64_t c = 0; c < cols; ++c) u[c] = kept ? real_at(p.x, r, c) : 0.0f;
      if (!p.length) continue;
      const double length = sqrt(row_sum(cols, [&](std::int64_t c) {
        const double x = static_cast<double>(u[c]);
        return x * x;
      }));
      p.length[r] = canonical_nan(length);
      const double divisor = pairs::divisor(length, p.eps);
      for (std::int64_t c = 0; c < cols; ++c) u[c] = canonical_nan(pairs::unit(u[c], divisor));
    }
  });
}

void run(const UnpackGradient& p, int threads) {
  const std::int64_t cols = p.out.cols;
  std::atomic<std::int64_t> nonfinite = 0;
  dispatch(p.out.dtype, [&]<class T>() {
    parallel_blocks(threads, p.out.rows, rows_of_task(cols), [&](std::int64_t first, std::int64_t last, int) {
      std::int64_t found = 0;
      for (std::int64_t r = first; r < last; ++r) {
        const float *u = p.packed + r * cols, *g = p.gradient + r * cols;
        const bool kept = kept_at(p.mask, r, 0);
        const double product =
            p.length && kept
                ? row_sum(cols, [&](std::int64_t c) { return static_cast<double>(u[c]) * static_cast<double>(g[c]); })
                : 0.0;
        for (std::int64_t c = 0; c < cols; ++c) {
          const float all = p.length && kept ? pairs::derivative(g[c], u[c], product, p.length[r], p.eps) : g[c];
          const float d = kept ? all : 0.0f;
          *address<T>(p.out, r, c) = from_float<T>(d);
          found += !(abs(d) < finite_limit<T>());
        }
      }
      nonfinite += found;
    });
  });
  p.report->nonfinite += nonfinite;
}

void run(const BeginPairs& b, int) {
  const StandardFloats floats;
  LossReport report;
  for (std::int64_t r = 0; r < b.rows; ++r) {
    const float w = kept_at(b.mask, r, 0) ? weight_at(b.weight, r, 0) : 0.0f;
    const bool good = is_weight(w), counts = kept_at(b.mask, r, 0) && good;
    if (!good && report.bad_weights++ == 0) {
      report.first_bad_weight_row = r;
      report.first_bad_weight = static_cast<double>(w);
    }
    report.count += counts ? b.sides : 0;
    b.sums[r] = counts ? static_cast<double>(w) : 0.0;
    for (std::int64_t at = r; at < (b.one_set ? 2 : 1) * b.rows; at += b.rows) {
      b.label[at] = pairs::label_of(b, at, counts);
      b.row_weight[at] = counts ? w : 0.0f;
    }
  }
  report.weight_sum = b.sides * add_sequence(b.rows, [&](std::int64_t r) { return b.sums[r]; });
  const float upstream = b.upstream ? *address<float>(b.upstream, 0, 0) : 1.0f;
  *b.factor = gradient_scale(report.weight_sum, b.scale, upstream);
  *b.report = report;
}

void run(const ExcludePairs& e, int threads) {
  const float none = -__builtin_inff();
  parallel_blocks(threads, e.rows, rows_of_task(e.cols), [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t r = first; r < last; ++r) {
      float* const row = e.similarity + r * e.cols;
      if (e.itself) row[e.first + r] = none;
      for (std::int64_t c = 0; e.mask && c < e.cols; ++c)
        if (!kept_at(e.mask, c % e.mask.rows, 0)) row[c] = none;
    }
  });
}

void run(const EndPairs& e, int) {
  const StandardFloats floats;
  e.report->value_sum = add_sequence(e.count, [&](std::int64_t i) { return static_cast<double>(e.values[i]); });
  finish_report(*e.report, Reduction::mean, e.report->weight_sum, BadLabels::error, false);
}

}  // namespace

void run_pair_step(const PairStep& step, int threads) {
  std::visit([&](const auto& s) { run(s, threads); }, step);
}

}  // namespace fuselage::cpu
