// The tile functions of a loss: value, derivatives, metrics and counts from the loss's own formula, for one vector
// type.
#pragma once

#include <type_traits>

#include "fuselage/core/simd.h"
#include "fuselage/loss_pass.h"
#include "fuselage/tile.h"

namespace fuselage::cpu {

/// Whether a target is one that the loss is made for.
template <class L, class V>
[[gnu::always_inline]] inline auto is_target(const L& loss, V t) {
  if constexpr (requires { loss.target_domain(); })
    return in_domain(loss.target_domain(), t);
  else
    return in_domain<L::target>(t);
}

/// Calls f(typed pointer) with the type that is known, or for T = void with the type of the array.
template <class T, class Void, class F>
[[gnu::always_inline]] inline auto with_type(TileArray<Void> a, F&& f) {
  const auto call = [&]<class S>(S*) {
    return f(static_cast<std::conditional_t<std::is_const_v<Void>, const S, S>*>(a.data));
  };
  if constexpr (!std::is_void_v<T>) {
    return call(static_cast<T*>(nullptr));
  } else {
    if (a.type == DType::f32) return call(static_cast<float*>(nullptr));
    if (a.type == DType::bf16) return call(static_cast<bf16*>(nullptr));
    return call(static_cast<f16*>(nullptr));
  }
}

/// Lanes from element i on.
template <class V, class T = void>
[[gnu::always_inline]] inline V load_from(TileArray<const void> a, int i) {
  return with_type<T>(a, [&](const auto* p) { return Simd<V>::load(p + i); });
}

template <class V, class T>
[[gnu::always_inline]] inline void store_to(TileArray<void> a, int i, V x, bool past_caches) {
  with_type<T>(a, [&](auto* p) {
    if (past_caches)
      stream(x, p + i);
    else
      store(x, p + i);
  });
}

/// Asks for what is read 1 KB later: that hides the page walks of 4 KB pages behind arithmetic.
template <class T>
[[gnu::always_inline]] inline void prefetch(TileArray<const void> a, int i) {
  with_type<T>(a, [&]<class S>(const S* p) {
    if (i * sizeof(S) % 64 == 0) __builtin_prefetch(p + i + 1024 / sizeof(S), 0, 3);
  });
}

/// T = void: the general function.
template <class T, class V, class L>
[[gnu::always_inline]] inline void run_tiles(const L& loss, const TileInputs& in, const TileOutputs& out,
                                             TileSums& sums) {
  using S = Simd<V>;
  constexpr bool kGeneral = std::is_void_v<T>;
  const bool measures = in.errors || in.decisions || in.targets;
  std::int64_t counted = 0, bad = 0, nonfinite = 0, positives = 0, chosen = 0, hits = 0;
  for (int i = 0; i < in.n; i += S::kWidth) {
    const int lane = i % kLanes;
    prefetch<T>(in.y, i);
    prefetch<T>(in.t, i);
    const V y = load_from<V, T>(in.y, i), t = load_from<V, T>(in.t, i);
    auto kept = V(0) == V(0);
    V w = V(1), factor = V(in.scale);
    if constexpr (kGeneral) {
      w = S::load(in.w + i);
      kept = S::load(in.keep + i) > V(0);
      factor = w * factor * S::load(in.up + i);
    }
    const auto good = is_target(loss, t), keep = kept & good & is_weight(w);
    Contribution<V> c;
    if constexpr (loss::PointwisePair<L>)
      c = contribution(loss, y, load_from<V, T>(in.z, i), t, keep, w, factor);
    else
      c = contribution(loss, y, t, keep, w, factor);
    add_to(c.value, sums.value + lane);
    counted += count(keep);
    bad += count(kept & !good);
    nonfinite += count(!(abs(c.gradient) < V(in.limit)));
    if constexpr (loss::PointwisePair<L>) nonfinite += count(!(abs(c.second) < V(in.limit)));
    if (measures) {
      if (in.errors) {
        add_to(c.abs_error, sums.abs_error + lane);
        add_to(c.squared_error, sums.squared_error + lane);
      }
      if (in.targets) {
        const V shifted = select(keep, t - V(in.shift), V(0));
        add_to(shifted, sums.target + lane);
        add_to(shifted * shifted, sums.target_squared + lane);
      }
      if constexpr (L::decision != Decision::none)
        if (in.decisions) {
          const auto positive = keep & (t > V(middle_of_targets(L::decision)));
          const auto yes = keep & (y > V(middle_of_predictions(L::decision)));
          positives += count(positive);
          chosen += count(yes);
          hits += count(positive & yes);
        }
    }
    if (out.gradient.data) store_to<V, T>(out.gradient, i, c.gradient, out.stream);
    if constexpr (loss::PointwisePair<L>)
      if (out.second.data) store_to<V, T>(out.second, i, c.second, out.stream);
    if (out.value) store(c.value, out.value + i);
  }
  sums.count += counted;
  sums.bad += bad;
  sums.nonfinite += nonfinite;
  sums.positives += positives;
  sums.chosen += chosen;
  sums.hits += hits;
}

/// A tile function. The arguments are copied, so that no store can change them.
template <class T, class V, class L>
void tile_function(const void* loss, const TileInputs& inputs, const TileOutputs& outputs, TileSums& sums) {
  const L l = *static_cast<const L*>(loss);
  const TileInputs in = inputs;
  const TileOutputs out = outputs;
  run_tiles<T, V, L>(l, in, out, sums);
}

template <class V, class L>
consteval TileFns tile_functions() {
  if constexpr (loss::PointwisePair<L>)
    return {nullptr, nullptr, &tile_function<void, V, L>};
  else
    return {&tile_function<float, V, L>, &tile_function<bf16, V, L>, &tile_function<void, V, L>};
}

}  // namespace fuselage::cpu
