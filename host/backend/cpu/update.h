// The driver of update rules: runs of a parameter's elements, in place. What converts does not depend on the rule,
// whose body is compiled once for each target, on floats: fp32 memory itself, or a tile of a narrower type.
#pragma once

#include "fuselage/core/math.h"
#include "fuselage/core/simd.h"
#include "host/backend/cpu/target.h"

namespace fuselage::cpu {

template <class V, class R>
FUSELAGE_HD void update_vector(const GradientFactors& factors, const Regularisation& before,
                               const typename R::Step& step, float* value, const float* gradient,
                               float* const (&state)[optim::kMaxSlots], std::int64_t i) {
  using S = Simd<V>;
  V p = S::load(value + i), g = S::load(gradient + i), slot[optim::kMaxSlots];
  for (int k = 0; k < R::slots; ++k) slot[k] = state[k] ? S::load(state[k] + i) : V(0);
  if (!factors.trivial()) g = factors.of(g);
  before.apply(p, g);
  R::update(step, p, g, slot);
  store(p, value + i);
  for (int k = 0; k < R::slots; ++k)
    if (state[k]) store(slot[k], state[k] + i);
}

template <class V, class R>
void update_run(const Regularisation& before, const StepBytes& bytes, const UpdateRun& run) {
  constexpr int kWidth = Simd<V>::kWidth;
  const Regularisation options = before;
  const GradientFactors factors = run.factors;
  const typename R::Step step = bytes.of<R>();
  float* state[optim::kMaxSlots];
  for (int k = 0; k < optim::kMaxSlots; ++k) state[k] = run.state[k];
  std::int64_t i = 0;
  for (; i + kWidth <= run.size; i += kWidth) {
    if (i % 16 == 0) {  // a cache line
      __builtin_prefetch(run.value + i + 512, 1, 3);
      __builtin_prefetch(run.gradient + i + 512, 0, 3);
      for (int k = 0; k < R::slots; ++k)
        if (state[k]) __builtin_prefetch(state[k] + i + 512, 1, 3);
    }
    update_vector<V, R>(factors, options, step, run.value, run.gradient, state, i);
  }
  for (; i < run.size; ++i) update_vector<float, R>(factors, options, step, run.value, run.gradient, state, i);
}

/// Adds the squares of a chunk's parameters and of what the rule measures, in the canonical order.
template <class V, class R>
ChunkSquares measure_run(const Regularisation& before, const StepBytes& bytes, const UpdateRun& run) {
  const typename R::Step& step = bytes.of<R>();
  double p_lanes[kLanes] = {}, measured_lanes[kLanes] = {};
  float p_tile[kLanes], measured_tile[kLanes];
  const auto measure = [&]<class W>(W, std::int64_t i, int l) {
    using S = Simd<W>;
    W p = S::load(run.value + i), g = S::load(run.gradient + i), slot[optim::kMaxSlots];
    for (int k = 0; k < R::slots; ++k) slot[k] = run.state[k] ? S::load(run.state[k] + i) : W(0);
    if (!run.factors.trivial()) g = run.factors.of(g);
    before.apply(p, g);
    store_raw(p, p_tile + l);
    store_raw(R::measured(step, p, g, slot), measured_tile + l);
  };
  constexpr int kWidth = Simd<V>::kWidth;
  for (std::int64_t first = 0; first < run.size; first += kLanes) {
    const int n = static_cast<int>(run.size - first < kLanes ? run.size - first : kLanes);
    int l = 0;
    for (; l + kWidth <= n; l += kWidth) measure(V(), first + l, l);
    for (; l < n; ++l) measure(0.0f, first + l, l);
    for (l = 0; l < n; ++l) {
      const double p = p_tile[l], measured = measured_tile[l];
      p_lanes[l] = fma(p, p, p_lanes[l]);
      measured_lanes[l] = fma(measured, measured, measured_lanes[l]);
    }
  }
  return {add_lanes(p_lanes), add_lanes(measured_lanes)};
}

/// Looks at a chunk of a gradient: see GradientOptions.
template <class V>
GradientChunk gradient_chunk(const GradientFactors& before, const float* gradient, int size) {
  constexpr int kWidth = Simd<V>::kWidth;
  double lanes[kLanes] = {};
  float unscaled[kLanes], limited[kLanes];
  std::int64_t nonfinite = 0;
  const auto look = [&]<class W>(W, int i, int l) {
    const W x = before.unscaled(Simd<W>::load(gradient + i));
    store_raw(x, unscaled + l);
    store_raw(before.limited(x), limited + l);
  };
  for (int first = 0; first < size; first += kLanes) {
    const int n = size - first < kLanes ? size - first : kLanes;
    int l = 0;
    for (; l + kWidth <= n; l += kWidth) look(V(), first + l, l);
    for (; l < n; ++l) look(0.0f, first + l, l);
    for (l = 0; l < n; ++l) {
      const double g = limited[l];
      lanes[l] = fma(g, g, lanes[l]);
      nonfinite += !(abs(unscaled[l]) < __builtin_inff());
    }
  }
  return {add_lanes(lanes), nonfinite};
}

template <class V, class T>
void floats_from(const void* from, float* to, int n) {
  const T* x = static_cast<const T*>(from);
  int i = 0;
  for (; i + Simd<V>::kWidth <= n; i += Simd<V>::kWidth) store_raw(Simd<V>::load(x + i), to + i);
  for (; i < n; ++i) to[i] = to_float(x[i]);
}

template <class V, class T>
void floats_to(const float* from, void* to, int n) {
  T* x = static_cast<T*>(to);
  int i = 0;
  for (; i + Simd<V>::kWidth <= n; i += Simd<V>::kWidth) store(Simd<V>::load(from + i), x + i);
  for (; i < n; ++i) x[i] = from_float<T>(from[i]);
}

}  // namespace fuselage::cpu
