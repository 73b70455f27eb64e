// Passes over groups of rows on the CPU's threads.
#include "host/backend/cpu/groups.h"

#include <algorithm>
#include <mutex>

#include "host/backend/cpu/staging.h"
#include "host/backend/cpu/workers.h"

namespace fuselage::cpu {

namespace {

constexpr std::int64_t kRows = 4096;  ///< of a task

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Calls f with the first and the last row of blocks, one for each thread at a time.
template <class Body>
void over_rows(int threads, std::int64_t rows, std::int64_t cols, const Body& body) {
  parallel_blocks(threads, rows, std::max<std::int64_t>(1, kRows / std::max<std::int64_t>(1, cols)), body);
}

GroupRowInput input_of(const GroupBatch& b, std::int64_t r) {
  GroupRowInput in;
  in.kept = kept_at(b.mask, r, 0);
  in.group = label_at(b.group, r);
  in.weight = weight_at(b.weight, r, 0);
  if (!b.target) return in;
  in.has_label = is_label(b.target.dtype);
  in.has_real = !in.has_label;
  in.has_label ? void(in.label = label_at(b.target, r)) : void(in.real = real_at(b.target, r, 0));
  return in;
}

SoftmaxScore softmax_score(const ConstView& y, std::int64_t r, std::int64_t positive) {
  float max = -__builtin_inff();
  for (std::int64_t c = 0; c < y.cols; ++c) max = greater_of(real_at(y, r, c), max);
  const auto term = [&](std::int64_t c) { return c == positive ? 0.0 : softmax_weight(real_at(y, r, c), max); };
  double rest = 0;
  if (y.cols <= kShortRow) {
    for (std::int64_t c = 0; c < y.cols; ++c) rest = rest + term(c);
  } else {
    for (std::int64_t chunk = 0; chunk < chunks_of(y.cols); ++chunk)
      rest = rest + add_chunk(chunk_length(y.cols, chunk), [&](int i) { return term(chunk * kChunk + i); });
  }
  return {max, rest + softmax_weight(real_at(y, r, positive), max)};
}

/// What a pass counts.
struct Found {
  std::int64_t count = 0, bad = 0, first_bad = -1, bad_weights = 0, first_bad_weight = -1;
  double first_bad_label = 0;

  void add(const GroupRow& row, std::int64_t r) {
    count += row.cell >= 0;
    if (row.bad && bad++ == 0) first_bad = r, first_bad_label = row.bad_label;
    if (row.bad_weight && bad_weights++ == 0) first_bad_weight = r;
  }
  void add(const Found& other) {
    count += other.count;
    bad += other.bad;
    bad_weights += other.bad_weights;
    if (other.first_bad >= 0 && (first_bad < 0 || other.first_bad < first_bad))
      first_bad = other.first_bad, first_bad_label = other.first_bad_label;
    if (other.first_bad_weight >= 0 && (first_bad_weight < 0 || other.first_bad_weight < first_bad_weight))
      first_bad_weight = other.first_bad_weight;
  }
};

/// One thread as a team for close_penalty.
struct Alone {
  template <class F>
  void for_each(std::int64_t n, F&& f) const {
    for (std::int64_t i = 0; i < n; ++i) f(i);
  }
  template <class F>
  double sum(std::int64_t n, F&& f) const {
    return add_chunk(static_cast<int>(n), [&](int i) { return f(i); });
  }
  template <class Counts, class F>
  std::int64_t first_greatest(std::int64_t n, Counts&& counts, F&& f) const {
    std::int64_t best = -1;
    for (std::int64_t i = 0; i < n; ++i)
      if (counts(i) && f(i) == f(i) && (best < 0 || f(i) > f(best))) best = i;
    return best;
  }
};

}  // namespace

template <class Also>
LossReport GroupRunner::take_rows(const PenaltyRule& rule, const GroupBatch& b, int kinds, const Also& also) {
  const ConstView& y = b.prediction;
  const std::int64_t rows = y.rows;
  const bool softmax = rule.score == penalty::Score::softmax;
  const GroupLimits limits = limits_of(rule, b);
  cell_.resize(std::max(cell_.size(), index(rows)));
  terms_.resize(std::max(terms_.size(), index(kinds * rows)));
  if (softmax) total_.resize(std::max(total_.size(), index(rows))), max_.resize(std::max(max_.size(), index(rows)));
  Found found;
  std::mutex guard;
  over_rows(threads_, rows, y.cols, [&](std::int64_t first, std::int64_t last, int) {
    Found own;
    for (std::int64_t r = first; r < last; ++r) {
      const GroupRow row = group_row(rule, limits, input_of(b, r));
      own.add(row, r);
      cell_[index(r)] = static_cast<std::int32_t>(row.cell);
      if (row.cell < 0) continue;
      const double weight = row.weight;
      double score = 0;
      if (softmax) {
        const SoftmaxScore sum = softmax_score(y, r, rule.positive);
        max_[index(r)] = sum.max, total_[index(r)] = sum.total;
        score = softmax_weight(real_at(y, r, rule.positive), sum.max) / sum.total;
      } else {
        score = row_score(rule, real_at(y, r, 0), rule.residual ? real_at(b.target, r, 0) : 0.0f).value;
      }
      terms_[index(r)] = weight;
      terms_[index(rows + r)] = rule.of_values ? score : weight * score;
      also(r, row, score);
    }
    const std::lock_guard lock(guard);
    found.add(own);
  });
  add_cells(rows, b.groups * rule.labels, kinds);

  LossReport report;
  report.count = found.count;
  report.bad_labels = found.bad;
  report.first_bad_row = found.first_bad;
  report.first_bad_label = found.first_bad_label;
  report.bad_weights = found.bad_weights;
  report.first_bad_weight_row = found.first_bad_weight;
  if (found.bad_weights > 0)
    report.first_bad_weight = canonical_nan(static_cast<double>(weight_at(b.weight, found.first_bad_weight, 0)));
  report.rejected = found.bad_weights > 0 || (found.bad > 0 && b.bad_labels == BadLabels::error);
  return report;
}

LossReport GroupRunner::run(const AnyPenalty& any, const GroupBatch& b) {
  const StandardFloats floats;
  const PenaltyRule rule = rule_of(any);
  const std::int64_t cells = b.groups * rule.labels;
  LossReport report = take_rows(rule, b, 2, [](std::int64_t, const GroupRow&, double) {});
  const float upstream = b.upstream ? *static_cast<const float*>(b.upstream.data) : 1.0f;
  coefficient_.resize(std::max(coefficient_.size(), index(cells)));
  const PenaltyValue value = close_penalty(Alone{}, rule, b.groups, CellSums{sums_.data(), sums_.data() + cells},
                                           coefficient_.data(), b.q, !report.rejected && !(b.gate && b.gate->rejected),
                                           static_cast<double>(b.scale) * static_cast<double>(upstream));
  value.put(report, b.q);
  if (b.gradient) report.nonfinite = add_gradient(rule, b);
  report.rejected = report.rejected || report.nonfinite > 0;
  return report;
}

LossReport GroupRunner::measure(const GroupMeasure& measure, const GroupBatch& b, GroupSums* sums) {
  const StandardFloats floats;
  const std::int64_t rows = b.prediction.rows;
  const bool real = b.target && !is_label(b.target.dtype);
  LossReport report =
      take_rows(rule_of(measure), b, kGroupSums, [&](std::int64_t r, const GroupRow& row, double score) {
        double own[kGroupSums];
        measure_row(row, score, measure.threshold, real ? real_at(b.target, r, 0) : 0.0f,
                    measure.values ? real_at(measure.values, r, 0) : 0.0f, own);
        for (int k = 2; k < kGroupSums; ++k) terms_[index(k * rows + r)] = own[k];
      });
  for (std::int64_t g = 0; g < b.groups; ++g)
    sums[g] = sums_of_group([&](int k) { return sums_[index(k * b.groups + g)]; });
  report.weight_sum = add_chunk(static_cast<int>(b.groups), [&](int g) { return sums[g].weight; });
  return report;
}

std::int64_t GroupRunner::add_gradient(const PenaltyRule& rule, const GroupBatch& b) {
  const ConstView& y = b.prediction;
  const bool softmax = rule.score == penalty::Score::softmax;
  std::int64_t all = 0;
  std::mutex guard;
  over_rows(threads_, y.rows, y.cols, [&](std::int64_t first, std::int64_t last, int) {
    std::int64_t nonfinite = 0;
    dispatch(y.dtype, [&]<class T>() {
      const auto put = [&](std::int64_t r, std::int64_t c, double derivative) {
        T* const to = address<T>(b.gradient, r, c);
        const float next = next_gradient(b.accumulate, b.accumulate ? *to : T{}, derivative);
        nonfinite += !(abs(next) < finite_limit<T>());
        *to = from_float<T>(next);
      };
      for (std::int64_t r = first; r < last; ++r) {
        const std::int32_t cell = cell_[index(r)];
        if (cell < 0) {
          for (std::int64_t c = 0; c < y.cols && !b.accumulate; ++c) put(r, c, 0);
          continue;
        }
        const double of_cell = coefficient_[index(cell)];
        const double of_row = rule.of_values ? of_cell : of_cell * terms_[index(r)];
        if (softmax) {
          const SoftmaxScore score{max_[index(r)], total_[index(r)]};
          const float x = real_at(y, r, rule.positive);
          for (std::int64_t c = 0; c < y.cols; ++c)
            put(r, c, of_row * softmax_slope(real_at(y, r, c), score, x, c == rule.positive));
        } else {
          put(r, 0, of_row * row_score(rule, real_at(y, r, 0), 0).grad);
        }
      }
    });
    const std::lock_guard lock(guard);
    all += nonfinite;
  });
  return all;
}

void GroupRunner::add_cells(std::int64_t rows, std::int64_t cells, int kinds) {
  const std::int64_t chunks = chunks_of(rows);
  sums_.assign(index(kinds * cells), 0);
  part_.resize(std::max(part_.size(), index(kinds * cells * chunks)));
  sorted_.resize(index(threads_));
  parallel_blocks(threads_, chunks, 1, [&](std::int64_t first, std::int64_t last, int worker) {
    for (std::int64_t c = first; c < last; ++c) add_chunk_of_cells(c, rows, cells, kinds, worker);
  });
  parallel_blocks(threads_, kinds * cells, 256, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i)
      sums_[index(i)] = add_sequence(chunks, [&](std::int64_t c) { return part_[index(i * chunks + c)]; });
  });
}

void GroupRunner::add_chunk_of_cells(std::int64_t chunk, std::int64_t rows, std::int64_t cells, int kinds, int worker) {
  const std::int64_t chunks = chunks_of(rows), begin = chunk * kChunk;
  const int length = chunk_length(rows, chunk);
  // Rows by cells: ends[cell] is the end of the cell's rows in `order` once they are placed.
  auto& memory = sorted_[index(worker)];
  memory.assign(index(cells + 1 + kChunk), 0);
  std::int32_t *const ends = memory.data() + 1, *const order = memory.data() + cells + 1;
  for (int i = 0; i < length; ++i)
    if (cell_[index(begin + i)] >= 0) ++ends[cell_[index(begin + i)]];
  std::int32_t before = 0;
  for (std::int64_t cell = 0; cell < cells; ++cell) {
    const std::int32_t count = ends[cell];
    ends[cell] = before;
    before += count;
  }
  for (int i = 0; i < length; ++i)
    if (cell_[index(begin + i)] >= 0) order[ends[cell_[index(begin + i)]]++] = i;
  for (std::int64_t cell = 0; cell < cells; ++cell) {
    const std::int32_t first = cell > 0 ? ends[cell - 1] : 0, last = ends[cell];
    for (int k = 0; k < kinds; ++k) {
      double& part = part_[index((k * cells + cell) * chunks + chunk)];
      part = 0;
      if (first == last) continue;
      double lane[kLanes] = {};
      for (std::int32_t at = first; at < last; ++at)
        lane[order[at] % kLanes] += terms_[index(k * rows + begin + order[at])];
      part = add_lanes(lane);
    }
  }
}

}  // namespace fuselage::cpu
