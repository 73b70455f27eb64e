// Runs one loss pass on the CPU's threads.
#include "host/backend/cpu/loss_runner.h"

#include <algorithm>
#include <atomic>

#include "fuselage/loss_pass.h"
#include "host/backend/cpu/softmax_long.h"
#include "host/backend/cpu/staging.h"
#include "host/backend/cpu/workers.h"

namespace fuselage::cpu {

namespace {

/// Beyond this a gradient does not stay in the caches, and storing past them saves the read of its old contents.
constexpr std::int64_t kCachedBytes = 8 << 20;
constexpr std::int64_t kChunksPerTask = 4;

bool stores_past_caches(const LossBatch& b) {
  const std::int64_t bytes = b.gradient.size() * static_cast<std::int64_t>(size_of(b.gradient.dtype));
  return b.gradient && b.gradient.data != b.prediction.data && bytes > kCachedBytes;
}

/// Whether the fast path of pointwise.h applies.
bool is_plain(const LossBatch& b) {
  return !b.weight && !b.mask && b.prediction.packed() && b.target.packed() && b.target.dtype == b.prediction.dtype &&
         (!b.gradient || b.gradient.packed()) && (!b.values || b.values.packed()) &&
         !(b.reduction == Reduction::none && b.upstream && b.upstream.size() > 1);
}

float shared_upstream(const LossBatch& b) {
  const bool shared = b.upstream && (b.reduction != Reduction::none || b.upstream.size() == 1);
  return shared ? *static_cast<const float*>(b.upstream.data) : 1.0f;
}

/// Adds the counts of a block; of the first bad outputs the least is kept, in whatever order the blocks were run.
void add(const Counts& block, Counts& sum) {
  sum.count += block.count;
  sum.bad += block.bad;
  sum.nonfinite += block.nonfinite;
  sum.correct += block.correct;
  sum.top_k += block.top_k;
  if (block.first_bad >= 0 && (sum.first_bad < 0 || block.first_bad < sum.first_bad)) sum.first_bad = block.first_bad;
}

/// The canonical sum of the first n parts; long sequences leave their chunk sums in the chunks' first elements.
double sum_of(std::vector<double>& parts, std::int64_t n, int threads) {
  double* const x = parts.data();
  if (n <= kChunk) return add_sequence(n, [x](std::int64_t i) { return x[i]; });
  parallel_blocks(threads, chunks_of(n), kChunksPerTask, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t c = first; c < last; ++c)
      x[c * kChunk] = add_chunk(chunk_length(n, c), [part = x + c * kChunk](int i) { return part[i]; });
  });
  return add_sequence(chunks_of(n), [x](std::int64_t c) { return x[c * kChunk]; });
}

}  // namespace

LossReport LossRunner::run(const AnyLoss& any, const LossBatch& batch) {
  if (batch.prediction.size() == 0) return {};
  counts_.assign(static_cast<std::size_t>(threads_), {});
  LossReport report = std::visit(
      [&](const auto& loss) {
        if constexpr (loss::Pointwise<std::remove_cvref_t<decltype(loss)>>)
          return run_pointwise(&loss, target_.pointwise[any.index()], batch);
        else
          return run_softmax(loss, batch);
      },
      any);
  finish_report(report, batch.reduction, batch.prediction.rows, batch.bad_labels);
  return report;
}

LossReport LossRunner::run_pointwise(const void* loss, const PointwiseFn (&by_type)[kTypes], const LossBatch& b) {
  const std::int64_t n = b.prediction.size(), chunks = chunks_of(n);
  const auto size = static_cast<std::size_t>(chunks);
  value_.resize(std::max(value_.size(), size));
  abs_error_.resize(std::max(abs_error_.size(), size));
  squared_error_.resize(std::max(squared_error_.size(), size));
  const bool weighed = needs_weight_sum(b, false);
  const double weight_sum = weighed ? pointwise_weight_sum(b) : static_cast<double>(n);
  const PointwisePass pass{&b,
                           is_plain(b),
                           stores_past_caches(b),
                           gradient_scale(b.reduction, weight_sum, b.prediction.rows, b.scale, shared_upstream(b)),
                           value_.data(),
                           abs_error_.data(),
                           squared_error_.data()};
  const PointwiseFn run = by_type[static_cast<int>(b.prediction.dtype)];
  parallel_blocks(threads_, chunks, kChunksPerTask, [&](std::int64_t first, std::int64_t last, int worker) {
    Counts counts;
    run(loss, pass, first, last, counts);
    add(counts, counts_[static_cast<std::size_t>(worker)]);
  });
  if (pass.streaming) std::atomic_thread_fence(std::memory_order_seq_cst);

  const Counts all = total();
  LossReport report;
  report.value_sum = sum_of(value_, chunks, threads_);
  report.count = all.count;
  report.weight_sum = weighed ? weight_sum : static_cast<double>(all.count);
  report.bad_labels = all.bad;
  if (all.first_bad >= 0) {
    report.first_bad_row = all.first_bad / b.prediction.cols;
    report.first_bad_label = __builtin_nan("");
  }
  report.nonfinite = b.gradient ? all.nonfinite : 0;
  report.correct = all.correct;
  if (b.metrics.errors) {
    report.abs_error_sum = sum_of(abs_error_, chunks, threads_);
    report.squared_error_sum = sum_of(squared_error_, chunks, threads_);
  }
  return report;
}

LossReport LossRunner::run_softmax(const loss::SoftmaxCrossEntropy& loss, const LossBatch& b) {
  const std::int64_t rows = b.prediction.rows, cols = b.prediction.cols;
  value_.resize(std::max(value_.size(), static_cast<std::size_t>(rows)));
  const float* class_weight = static_cast<const float*>(b.class_weight.data);
  if (b.class_weight && b.class_weight.col_stride != 1) {
    class_weight_.resize(static_cast<std::size_t>(cols));
    for (std::int64_t c = 0; c < cols; ++c)
      class_weight_[static_cast<std::size_t>(c)] = *address<float>(b.class_weight, 0, c);
    class_weight = class_weight_.data();
  }
  const bool plain_rows = is_label(b.target.dtype) && !b.weight && !b.mask && !b.class_weight && !loss.ignore_index &&
                          !(b.reduction == Reduction::none && b.upstream && b.upstream.size() > 1);
  SoftmaxPass pass{&b,           loss.label_smoothing, loss.ignore_index.has_value(), loss.ignore_index.value_or(0),
                   class_weight, plain_rows,           stores_past_caches(b),         1,
                   value_.data()};
  const bool weighed = needs_weight_sum(b, pass.has_ignore_index);
  const double weight_sum = weighed ? row_weight_sum(pass) : static_cast<double>(rows);
  pass.scale = gradient_scale(b.reduction, weight_sum, rows, b.scale, shared_upstream(b));

  const SoftmaxFn run = target_.softmax[static_cast<int>(b.prediction.dtype)];
  const std::int64_t grain = std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(cols, 1)) + 15;
  rows_.resize(static_cast<std::size_t>(threads_));
  chunks_.resize(static_cast<std::size_t>(threads_));
  for (int worker = 0; worker < threads_; ++worker) scratch_of(worker, cols);  // memory is had before the threads start
  parallel_blocks(threads_, rows, cols > kShortRow ? std::max<std::int64_t>(1, 32768 / cols) : grain / 16 * 16,
                  [&](std::int64_t first, std::int64_t last, int worker) {
                    Counts counts;
                    run(pass, first, last, scratch_of(worker, cols), counts);
                    add(counts, counts_[static_cast<std::size_t>(worker)]);
                  });
  if (pass.streaming) std::atomic_thread_fence(std::memory_order_seq_cst);

  const Counts all = total();
  LossReport report;
  report.value_sum = sum_of(value_, rows, threads_);
  report.count = all.count;
  report.weight_sum = weighed ? weight_sum : static_cast<double>(all.count);
  report.bad_labels = all.bad;
  report.first_bad_row = all.first_bad;
  if (all.first_bad >= 0)
    report.first_bad_label =
        is_label(b.target.dtype) ? static_cast<double>(label_at(b.target, all.first_bad)) : __builtin_nan("");
  report.nonfinite = all.nonfinite;
  report.correct = all.correct;
  report.top_k_correct = all.top_k;
  return report;
}

double LossRunner::pointwise_weight_sum(const LossBatch& b) {
  const std::int64_t n = b.prediction.size(), cols = b.prediction.cols, chunks = chunks_of(n);
  parallel_blocks(threads_, chunks, kChunksPerTask, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t chunk = first; chunk < last; ++chunk) {
      float lane[kLanes] = {};
      std::int64_t r = chunk * kChunk / cols, c = chunk * kChunk % cols;
      for (int i = 0; i < chunk_length(n, chunk); ++i) {
        const float t = real_at(b.target, r, c);
        if (kept_at(b.mask, r, c) && t == t) lane[i % kLanes] += weight_at(b.weight, r, c);
        if (++c == cols) c = 0, ++r;
      }
      value_[static_cast<std::size_t>(chunk)] = static_cast<double>(add_lanes(lane));
    }
  });
  return sum_of(value_, chunks, threads_);
}

double LossRunner::row_weight_sum(const SoftmaxPass& pass) {
  const LossBatch& b = *pass.batch;
  const bool dense = !is_label(b.target.dtype);
  parallel_blocks(threads_, b.prediction.rows, 4096, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t r = first; r < last; ++r) {
      const RowInputs in = row_inputs(pass, r);
      bool counts = in.counts;
      for (std::int64_t c = 0; dense && counts && c < b.prediction.cols; ++c) {
        const float t = real_at(b.target, r, c);
        counts = t == t;
      }
      value_[static_cast<std::size_t>(r)] =
          counts ? static_cast<double>(in.weight) * static_cast<double>(in.label_class_weight) : 0.0;
    }
  });
  return sum_of(value_, b.prediction.rows, threads_);
}

RowScratch LossRunner::scratch_of(int worker, std::int64_t cols) {
  auto& floats = rows_[static_cast<std::size_t>(worker)];
  auto& store = chunks_[static_cast<std::size_t>(worker)];
  constexpr std::size_t kLine = 64;  // bytes that every array starts at a multiple of
  const auto length = static_cast<std::size_t>(ceil_div(cols, kLanes) * kLanes);
  const std::size_t needed = 4 * length + kLine / sizeof(float);
  if (floats.size() < needed) floats.resize(needed);
  const std::size_t chunk_bytes = static_cast<std::size_t>(chunks_of(cols)) * sizeof(SoftmaxChunkStore);
  if (store.size() < chunk_bytes) store.resize(chunk_bytes);
  const auto start = reinterpret_cast<std::uintptr_t>(floats.data());
  float* base = floats.data() + ((start + kLine - 1) / kLine * kLine - start) / sizeof(float);
  return {base, base + length, base + 2 * length, base + 3 * length,
          reinterpret_cast<SoftmaxChunkStore*>(store.data())};
}

Counts LossRunner::total() const {
  Counts sum;
  for (const Counts& c : counts_) add(c, sum);
  return sum;
}

}  // namespace fuselage::cpu
