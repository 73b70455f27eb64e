// Runs one loss pass on the CPU's threads.
#include "host/backend/cpu/loss_runner.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include "fuselage/loss_pass.h"
#include "host/backend/cpu/row_sums_pass.h"
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
  const bool in_place = b.gradient.data == b.prediction.data || (b.second && b.second_gradient.data == b.second.data);
  return b.gradient && !in_place && bytes > kCachedBytes;
}

/// What the sums of the targets' spread are about.
float target_shift(const LossBatch& b) {
  const float first = real_at(b.target, 0, 0);
  return std::isfinite(first) ? first : 0.0f;
}

/// Whether nothing but its own formula tells one output from another.
bool is_plain(const LossBatch& b) {
  return !b.weight && !b.mask && !(b.reduction == Reduction::none && b.upstream && b.upstream.size() > 1);
}

/// What is wrong with row r: its sequence's length, or its label.
double bad_label(const LossBatch& b, std::int64_t r) {
  if (step_at(b, r).bad) return static_cast<double>(label_at(b.lengths, r / (b.prediction.rows / b.lengths.rows)));
  return is_label(b.target.dtype) ? static_cast<double>(label_at(b.target, r)) : __builtin_nan("");
}

float shared_upstream(const LossBatch& b) {
  const bool shared = b.upstream && (b.reduction != Reduction::none || b.upstream.size() == 1);
  return shared ? *static_cast<const float*>(b.upstream.data) : 1.0f;
}

/// Adds the counts of a block; of the first bad outputs the least is kept, in whatever order the blocks were run.
void add(const Counts& block, Counts& sum) {
  for (const auto counted : {&Counts::count, &Counts::bad, &Counts::nonfinite, &Counts::correct, &Counts::positives,
                             &Counts::chosen, &Counts::hits, &Counts::top_k, &Counts::bad_weights})
    sum.*counted += block.*counted;
  const auto keep_least = [](std::int64_t mine, std::int64_t& least) {
    if (mine >= 0 && (least < 0 || mine < least)) least = mine;
  };
  keep_least(block.first_bad, sum.first_bad);
  keep_least(block.first_bad_weight, sum.first_bad_weight);
}

/// What a row weighs.
struct RowWeight {
  float own, of_class;
  bool counts, bad;
  double product() const { return static_cast<double>(own) * static_cast<double>(of_class); }
};

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
  return std::visit(
      [&](const auto& loss) {
        if constexpr (loss::Elementwise<std::remove_cvref_t<decltype(loss)>>)
          return run_pointwise(&loss, target_.tiles[any.index()], traits_of(any), batch);
        else if constexpr (loss::RowSums<std::remove_cvref_t<decltype(loss)>>)
          return run_rows(loss, target_.row[any.index()], batch);
        else
          return run_softmax(loss, batch);
      },
      any);
}

LossReport LossRunner::run(const void* loss, const TileFns& tiles, const LossTraits& traits, const LossBatch& batch) {
  if (batch.prediction.size() == 0) return {};
  return run_pointwise(loss, tiles, traits, batch);
}

Counts LossRunner::run_chunks(PointwiseFn fn, const PointwisePass& pass) {
  counts_.assign(static_cast<std::size_t>(threads_), {});
  parallel_blocks(threads_, chunks_of(pass.batch->prediction.size()), kChunksPerTask,
                  [&](std::int64_t first, std::int64_t last, int worker) {
                    Counts counts;
                    fn(pass, first, last, counts);
                    add(counts, counts_[static_cast<std::size_t>(worker)]);
                  });
  if (pass.streaming) std::atomic_thread_fence(std::memory_order_seq_cst);
  return total();
}

LossReport LossRunner::run_pointwise(const void* loss, const TileFns& tiles, const LossTraits& traits,
                                     const LossBatch& b) {
  const std::int64_t n = b.prediction.size(), rows = b.prediction.rows, chunks = chunks_of(n);
  const auto sums = [&](bool measured, std::vector<double>& parts) {
    if (measured) parts.resize(std::max(parts.size(), static_cast<std::size_t>(chunks)));
    return parts.data();
  };
  const MetricRequest& metrics = b.metrics;
  const float shift = metrics.targets ? target_shift(b) : 0.0f;
  PointwisePass pass{&b,
                     tiles,
                     loss,
                     traits.target_domain,
                     is_plain(b),
                     stores_past_caches(b),
                     1,
                     shift,
                     sums(true, value_),
                     sums(metrics.errors, abs_error_),
                     sums(metrics.errors, squared_error_),
                     sums(metrics.targets, spread_),
                     sums(metrics.targets, spread_squared_)};
  const auto sum = [&](std::vector<double>& parts) { return sum_of(parts, chunks, threads_); };
  const bool weighed = needs_weight_sum(b, false);
  double weight_sum = static_cast<double>(n);
  Counts weights;
  if (weighed) {
    weights = run_chunks(target_.weights, pass);
    weight_sum = sum(value_);
  }
  const double divisor = divisor_of(b.reduction, b.divisor, weight_sum, rows, n);
  pass.scale = gradient_scale(divisor, b.scale, shared_upstream(b));
  if (traits.root && b.gradient) {
    LossBatch values_alone = b;
    values_alone.gradient = values_alone.values = {};
    values_alone.metrics = {};
    PointwisePass first = pass;
    first.batch = &values_alone;
    const Counts counted = run_chunks(target_.pointwise, first);
    // The divisor of the report: without a weight pass, outputs that are bad do not count in it.
    const double count = weighed ? weight_sum : static_cast<double>(counted.count);
    const double under = divisor_of(b.reduction, b.divisor, count, rows, n);
    pass.scale = root_scale(pass.scale, under > 0 ? sum(value_) / under : 0.0);
  }
  const Counts all = run_chunks(target_.pointwise, pass);

  LossReport report;
  report.value_sum = sum(value_);
  report.count = all.count;
  report.weight_sum = weighed ? weight_sum : static_cast<double>(all.count);
  report.bad_labels = all.bad;
  if (all.first_bad >= 0) {
    report.first_bad_row = all.first_bad / b.prediction.cols;
    report.first_bad_label = real_at(b.target, report.first_bad_row, all.first_bad % b.prediction.cols);
  }
  report.bad_weights = weights.bad_weights;
  if (weights.first_bad_weight >= 0) {
    report.first_bad_weight_row = weights.first_bad_weight / b.prediction.cols;
    report.first_bad_weight =
        weight_at(b.weight, report.first_bad_weight_row, weights.first_bad_weight % b.prediction.cols);
  }
  report.nonfinite = b.gradient || b.second_gradient ? all.nonfinite : 0;
  if (traits.binary() && (metrics.accuracy || metrics.decisions || metrics.errors))
    set_decisions(report, all.positives, all.chosen, all.hits);
  if (metrics.errors) {
    report.abs_error_sum = sum(abs_error_);
    report.squared_error_sum = sum(squared_error_);
  }
  if (metrics.targets) {
    report.target_shift = shift;
    report.target_sum = sum(spread_);
    report.target_squared_sum = sum(spread_squared_);
  }
  finish_report(report, b.reduction, divisor_of(b.reduction, b.divisor, report.weight_sum, rows, n), b.bad_labels,
                traits.root);
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
  const bool plain_rows = is_label(b.target.dtype) && !b.weight && !b.mask && !b.lengths && !b.class_weight &&
                          !loss.ignore_index &&
                          !(b.reduction == Reduction::none && b.upstream && b.upstream.size() > 1);
  const SoftmaxShape shape(loss.temperature, loss.softcap);
  const bool coefficients = !is_label(b.target.dtype) || loss.label_smoothing > 0;
  SoftmaxPass pass{&b,
                   loss.label_smoothing,
                   static_cast<float>(loss.z_loss),
                   shape,
                   softmax_form(coefficients, loss.z_loss, shape),
                   loss.ignore_index.has_value(),
                   loss.ignore_index.value_or(0),
                   class_weight,
                   plain_rows,
                   b.metrics.ranks(),
                   stores_past_caches(b),
                   1,
                   value_.data()};
  const bool weighed = needs_weight_sum(b, pass.has_ignore_index);
  LossReport report;
  const bool dense = !is_label(b.target.dtype);
  const auto weight_of = [&](std::int64_t r) {
    const RowInputs in = row_inputs(pass, r);
    const bool counts = in.counts && !(dense && has_nan(b.target, r));
    return RowWeight{in.weight, in.label_class_weight, counts, in.bad_weight};
  };
  const double weight_sum =
      weighed ? weigh_rows(b, coefficients ? class_weight : nullptr, report, weight_of) : static_cast<double>(rows);
  pass.scale = gradient_scale(divisor_of(b.reduction, b.divisor, weight_sum, rows, rows), shape.scale_of(b.scale),
                              shared_upstream(b));

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
  report.value_sum = sum_of(value_, rows, threads_);
  report.count = all.count;
  report.weight_sum = weighed ? weight_sum : static_cast<double>(all.count);
  report.bad_labels = all.bad;
  report.first_bad_row = all.first_bad;
  if (all.first_bad >= 0) report.first_bad_label = bad_label(b, all.first_bad);
  report.nonfinite = all.nonfinite;
  report.correct = all.correct;
  report.top_k_correct = all.top_k;
  finish_report(report, b.reduction, divisor_of(b.reduction, b.divisor, report.weight_sum, rows, rows), b.bad_labels,
                false);
  return report;
}

template <class L>
LossReport LossRunner::run_rows(const L& loss, RowSumsFn run, const LossBatch& b) {
  constexpr RowShape shape = L::row;
  RowSumsPass pass{};
  pass.batch = &b;
  pass.loss = &loss;
  pass.run = run;
  pass.target = shape.target;
  pass.domain = target_domain<L>();
  pass.inputs = shape.row_second ? 1 : loss::inputs_of<L>().count();
  pass.row_second = shape.row_second;
  pass.has_ignore_index = has_ignore_index(loss);
  pass.spreads_labels = spreads_labels(loss);
  if constexpr (requires { loss.ignore_index; }) pass.ignore_index = loss.ignore_index.value_or(0);
  return run_row_pass(pass);
}

LossReport LossRunner::run_row_pass(RowSumsPass& pass) {
  const LossBatch& b = *pass.batch;
  const std::int64_t rows = b.prediction.rows, cols = b.prediction.cols;
  LossReport report;
  value_.resize(std::max(value_.size(), static_cast<std::size_t>(rows)));
  pass.value = value_.data();
  if (b.class_weight) {
    class_weight_.assign(static_cast<std::size_t>(ceil_div(cols, kLanes) * kLanes), 0.0f);
    for (std::int64_t c = 0; c < cols; ++c)
      class_weight_[static_cast<std::size_t>(c)] = *address<float>(b.class_weight, 0, c);
    pass.class_weight = class_weight_.data();
  }
  const bool weighed = needs_weight_sum(b, pass.has_ignore_index);
  const auto weight_of = [&](std::int64_t r) {
    const RowState row = row_state(pass, r);
    return RowWeight{row.weight, static_cast<float>(row.facts.label_weight), row.counts, row.bad_weight};
  };
  const float* const all_classes = is_label(b.target.dtype) && !pass.spreads_labels ? nullptr : pass.class_weight;
  const double weight_sum = weighed ? weigh_rows(b, all_classes, report, weight_of) : static_cast<double>(rows);
  pass.scale = gradient_scale(divisor_of(b.reduction, b.divisor, weight_sum, rows, rows), b.scale, shared_upstream(b));

  rows_.resize(static_cast<std::size_t>(threads_));
  for (int worker = 0; worker < threads_; ++worker) {  // memory is had before the threads start
    const RowSumsScratch scratch = row_pass_scratch(worker, cols);
    std::fill_n(scratch.t, cols, 0.0f);
    std::fill_n(scratch.most, ceil_div(cols, kLanes) * kLanes, 0.0f);
  }
  parallel_blocks(threads_, rows, std::max<std::int64_t>(1, 32768 / cols),
                  [&](std::int64_t first, std::int64_t last, int worker) {
                    Counts counts;
                    target_.rows(pass, first, last, row_pass_scratch(worker, cols), counts);
                    add(counts, counts_[static_cast<std::size_t>(worker)]);
                  });

  const Counts all = total();
  report.value_sum = sum_of(value_, rows, threads_);
  report.count = all.count;
  report.weight_sum = weighed ? weight_sum : static_cast<double>(all.count);
  report.bad_labels = all.bad;
  report.first_bad_row = all.first_bad;
  if (all.first_bad >= 0) report.first_bad_label = row_state(pass, all.first_bad).bad;
  report.nonfinite = all.nonfinite;
  report.correct = all.correct;
  report.top_k_correct = all.top_k;
  finish_report(report, b.reduction, divisor_of(b.reduction, b.divisor, report.weight_sum, rows, rows), b.bad_labels,
                false);
  return report;
}

/// The sum of the rows' weights, `row(r)` saying what row r weighs. Where every row takes the weights of all classes,
/// these are `class_weight`, and bad ones among them count once, as row 0.
template <class Row>
double LossRunner::weigh_rows(const LossBatch& b, const float* class_weight, LossReport& report, const Row& row) {
  counts_.assign(static_cast<std::size_t>(threads_), {});
  parallel_blocks(threads_, b.prediction.rows, 4096, [&](std::int64_t first, std::int64_t last, int worker) {
    Counts counts;
    for (std::int64_t r = first; r < last; ++r) {
      const RowWeight weight = row(r);
      value_[static_cast<std::size_t>(r)] = weight.counts ? divisor_weight(b.reduction, weight.product()) : 0.0;
      if (weight.bad && counts.bad_weights++ == 0) counts.first_bad_weight = r;
    }
    add(counts, counts_[static_cast<std::size_t>(worker)]);
  });
  const Counts all = total();
  counts_.assign(static_cast<std::size_t>(threads_), {});
  report.bad_weights = all.bad_weights;
  report.first_bad_weight_row = all.first_bad_weight;
  const float* const end = class_weight ? class_weight + b.prediction.cols : nullptr;
  const float* const bad_class = std::find_if_not(class_weight, end, is_weight<float>);
  if (bad_class != end) {
    ++report.bad_weights;
    report.first_bad_weight_row = 0;
    report.first_bad_weight = *bad_class;
  }
  if (report.first_bad_weight_row >= 0)
    if (const RowWeight first = row(report.first_bad_weight_row); first.bad)
      report.first_bad_weight = is_weight(first.own) ? first.of_class : first.own;
  return sum_of(value_, b.prediction.rows, threads_);
}

RowSumsScratch LossRunner::row_pass_scratch(int worker, std::int64_t cols) {
  auto& floats = rows_[static_cast<std::size_t>(worker)];
  constexpr std::size_t kArrays = 2 * kRowInputs + 2, kLine = 64 / sizeof(float);
  const auto length = static_cast<std::size_t>(ceil_div(cols, kLanes) * kLanes);
  if (floats.size() < kArrays * length + kLine) floats.resize(kArrays * length + kLine);
  const auto start = reinterpret_cast<std::uintptr_t>(floats.data()) / sizeof(float);
  float* next = floats.data() + (kLine - start % kLine) % kLine;
  RowSumsScratch scratch{};
  for (int i = 0; i < kRowInputs; ++i) {
    scratch.x[i] = next, next += length;
    scratch.g[i] = next, next += length;
  }
  scratch.t = next, next += length;
  scratch.most = next;
  return scratch;
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
