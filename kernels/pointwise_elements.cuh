// A thread's own elements of a tile: from memory into registers and back, directly where all is packed, else by way of
// shared memory.
#pragma once

#include "kernels/pointwise_tile.cuh"

namespace fuselage::kernels {

/// What a thread has of a tile: predictions, of pairs the second ones too, targets, and bits for the elements that
/// count. Derivatives and value take their places.
template <bool kPairs>
struct ThreadTile {
  float y[kLanesOfThread], z[kPairs ? kLanesOfThread : 1], t[kLanesOfThread];
  unsigned kept;
};

/// Bit k: f(k).
template <class F>
__device__ __forceinline__ unsigned bits_where(F&& f) {
  unsigned bits = 0;
#pragma unroll
  for (int k = 0; k < kLanesOfThread; ++k) bits |= static_cast<unsigned>(f(k)) << k;
  return bits;
}

/// A whole tile of packed memory, all of which is under way at once.
template <bool kPairs>
__device__ __forceinline__ void load_direct(const PointwiseArgs& a, std::int64_t first, const Share& at,
                                            ThreadTile<kPairs>& tile) {
  const auto load = [&]<class T>() {
    constexpr int V = kVector<T>, J = kLanesOfThread / V;
    const auto start = [&](int input) { return static_cast<const T*>(a.input[input].data) + first; };
    T y[J][V], z[kPairs ? J : 1][V], t[J][V];
#pragma unroll
    for (int j = 0; j < J; ++j) {
      load_raw<V>(start(kPrediction) + at.first(j), y[j]);
      if constexpr (kPairs) load_raw<V>(start(kSecond) + at.first(j), z[j]);
      load_raw<V>(start(kTarget) + at.first(j), t[j]);
    }
#pragma unroll
    for (int k = 0; k < kLanesOfThread; ++k) {
      tile.y[k] = to_float(y[k / V][k % V]);
      if constexpr (kPairs) tile.z[k] = to_float(z[k / V][k % V]);
      tile.t[k] = to_float(t[k / V][k % V]);
    }
  };
  with_real(a.input[kPrediction].dtype, load);
  tile.kept = (1u << kLanesOfThread) - 1u;
}

/// A tile of `length` elements with every option and layout, by way of shared memory.
template <bool kPairs>
__device__ __forceinline__ void load_any(const PointwiseArgs& a, const WarpFloats& floats, std::int64_t first,
                                         int length, const Share& at, ThreadTile<kPairs>& tile) {
  read_inputs(a, floats, first, length);
  if (floats.has(kPrediction)) read_share(floats.of(kPrediction), at, tile.y);
  if constexpr (kPairs) read_share(floats.of(kSecond), at, tile.z);
  read_share(floats.of(kTarget), at, tile.t);
  tile.kept = bits_where([&](int k) { return at[k] < length; });
  if (!floats.has(kMask)) return;
  float mask[kLanesOfThread];
  read_share(floats.of(kMask), at, mask);
  tile.kept &= bits_where([&](int k) { return mask[k] > 0; });
}

template <bool kPairs>
__device__ __forceinline__ void store_direct(const PointwiseArgs& a, std::int64_t first, const Share& at,
                                             const ThreadTile<kPairs>& tile) {
  const auto store = [&](PointwiseOutput o, const float(&x)[kLanesOfThread]) {
    if (a.output[o].data)
      with_real(a.output[o].dtype, [&]<class T>() { store_share(x, static_cast<T*>(a.output[o].data) + first, at); });
  };
  store(kGradient, tile.y);
  if constexpr (kPairs) store(kSecondGradient, tile.z);
  if (a.output[kValues].data) store_share(tile.t, static_cast<float*>(a.output[kValues].data) + first, at);
}

template <bool kPairs>
__device__ __forceinline__ void store_any(const PointwiseArgs& a, const WarpFloats& floats, std::int64_t first,
                                          int length, const Share& at, const ThreadTile<kPairs>& tile) {
  write_share(tile.y, at, floats.of(kGradient));
  if constexpr (kPairs) write_share(tile.z, at, floats.of(kSecondGradient));
  write_share(tile.t, at, floats.of(kValues));
  write_outputs(a, floats, first, length);
}

}  // namespace fuselage::kernels
