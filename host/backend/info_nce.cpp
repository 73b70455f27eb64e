// InfoNCE: matrix products and softmax passes over blocks of rows of the matrix of similarities.
#include "fuselage/info_nce.h"

#include <fmt/format.h>

#include <algorithm>

#include "fuselage/core/catalogue.h"
#include "fuselage/core/partition.h"
#include "host/backend/view_checks.h"

namespace fuselage {

namespace {

void check_gradient(const View& g, std::string_view name, const ConstView& own, const Named& other,
                    const InfoNceBatch& b) {
  if (!g) return;
  const ConstView view = g;
  check_strides(view, name);
  require_shape(view, name, b.a.rows, b.a.cols);
  require_type(view, name, b.a.dtype);
  require_places(view, name);
  if (overlap(view, own) && !same_places(view, own))
    throw Error(Errc::bad_argument, fmt::format("{} overlaps its embeddings in part", name));
  for (const Named& in : {other, Named{b.weight, "weight"}, {b.mask, "mask"}, {b.upstream, "upstream"}})
    if (overlap(view, in.view)) throw Error(Errc::bad_argument, fmt::format("{} overlaps {}", name, in.name));
}

void check(const InfoNce& spec, const InfoNceBatch& b) {
  detail::check_fields(spec);
  for (const Named& v : {Named{b.a, "a"}, {b.b, "b"}, {b.weight, "weight"}, {b.mask, "mask"}, {b.upstream, "upstream"}})
    check_strides(v.view, v.name);
  const std::int64_t rows = b.a.rows;
  require_shape(b.b, "b", rows, b.a.cols);
  constexpr std::int64_t kMost = std::int64_t{1} << 30;
  if (rows > kMost || b.a.cols > kMost)
    throw Error(Errc::bad_shape,
                fmt::format("a has the shape {}; {} rows or columns are the most", shape_text(b.a), kMost));
  if (b.a.size() > 0 && (!b.a || !b.b)) throw Error(Errc::bad_argument, fmt::format("{} is missing", b.a ? "b" : "a"));
  if (!is_real(b.a.dtype) || b.a.dtype == DType::f64)
    throw Error(Errc::bad_dtype, fmt::format("a is {}, expected fp32, bf16 or fp16", name_of(b.a.dtype)));
  require_type(b.b, "b", b.a.dtype);
  if (b.weight) require_shape(b.weight, "weight", rows, 1), require_type(b.weight, "weight", DType::f32);
  if (b.mask) require_shape(b.mask, "mask", rows, 1), require_type(b.mask, "mask", DType::u8);
  if (b.upstream) require_shape(b.upstream, "upstream", 1, 1), require_type(b.upstream, "upstream", DType::f32);
  check_gradient(b.gradient_a, "gradient_a", b.a, {b.b, "b"}, b);
  check_gradient(b.gradient_b, "gradient_b", b.b, {b.a, "a"}, b);
  require(!b.gradient_a || !overlap(b.gradient_a, b.gradient_b), Errc::bad_argument, "gradient_a overlaps gradient_b");
}

}  // namespace

/// Where things stand in rows_.
struct InfoNceLoss::Memory {
  float *packed, *gradient;  ///< [2 rows, cols]: a, then b
  double *length, *sums;     ///< [2 rows]
  float *values, *weight;    ///< [2 rows]
  std::int32_t* label;       ///< [2 rows]
  LossReport* of_block;
  float* factor;

  /// Lays everything out from `base`; gives back how many bytes that takes.
  std::size_t place(const void* base, std::int64_t rows, std::int64_t cols) {
    std::size_t bytes = 0;
    const auto take = [&]<class T>(T*& to, std::int64_t count) {
      to = reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(base) + bytes);
      bytes += static_cast<std::size_t>(ceil_div(count * static_cast<std::int64_t>(sizeof(T)), 256) * 256);
    };
    take(packed, 2 * rows * cols);
    take(gradient, 2 * rows * cols);
    take(length, 2 * rows);
    take(sums, 2 * rows);
    take(values, 2 * rows);
    take(weight, 2 * rows);
    take(label, 2 * rows);
    take(of_block, 1);
    take(factor, 1);
    return bytes;
  }
};

/// Anchors that look for their partners among keys: rows of `packed`, and where their derivatives are added up.
struct InfoNceLoss::Direction {
  std::int64_t anchors, keys, cols;
  std::int64_t anchor_at, key_at;  ///< the first of them in the packed rows
  std::int64_t value_at;           ///< the first anchor's place among the values
  float inverse_temperature;
  bool itself;               ///< a row is no key of itself
  ConstView mask;            ///< of keys, repeated
  bool to_anchors, to_keys;  ///< whose derivatives are asked for
};

void InfoNceLoss::compare(const Direction& d, const Memory& m) {
  const auto row_bytes = static_cast<std::size_t>(d.keys) * sizeof(float);
  const auto fit = static_cast<std::int64_t>(std::max<std::size_t>(1, budget_ / row_bytes));
  // Blocks of one size, but for the last: the fewer shapes, the fewer plans of products.
  std::int64_t rows = ceil_div(d.anchors, ceil_div(d.anchors, std::min(fit, d.anchors)));
  if (rows >= 64 && rows < d.anchors) rows = std::min(fit, ceil_div(rows, 32) * 32);
  const auto bytes = static_cast<std::size_t>(rows) * row_bytes;
  if (bytes > block_.bytes()) block_ = Buffer(*backend_, bytes);
  auto* const block = block_.as<float>();

  const float* const keys = m.packed + d.key_at * d.cols;
  for (std::int64_t first = 0; first < d.anchors; first += rows) {
    const std::int64_t count = std::min(rows, d.anchors - first), at = (d.anchor_at + first) * d.cols;
    Product similarity{false, true, count, d.keys, d.cols, m.packed + at, keys, block};
    similarity.alpha = d.inverse_temperature;
    backend_->product(similarity);
    if (d.itself || d.mask) backend_->pair_step(ExcludePairs{block, count, d.keys, first, d.itself, d.mask});

    LossBatch batch;
    batch.prediction = {block, count, d.keys};
    batch.target = {m.label + first, count};
    batch.weight = {m.weight + first, count};
    batch.values = {m.values + d.value_at + first, count};
    batch.reduction = Reduction::none;
    batch.upstream = {m.factor, 1};
    if (d.to_anchors || d.to_keys) batch.gradient = {block, count, d.keys};
    loss::SoftmaxCrossEntropy softmax;
    softmax.ignore_index = -1;
    backend_->loss(softmax, batch, m.of_block);

    Product back{false, false, count, d.cols, d.keys, block, keys, m.gradient + at};
    back.alpha = d.inverse_temperature;
    back.accumulate = true;
    if (d.to_anchors) backend_->product(back);
    back = {true, false, d.keys, d.cols, count, block, m.packed + at, m.gradient + d.key_at * d.cols};
    back.alpha = d.inverse_temperature;
    back.accumulate = true;
    if (d.to_keys) backend_->product(back);
  }
}

void InfoNceLoss::run(const InfoNce& spec, const InfoNceBatch& b, LossReport* report) {
  require_report(report);
  check(spec, b);
  require_report(report, {{b.a, "a"},
                          {b.b, "b"},
                          {b.weight, "weight"},
                          {b.mask, "mask"},
                          {b.upstream, "upstream"},
                          {b.gradient_a, "gradient_a"},
                          {b.gradient_b, "gradient_b"}});
  const std::int64_t rows = b.a.rows, cols = b.a.cols;
  const bool one_set = spec.pairs == PairSets::one_set;
  Memory m{};
  const std::size_t bytes = m.place(nullptr, rows, cols);
  if (bytes > rows_.bytes()) rows_ = Buffer(*backend_, bytes);
  m.place(rows_.data(), rows, cols);

  BeginPairs begin;
  begin.rows = rows;
  begin.sides = one_set || spec.symmetric ? 2 : 1;
  begin.one_set = one_set;
  begin.weight = b.weight;
  begin.mask = b.mask;
  begin.upstream = b.upstream;
  begin.scale = b.scale;
  begin.label = m.label;
  begin.row_weight = m.weight;
  begin.sums = m.sums;
  begin.factor = m.factor;
  begin.report = report;
  backend_->pair_step(begin);
  double* const lengths = spec.normalise ? m.length : nullptr;
  double* const lengths_of_b = lengths ? lengths + rows : nullptr;
  const std::int64_t size = rows * cols;
  backend_->pair_step(PackRows{b.a, b.mask, m.packed, lengths, spec.eps});
  backend_->pair_step(PackRows{b.b, b.mask, m.packed + size, lengths_of_b, spec.eps});

  if (rows > 0) {
    const bool to_a = static_cast<bool>(b.gradient_a), to_b = static_cast<bool>(b.gradient_b);
    if (to_a || to_b) backend_->zero(m.gradient, static_cast<std::size_t>(2 * size) * sizeof(float));
    const auto alpha = static_cast<float>(1 / spec.temperature);
    if (one_set) {
      compare({2 * rows, 2 * rows, cols, 0, 0, 0, alpha, true, b.mask, to_a || to_b, to_a || to_b}, m);
    } else {
      compare({rows, rows, cols, 0, rows, 0, alpha, false, b.mask, to_a, to_b}, m);
      if (spec.symmetric) compare({rows, rows, cols, rows, 0, rows, alpha, false, b.mask, to_b, to_a}, m);
    }
  }
  if (b.gradient_a)
    backend_->pair_step(UnpackGradient{m.packed, m.gradient, lengths, spec.eps, b.mask, b.gradient_a, report});
  if (b.gradient_b)
    backend_->pair_step(
        UnpackGradient{m.packed + size, m.gradient + size, lengths_of_b, spec.eps, b.mask, b.gradient_b, report});
  backend_->pair_step(EndPairs{m.values, begin.sides * rows, m.sums, report});
}

}  // namespace fuselage
