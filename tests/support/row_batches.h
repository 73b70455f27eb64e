// Batches of rows for any loss of rows.
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tests/support/batches.h"
#include "tests/support/row_shape.h"

namespace fuselage::testing {

/// Rows of every loss, as its shape asks.
struct Rows {
  AnyLoss loss;
  TakenRows shape;
  std::int64_t rows, cols;
  DType type;
  bool dense;
  std::int64_t gap;  ///< elements between rows of inputs and gradients
  Stored x[3], target;
  std::vector<float> returns, weight, class_weight, upstream;
  std::vector<std::uint8_t> mask;
  std::vector<std::int16_t> labels;

  Rows(const AnyLoss& l, std::int64_t r, std::int64_t c, DType t, bool with_dense, unsigned seed,
       std::int64_t stride = 0)
      : loss(l), shape(shape_of(l).value()), rows(r), cols(c), type(t), dense(with_dense), gap(stride) {
    const auto n = static_cast<std::size_t>(rows * (cols + gap)), m = static_cast<std::size_t>(rows);
    for (unsigned i = 0; i < 3; ++i) {
      std::vector<float> numbers = normal(n, seed + i, 2);
      const std::string_view name = Losses::name_of(loss);
      for (float& v : numbers) v = name == "nll" ? -std::abs(v) : name == "cross_entropy" ? std::abs(v) : v;
      x[i] = Stored(numbers, type);
    }
    returns = normal(m, seed + 4);
    weight = normal(m, seed + 5);
    class_weight = normal(static_cast<std::size_t>(cols), seed + 6);
    upstream = normal(m, seed + 7);
    for (float& w : weight) w = std::abs(w);
    for (float& w : class_weight) w = std::abs(w);
    for (std::size_t i = 0; i < m; ++i) {
      mask.push_back(i % 5 != 3);
      labels.push_back(static_cast<std::int16_t>((i * 7 + seed) % static_cast<std::size_t>(cols)));
    }
    if (shape.row.target == RowTarget::single) {
      std::vector<float> own(m);
      for (std::size_t i = 0; i < m; ++i) own[i] = i % 2 ? 1.0f : in_domain(0.0f) ? 0.0f : -1.0f;
      target = Stored(own, DType::f32);
    } else {
      std::vector<float> numbers = normal(n, seed + 8);
      for (float& v : numbers) v = std::abs(v);
      target = Stored(numbers, type);
    }
  }
  bool in_domain(float) const { return Losses::name_of(loss) != "cosine_embedding"; }
  bool by_label() const {
    return shape.row.target == RowTarget::labels || (shape.row.target == RowTarget::classes && !dense);
  }

  LossBatch batch() const {
    LossBatch b;
    b.prediction = {x[0].bytes.data(), type, rows, cols, cols + gap};
    if (shape.row.row_second)
      b.second = {returns.data(), rows};
    else if (shape.inputs > 1)
      b.second = {x[1].bytes.data(), type, rows, cols, cols + gap};
    if (shape.inputs > 2) b.third = {x[2].bytes.data(), type, rows, cols, cols + gap};
    if (by_label())
      b.target = {labels.data(), rows};
    else if (shape.row.target == RowTarget::single)
      b.target = {target.bytes.data(), DType::f32, rows, 1, 1};
    else if (shape.row.target != RowTarget::none)
      b.target = {target.bytes.data(), type, rows, cols, cols + gap};
    return b;
  }
};

}  // namespace fuselage::testing
