// The driver of pointwise losses: brings tiles of 256 floats to the loss's tile function and its gradients back to
// where they belong, whatever their types and strides are. Nothing here depends on the loss.
#pragma once

#include "fuselage/loss_pass.h"
#include "fuselage/tile_loss.h"
#include "host/backend/cpu/planes.h"
#include "host/backend/cpu/staging.h"
#include "host/backend/cpu/target.h"

namespace fuselage::cpu {

/// Copies for what is not packed, or not a whole tile. An array that stays 1 stands for an input that is not
/// given.
struct TileBuffer {
  alignas(64) float y[kLanes], z[kLanes], t[kLanes], w[kLanes], keep[kLanes], up[kLanes], value[kLanes],
      gradient[kLanes], second[kLanes];
};

/// What all tiles of a pass have alike.
struct PointwisePlanes {
  InputPlane y, z, t, w, keep, up;
  OutputPlane value, gradient, second;
  bool direct;  ///< predictions, targets and what is written are packed
  bool stream;

  FUSELAGE_HD explicit PointwisePlanes(const PointwisePass& pass) {
    const LossBatch& b = *pass.batch;
    const std::int64_t cols = b.prediction.cols;
    y = InputPlane(b.prediction, cols);
    z = InputPlane(b.second, cols);
    t = InputPlane(b.target, cols);
    w = InputPlane(b.weight, cols);
    keep = InputPlane(b.mask, cols);
    if (b.reduction == Reduction::none && b.upstream.rows * b.upstream.cols > 1) up = InputPlane(b.upstream, cols);
    value = OutputPlane(b.values, cols);
    gradient = OutputPlane(b.gradient, cols);
    second = OutputPlane(b.second_gradient, cols);
    direct = y.packed && z.packed_or_absent() && t.packed && value.packed_or_absent() && gradient.packed_or_absent() &&
             second.packed_or_absent();
    const auto streams = [](const OutputPlane& p) {
      return !p.data || (p.packed && reinterpret_cast<std::uintptr_t>(p.data) % 64 == 0);
    };
    stream = pass.streaming && streams(gradient) && streams(second);
  }
};

/// n elements of a plane from `first` on: in place where that is possible, and else copied to `copy`, with zeros behind
/// them; `copy` as it is where there is no plane.
template <class V>
TileArray<const void> tile_of(const InputPlane& p, std::int64_t first, int n, float* copy) {
  if (p.data && n == kLanes && p.there(first).data) return p.there(first);
  if (p.data) {
    read_tile<V>(p, first, n, copy);
    for (int i = n; i < kLanes; ++i) copy[i] = 0;
  }
  return {copy, DType::f32};
}
/// The same for planes of fp32 or u8.
template <class V>
const float* floats_of(const InputPlane& p, std::int64_t first, int n, float* copy) {
  return static_cast<const float*>(tile_of<V>(p, first, n, copy).data);
}
/// Where a tile function shall write n elements of a plane from `first` on.
FUSELAGE_HD TileArray<void> place_of(const OutputPlane& p, std::int64_t first, int n, float* copy) {
  if (!p.data) return {nullptr, DType::f32};
  const TileArray<void> there = p.there(first);
  return n == kLanes && there.data ? there : TileArray<void>{copy, DType::f32};
}

/// Weights, mask and upstream gradients of a tile, for general functions.
template <class V>
FUSELAGE_HD void set_weights(const PointwisePlanes& planes, std::int64_t first, int n, TileBuffer& buffer,
                             TileInputs& in) {
  in.w = floats_of<V>(planes.w, first, n, buffer.w);
  in.keep = floats_of<V>(planes.keep, first, n, buffer.keep);
  in.up = floats_of<V>(planes.up, first, n, buffer.up);
  if (!planes.keep.data)
    for (int i = n; i < kLanes; ++i) buffer.keep[i] = 0;
}

/// The function for arrays of these types; null where it is the general one.
FUSELAGE_HD TileFn plain_function(const PointwisePass& pass, const TileInputs& in, const TileOutputs& out) {
  if (!pass.plain || in.t.type != in.y.type || (out.gradient.data && out.gradient.type != in.y.type)) return nullptr;
  if (in.y.type == DType::f32) return pass.tiles.plain_f32;
  return in.y.type == DType::bf16 ? pass.tiles.plain_bf16 : nullptr;
}

/// A tile of n elements, by way of copies where it must be.
template <class V>
void run_tile(const PointwisePass& pass, const PointwisePlanes& planes, TileInputs in, std::int64_t first, int n,
              TileBuffer& buffer, TileSums& sums) {
  in.n = kLanes;
  in.y = tile_of<V>(planes.y, first, n, buffer.y);
  in.z = tile_of<V>(planes.z, first, n, buffer.z);
  in.t = tile_of<V>(planes.t, first, n, buffer.t);
  const TileArray<void> value = place_of(planes.value, first, n, buffer.value);
  const TileOutputs out{static_cast<float*>(value.data), place_of(planes.gradient, first, n, buffer.gradient),
                        place_of(planes.second, first, n, buffer.second), planes.stream && n == kLanes};
  const TileFn plain = n == kLanes ? plain_function(pass, in, out) : nullptr;
  if (!plain) set_weights<V>(planes, first, n, buffer, in);
  (plain ? plain : pass.tiles.general)(pass.loss, in, out, sums);
  if (value.data == buffer.value) write_tile<V>(buffer.value, first, n, planes.value);
  if (out.gradient.data == buffer.gradient) write_tile<V>(buffer.gradient, first, n, planes.gradient);
  if (out.second.data == buffer.second) write_tile<V>(buffer.second, first, n, planes.second);
}

/// The first element of [first, first + n) that the mask keeps and whose target is bad; or, for kWeights, whose target
/// is good and whose weight is bad.
template <bool kWeights>
FUSELAGE_HD std::int64_t find_bad(const PointwisePass& pass, std::int64_t first, std::int64_t n) {
  const LossBatch& b = *pass.batch;
  for (std::int64_t i = first; i < first + n; ++i) {
    const std::int64_t r = i / b.prediction.cols, c = i % b.prediction.cols;
    if (!kept_at(b.mask, r, c)) continue;
    const bool good = in_domain(pass.domain, real_at(b.target, r, c));
    if (kWeights ? good && !is_weight(weight_at(b.weight, r, c)) : !good) return i;
  }
  return -1;
}

/// Chunks [first_chunk, last_chunk) of a loss pass.
template <class V>
void pointwise_chunks(const PointwisePass& pass, std::int64_t first_chunk, std::int64_t last_chunk, Counts& counts) {
  const LossBatch& b = *pass.batch;
  const std::int64_t n = b.prediction.rows * b.prediction.cols;
  const PointwisePlanes planes(pass);
  TileBuffer buffer;
  for (int i = 0; i < kLanes; ++i) buffer.w[i] = buffer.keep[i] = buffer.up[i] = 1, buffer.z[i] = 0;
  TileInputs in{};
  in.scale = pass.scale;
  in.limit = finite_limit(b.prediction.dtype);
  in.errors = b.metrics.errors;
  in.decisions = b.metrics.accuracy || b.metrics.decisions || b.metrics.errors;
  in.targets = b.metrics.targets;
  in.shift = pass.shift;
  for (std::int64_t c = first_chunk; c < last_chunk; ++c) {
    TileSums sums;
    for (int i = 0; i < kLanes; ++i) sums.value[i] = 0;
    for (int i = 0; i < kLanes && in.errors; ++i) sums.abs_error[i] = sums.squared_error[i] = 0;
    for (int i = 0; i < kLanes && in.targets; ++i) sums.target[i] = sums.target_squared[i] = 0;
    sums.count = sums.bad = sums.nonfinite = sums.positives = sums.chosen = sums.hits = 0;
    const std::int64_t begin = c * kChunk;
    const int length = chunk_length(n, c);
    int i = 0;
    if (planes.direct && length >= kLanes) {
      in.n = length / kLanes * kLanes;
      in.y = planes.y.there(begin);
      in.t = planes.t.there(begin);
      const TileOutputs out{static_cast<float*>(planes.value.there(begin).data), planes.gradient.there(begin),
                            planes.second.there(begin), planes.stream};
      if (const TileFn plain = plain_function(pass, in, out)) plain(pass.loss, in, out, sums), i = in.n;
    }
    for (; i < length; i += kLanes)
      run_tile<V>(pass, planes, in, begin + i, length - i < kLanes ? length - i : kLanes, buffer, sums);
    counts.count += sums.count;
    counts.bad += sums.bad;
    counts.nonfinite += sums.nonfinite;
    counts.positives += sums.positives;
    counts.chosen += sums.chosen;
    counts.hits += sums.hits;
    if (sums.bad > 0 && counts.first_bad < 0) counts.first_bad = find_bad<false>(pass, begin, length);
    pass.value[c] = Simd<V>::add(sums.value);
    if (in.errors) {
      pass.abs_error[c] = Simd<V>::add(sums.abs_error);
      pass.squared_error[c] = Simd<V>::add(sums.squared_error);
    }
    if (in.targets) {
      pass.target[c] = Simd<V>::add(sums.target);
      pass.target_squared[c] = Simd<V>::add(sums.target_squared);
    }
  }
}

/// Chunks of the weight pass: the sums of the weights that count, in the lanes of their elements. Counts bad weights.
template <class V>
void weight_chunks(const PointwisePass& pass, std::int64_t first_chunk, std::int64_t last_chunk, Counts& counts) {
  using S = Simd<V>;
  const LossBatch& b = *pass.batch;
  const std::int64_t n = b.prediction.rows * b.prediction.cols;
  const PointwisePlanes planes(pass);
  TileBuffer buffer;
  TileInputs in{};
  for (int i = 0; i < kLanes; ++i) buffer.w[i] = buffer.keep[i] = buffer.up[i] = 1;
  for (std::int64_t c = first_chunk; c < last_chunk; ++c) {
    const std::int64_t begin = c * kChunk;
    const int length = chunk_length(n, c);
    alignas(64) double sum[kLanes] = {};
    std::int64_t bad = 0;
    for (int i = 0; i < length; i += kLanes) {
      const int m = length - i < kLanes ? length - i : kLanes;
      const TileArray<const void> t = tile_of<V>(planes.t, begin + i, m, buffer.t);
      set_weights<V>(planes, begin + i, m, buffer, in);
      for (int k = 0; k < kLanes; k += S::kWidth) {
        const V target = load_from<V>(t, k);
        const V w = S::load(in.w + k);
        const auto good = (S::load(in.keep + k) > V(0)) & in_domain(pass.domain, target), valid = is_weight(w);
        bad += count(good & !valid);
        add_to(select(good & valid, divisor_weight(b.reduction, w), V(0)), sum + k);
      }
    }
    counts.bad_weights += bad;
    if (bad > 0 && counts.first_bad_weight < 0) counts.first_bad_weight = find_bad<true>(pass, begin, length);
    pass.value[c] = Simd<V>::add(sum);
  }
}

}  // namespace fuselage::cpu
