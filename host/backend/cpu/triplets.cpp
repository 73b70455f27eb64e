// Triplets of a batch on the CPU's threads.
#include "host/backend/cpu/triplets.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <new>
#include <stdexcept>

#include "fuselage/loss_pass.h"
#include "host/backend/cpu/staging.h"
#include "host/backend/cpu/workers.h"

namespace fuselage::cpu {

namespace {

constexpr int kPanel = 8;     ///< rows side by side in memory
constexpr int kBeside = 4;    ///< rows that meet a panel at a time
constexpr int kColumns = 64;  ///< of the gradient, at a time

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Squared distances of kBeside rows to those of a panel.
struct Tile {
  double sum[kBeside][kPanel] = {};

  Tile(const float* const (&row)[kBeside], const float* panel, std::int64_t cols) {
    for (std::int64_t first = 0; first < cols; first += triplets::kRun) {
      const std::int64_t last = std::min<std::int64_t>(cols, first + triplets::kRun);
      float run[kBeside][kPanel] = {};
      for (std::int64_t c = first; c < last; ++c)
        for (int i = 0; i < kBeside; ++i)
          for (int j = 0; j < kPanel; ++j) {
            const float d = row[i][c] - panel[c * kPanel + j];
            run[i][j] = run[i][j] + d * d;
          }
      for (int i = 0; i < kBeside; ++i)
        for (int j = 0; j < kPanel; ++j) sum[i][j] = sum[i][j] + static_cast<double>(run[i][j]);
    }
  }
};

}  // namespace

bool TripletRunner::stranger(std::int64_t a, std::int64_t b) const {
  const std::int32_t other = class_[index(b)].first;
  return other >= 0 && other != class_[index(a)].first;
}

void TripletRunner::make_room(bool with_weights) {
  const std::int64_t pairs = rows_ * rows_;
  try {
    pairs_.resize(index(with_weights ? 2 * pairs : pairs));
    packed_.resize(index(rows_ * cols_));
    panels_.resize(index(ceil_div(rows_, kPanel) * kPanel * cols_));
    class_.resize(index(rows_));
    member_.reserve(index(rows_));
    found_.resize(index(rows_));
  } catch (const std::exception&) {  // bad_alloc or length_error
    throw Error(Errc::out_of_memory,
                fmt::format("batch_triplet: cannot allocate {} bytes of host memory for the {} pairs of {} rows",
                            pairs * static_cast<std::int64_t>(sizeof(float)) * (with_weights ? 2 : 1), pairs, rows_));
  }
  distance_ = pairs_.data();
  weight_ = with_weights ? distance_ + pairs : nullptr;
}

void TripletRunner::pack(const TripletBatch& batch) {
  const std::int64_t panels = ceil_div(rows_, kPanel);
  std::fill(panels_.begin(), panels_.end(), 0.0f);
  parallel_blocks(threads_, panels, 4, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t r = first * kPanel; r < std::min(rows_, last * kPanel); ++r)
      for (std::int64_t c = 0; c < cols_; ++c) {
        const float x = real_at(batch.x, r, c);
        packed_[index(r * cols_ + c)] = x;
        panels_[index((r / kPanel * cols_ + c) * kPanel + r % kPanel)] = x;
      }
  });
}

void TripletRunner::classify(const TripletBatch& batch) {
  const auto label = [&](std::int64_t r) { return label_at(batch.label, r); };
  member_.clear();
  for (std::int64_t r = 0; r < rows_; ++r)
    if (kept_at(batch.mask, r, 0)) member_.push_back(static_cast<std::int32_t>(r));
  std::stable_sort(member_.begin(), member_.end(), [&](auto a, auto b) { return label(a) < label(b); });
  class_.assign(index(rows_), {-1, -1});
  const auto count = static_cast<std::int32_t>(member_.size());
  for (std::int32_t first = 0, last = 0; first < count; first = last) {
    while (last < count && label(member_[index(last)]) == label(member_[index(first)])) ++last;
    for (std::int32_t k = first; k < last; ++k) class_[index(member_[index(k)])] = {first, last};
  }
}

void TripletRunner::measure(const BatchTriplet& spec) {
  const std::int64_t panels = ceil_div(rows_, kPanel);
  parallel_blocks(threads_, panels, 1, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t p = first; p < last; ++p) {
      const std::int64_t end = std::min(rows_, (p + 1) * kPanel);
      for (std::int64_t begin = 0; begin < end; begin += kBeside) {
        const float* row[kBeside];
        for (int i = 0; i < kBeside; ++i) row[i] = packed_.data() + std::min(begin + i, rows_ - 1) * cols_;
        const Tile tile(row, panels_.data() + p * kPanel * cols_, cols_);
        for (std::int64_t a = begin; a < std::min(end, begin + kBeside); ++a)
          for (std::int64_t b = std::max(a, p * kPanel); b < end; ++b) {
            const float d = triplets::distance(spec, tile.sum[a - begin][b - p * kPanel]);
            distance_[a * rows_ + b] = distance_[b * rows_ + a] = d;
          }
      }
    }
  });
}

TripletRunner::Found TripletRunner::mine_hard(const BatchTriplet& spec, std::int64_t anchor) {
  const float* const d = distance_ + anchor * rows_;
  const Class own = class_[index(anchor)];
  unsigned long long far = 0, near = 0;
  for (std::int32_t k = own.first; k < own.last; ++k) {
    const std::int64_t j = member_[index(k)];
    if (j != anchor) far = std::max(far, triplets::far_key(d[j], j));
  }
  for (std::int64_t j = 0; j < rows_; ++j)
    if (stranger(anchor, j)) near = std::max(near, triplets::near_key(d[j], j));
  if (own.first < 0 || far == 0 || near == 0) return {};
  const std::int64_t p = triplets::row_of_key(far), n = triplets::row_of_key(near);
  const double excess = triplets::excess(static_cast<double>(d[p]) + spec.margin, d[n]);
  if (!triplets::active(excess)) return {0, {1, 0}};
  if (weight_) weight_[anchor * rows_ + p] = 1, weight_[anchor * rows_ + n] = -1;
  return {excess, {1, 1}};
}

TripletRunner::Found TripletRunner::mine_all(const BatchTriplet& spec, std::int64_t anchor) {
  const Class own = class_[index(anchor)];
  if (own.first < 0) return {};
  const float* const d = distance_ + anchor * rows_;
  float* const w = weight_ ? weight_ + anchor * rows_ : nullptr;
  double lane[kLanes] = {};
  Found found;
  for (std::int32_t first = own.first; first < own.last; first += kLanes) {
    double base[kLanes];
    std::int32_t row[kLanes], counts[kLanes] = {};
    int count = 0;
    for (std::int32_t k = first; k < std::min(own.last, first + kLanes); ++k) {
      const std::int32_t j = member_[index(k)];
      if (j == anchor) continue;
      base[count] = static_cast<double>(d[j]) + spec.margin;
      row[count++] = j;
    }
    for (std::int64_t j = 0; j < rows_; ++j) {
      if (!stranger(anchor, j)) continue;
      double sum = lane[j % kLanes];
      std::int32_t active = 0;
      for (int k = 0; k < count; ++k) {
        const double excess = triplets::excess(base[k], d[j]);
        const bool is = triplets::active(excess);
        sum = sum + (is ? excess : 0.0);
        counts[k] += is;
        active += is;
      }
      lane[j % kLanes] = sum;
      if (w) w[j] = w[j] - static_cast<float>(active);
      found.tally.active += active;
    }
    for (int k = 0; k < count && w; ++k) w[row[k]] = static_cast<float>(counts[k]);
  }
  found.value = add_lanes(lane);
  found.tally.triplets =
      std::int64_t{own.last - own.first - 1} * (static_cast<std::int64_t>(member_.size()) - (own.last - own.first));
  return found;
}

std::int64_t TripletRunner::differentiate(const BatchTriplet& spec, float factor, const View& gradient) {
  std::atomic<std::int64_t> nonfinite = 0;
  const auto row = [&]<class T>(std::int64_t i, std::int64_t begin, int width, const float* slope) {
    double sum[kColumns] = {};
    const float* const own = packed_.data() + i * cols_ + begin;
    for (std::int64_t first = 0; first < rows_; first += triplets::kRun) {
      float run[kColumns] = {};
      for (std::int64_t j = first; j < std::min<std::int64_t>(rows_, first + triplets::kRun); ++j) {
        const float k = slope[j];
        if (k == 0.0f) continue;
        const float* const other = packed_.data() + j * cols_ + begin;
        for (int c = 0; c < width; ++c) run[c] = run[c] + k * (own[c] - other[c]);
      }
      for (int c = 0; c < width; ++c) sum[c] = sum[c] + static_cast<double>(run[c]);
    }
    std::int64_t found = 0;
    for (int c = 0; c < width; ++c) {
      const auto g = static_cast<float>(sum[c] * static_cast<double>(factor));
      *address<T>(gradient, i, begin + c) = from_float<T>(g);
      found += !(abs(g) < finite_limit<T>());
    }
    return found;
  };
  dispatch(gradient.dtype, [&]<class T>() {
    parallel_blocks(threads_, rows_, 4, [&](std::int64_t first, std::int64_t last, int) {
      std::vector<float> slope(index(rows_));
      std::int64_t found = 0;
      for (std::int64_t i = first; i < last; ++i) {
        for (std::int64_t j = 0; j < rows_; ++j)
          slope[index(j)] =
              triplets::slope(spec, weight_[i * rows_ + j] + weight_[j * rows_ + i], distance_[i * rows_ + j]);
        for (std::int64_t c = 0; c < cols_; c += kColumns)
          found += row.template operator()<T>(i, c, static_cast<int>(std::min<std::int64_t>(kColumns, cols_ - c)),
                                              slope.data());
      }
      nonfinite += found;
    });
  });
  return nonfinite;
}

LossReport TripletRunner::run(const BatchTriplet& spec, const TripletBatch& batch) {
  rows_ = batch.x.rows;
  cols_ = batch.x.cols;
  make_room(static_cast<bool>(batch.gradient));
  pack(batch);
  classify(batch);
  measure(spec);
  if (weight_) std::fill_n(weight_, rows_ * rows_, 0.0f);
  parallel_blocks(threads_, rows_, 1, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i)
      found_[index(i)] = spec.mining == triplets::Mining::hard ? mine_hard(spec, i) : mine_all(spec, i);
  });
  const StandardFloats floats;
  triplets::Tally all;
  for (const Found& found : found_) {
    all.triplets += found.tally.triplets;
    all.active += found.tally.active;
  }
  LossReport report;
  report.value_sum = add_sequence(rows_, [&](std::int64_t i) { return found_[index(i)].value; });
  report.count = all.triplets;
  report.correct = all.triplets - all.active;
  report.weight_sum = triplets::divisor(spec, all);
  const float upstream = batch.upstream ? *address<float>(batch.upstream, 0, 0) : 1.0f;
  if (batch.gradient)
    report.nonfinite = differentiate(spec, gradient_scale(report.weight_sum, batch.scale, upstream), batch.gradient);
  finish_report(report, Reduction::mean, report.weight_sum, BadLabels::error, false);
  return report;
}

}  // namespace fuselage::cpu
