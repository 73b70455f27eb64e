// The driver of update rules: a run of one parameter's elements, in place.
#pragma once

#include "fuselage/core/math.h"
#include "fuselage/core/simd.h"
#include "host/backend/cpu/target.h"

namespace fuselage::cpu {

/// The regularised gradient: see UpdateOptions for the order.
template <class V>
FUSELAGE_HD V regularised(const UpdateScalars& s, V p, V g) {
  if (s.maximize) g = -g;
  if (s.l2 != 0) g = fma(V(s.l2), p, g);
  if (s.l1 != 0) g = fma(V(s.l1), sign(p), g);
  return g;
}

template <class V, class R, class T>
FUSELAGE_HD void update_vector(const UpdateScalars& s, const typename R::Step& step, T* value, const T* gradient,
                               float* const* state) {
  using S = Simd<V>;
  V p = S::load(value), slot[optim::kMaxSlots];
  for (int k = 0; k < R::slots; ++k) slot[k] = S::load(state[k]);
  R::update(step, p, regularised(s, p, S::load(gradient)), slot);
  store(p, value);
  for (int k = 0; k < R::slots; ++k) store(slot[k], state[k]);
}

template <class V, class R, class T>
void update_run(const UpdateScalars& s, const UpdateRun& run) {
  constexpr int kWidth = Simd<V>::kWidth;
  const typename R::Step step = *static_cast<const typename R::Step*>(s.step);
  T* value = static_cast<T*>(run.value);
  const T* gradient = static_cast<const T*>(run.gradient);
  std::int64_t i = 0;
  for (; i + kWidth <= run.size; i += kWidth) {
    float* state[optim::kMaxSlots];
    for (int k = 0; k < R::slots; ++k) state[k] = run.state[k] + i;
    if (i * sizeof(T) % 64 == 0) {
      __builtin_prefetch(value + i + 512, 1, 3);
      __builtin_prefetch(gradient + i + 512, 0, 3);
      for (int k = 0; k < R::slots; ++k) __builtin_prefetch(state[k] + 512, 1, 3);
    }
    update_vector<V, R>(s, step, value + i, gradient + i, state);
  }
  for (; i < run.size; ++i) {
    float* state[optim::kMaxSlots];
    for (int k = 0; k < R::slots; ++k) state[k] = run.state[k] + i;
    update_vector<float, R>(s, step, value + i, gradient + i, state);
  }
}

}  // namespace fuselage::cpu
