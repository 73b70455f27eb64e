// The drivers of layers: bias and activation, and their backward pass with the column sums.
#pragma once

#include "fuselage/core/simd.h"
#include "host/backend/cpu/target.h"

namespace fuselage::cpu {

template <class V, class A>
FUSELAGE_HD void forward_vector(const A& activation, float* z, const float* bias, float* a) {
  using S = Simd<V>;
  const V sum = S::load(z) + S::load(bias);
  if constexpr (A::needs_input) store(sum, z);
  store(activation.value(sum), a);
}

template <class V, class A>
void forward_rows(const LayerRows& rows) {
  const A activation = *static_cast<const A*>(rows.activation);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    float *z = rows.z + r * rows.cols, *a = rows.a + r * rows.cols;
    std::int64_t c = 0;
    for (; c + Simd<V>::kWidth <= rows.cols; c += Simd<V>::kWidth)
      forward_vector<V>(activation, z + c, rows.bias + c, a + c);
    for (; c < rows.cols; ++c) forward_vector<float>(activation, z + c, rows.bias + c, a + c);
  }
}

template <class V, class A>
FUSELAGE_HD void backward_vector(const A& activation, const float* z, const float* a, float* da, float* sum) {
  using S = Simd<V>;
  const V input = A::needs_input ? S::load(z) : V(0);
  const V dz = S::load(da) * activation.slope(input, S::load(a));
  store(dz, da);
  store(S::load(sum) + dz, sum);
}

/// Rows are added in their order, from +0.
template <class V, class A>
void backward_rows(const LayerRows& rows) {
  const A activation = *static_cast<const A*>(rows.activation);
  for (std::int64_t c = 0; c < rows.cols; ++c) rows.column_sum[c] = 0;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const float *z = rows.z + (A::needs_input ? r * rows.cols : 0), *a = rows.a + r * rows.cols;
    float* da = rows.da + r * rows.cols;
    std::int64_t c = 0;
    for (; c + Simd<V>::kWidth <= rows.cols; c += Simd<V>::kWidth)
      backward_vector<V>(activation, z + (A::needs_input ? c : 0), a + c, da + c, rows.column_sum + c);
    for (; c < rows.cols; ++c)
      backward_vector<float>(activation, z + (A::needs_input ? c : 0), a + c, da + c, rows.column_sum + c);
  }
}

}  // namespace fuselage::cpu
