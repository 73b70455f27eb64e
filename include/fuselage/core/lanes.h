// N floats as one scalar, from the compiler's own vectors: for code whose target the library does not choose. The
// operations are those of scalar.h, lane by lane, so that the bits are those of a float whatever the width is.
//
// Lanes<1> is a float as a class: what a formula calls is then found where fuselage has it, whatever namespace the
// formula stands in, and never in the C library. It alone is for devices too.
#pragma once

#include <type_traits>

#include "fuselage/core/dtype.h"
#include "fuselage/core/simd.h"

namespace fuselage::cpu {

template <int N>
struct LaneTypes;
template <>
struct LaneTypes<1> {
  using F = float;
  using I = std::int32_t;
  using H = std::uint16_t;
};
template <>
struct LaneTypes<4> {
  typedef float F __attribute__((vector_size(16)));
  typedef std::int32_t I __attribute__((vector_size(16)));
  typedef std::uint16_t H __attribute__((vector_size(8)));
};
template <>
struct LaneTypes<8> {
  typedef float F __attribute__((vector_size(32)));
  typedef std::int32_t I __attribute__((vector_size(32)));
  typedef std::uint16_t H __attribute__((vector_size(16)));
};

/// A vector of T (F, I or H of N lanes). Copies are made by code, so that calls pass it by address: how a plain vector
/// is passed depends on the instruction set, and a formula that is not inlined may have another one than its caller.
template <class T>
struct Wrapped {
  T raw;
  Wrapped() = default;
  FUSELAGE_HD Wrapped(const T& v) : raw(v) {}
  FUSELAGE_HD Wrapped(const Wrapped& o) : raw(o.raw) {}
  FUSELAGE_HD Wrapped& operator=(const Wrapped& o) {
    raw = o.raw;
    return *this;
  }
};

}  // namespace fuselage::cpu

namespace fuselage {

/// Comparisons of lanes: of one lane 0 or 1, else 0 or -1.
template <int N>
struct LaneMask : cpu::Wrapped<typename cpu::LaneTypes<N>::I> {
  using I = typename cpu::LaneTypes<N>::I;
  using cpu::Wrapped<I>::Wrapped;
  friend FUSELAGE_HD LaneMask operator&(const LaneMask& a, const LaneMask& b) { return I(a.raw & b.raw); }
  friend FUSELAGE_HD LaneMask operator|(const LaneMask& a, const LaneMask& b) { return I(a.raw | b.raw); }
  friend FUSELAGE_HD LaneMask operator!(const LaneMask& a) { return I(a.raw == 0); }
};

/// The lanes' bit patterns, as signed integers.
template <int N>
struct LaneBits : cpu::Wrapped<typename cpu::LaneTypes<N>::I> {
  using I = typename cpu::LaneTypes<N>::I;
  using cpu::Wrapped<I>::Wrapped;
  FUSELAGE_HD LaneBits(std::int32_t v) requires(N > 1) : cpu::Wrapped<I>(I{} | v) {}
  friend FUSELAGE_HD LaneBits operator+(const LaneBits& a, const LaneBits& b) { return I(a.raw + b.raw); }
  friend FUSELAGE_HD LaneBits operator-(const LaneBits& a, const LaneBits& b) { return I(a.raw - b.raw); }
  friend FUSELAGE_HD LaneBits operator&(const LaneBits& a, const LaneBits& b) { return I(a.raw & b.raw); }
  friend FUSELAGE_HD LaneBits operator|(const LaneBits& a, const LaneBits& b) { return I(a.raw | b.raw); }
  friend FUSELAGE_HD LaneBits operator^(const LaneBits& a, const LaneBits& b) { return I(a.raw ^ b.raw); }
  friend FUSELAGE_HD LaneBits operator<<(const LaneBits& a, int n) { return I(a.raw << n); }
  friend FUSELAGE_HD LaneBits operator>>(const LaneBits& a, int n) { return I(a.raw >> n); }
};

template <int N>
struct Lanes : cpu::Wrapped<typename cpu::LaneTypes<N>::F> {
  using F = typename cpu::LaneTypes<N>::F;
  using I = typename cpu::LaneTypes<N>::I;
  using Mask = LaneMask<N>;
  using Bits = LaneBits<N>;
  using cpu::Wrapped<F>::Wrapped;
  /// A constant, rounded, in every lane.
  template <class T>
  requires(std::is_arithmetic_v<T> && !std::is_same_v<T, F>) FUSELAGE_HD explicit Lanes(T v)
      : cpu::Wrapped<F>(__builtin_bit_cast(F, Bits(fuselage::bits(static_cast<float>(v))).raw)) {}

  friend FUSELAGE_HD Lanes operator+(const Lanes& a, const Lanes& b) { return F(a.raw + b.raw); }
  friend FUSELAGE_HD Lanes operator-(const Lanes& a, const Lanes& b) { return F(a.raw - b.raw); }
  friend FUSELAGE_HD Lanes operator*(const Lanes& a, const Lanes& b) { return F(a.raw * b.raw); }
  friend FUSELAGE_HD Lanes operator/(const Lanes& a, const Lanes& b) { return F(a.raw / b.raw); }
  friend FUSELAGE_HD Lanes operator-(const Lanes& a) { return F(-a.raw); }
  friend FUSELAGE_HD Mask operator<(const Lanes& a, const Lanes& b) { return I(a.raw < b.raw); }
  friend FUSELAGE_HD Mask operator<=(const Lanes& a, const Lanes& b) { return I(a.raw <= b.raw); }
  friend FUSELAGE_HD Mask operator>(const Lanes& a, const Lanes& b) { return I(a.raw > b.raw); }
  friend FUSELAGE_HD Mask operator>=(const Lanes& a, const Lanes& b) { return I(a.raw >= b.raw); }
  friend FUSELAGE_HD Mask operator==(const Lanes& a, const Lanes& b) { return I(a.raw == b.raw); }
  friend FUSELAGE_HD Mask operator!=(const Lanes& a, const Lanes& b) { return I(a.raw != b.raw); }

  /// f of each lane.
  template <class Op, class... Rest>
  static FUSELAGE_HD Lanes each(Op f, const Lanes& a, const Rest&... rest) {
    if constexpr (N == 1) {
      return f(a.raw, rest.raw...);
    } else {
      F r{};
      for (int i = 0; i < N; ++i) r[i] = f(a.raw[i], rest.raw[i]...);
      return r;
    }
  }
};

// ---- core/scalar.h -------------------------------------------------------------------------------------------------

namespace detail {
struct FmaOfLane {
  FUSELAGE_HD float operator()(float a, float b, float c) const { return fuselage::fma(a, b, c); }
};
struct SqrtOfLane {
  FUSELAGE_HD float operator()(float a) const { return fuselage::sqrt(a); }
};
}  // namespace detail

template <int N>
FUSELAGE_HD Lanes<N> fma(const Lanes<N>& a, const Lanes<N>& b, const Lanes<N>& c) {
  return Lanes<N>::each(detail::FmaOfLane{}, a, b, c);
}
template <int N>
FUSELAGE_HD Lanes<N> sqrt(const Lanes<N>& a) {
  return Lanes<N>::each(detail::SqrtOfLane{}, a);
}
template <int N>
FUSELAGE_HD Lanes<N> select(const LaneMask<N>& c, const Lanes<N>& a, const Lanes<N>& b) {
  using F = typename Lanes<N>::F;
  return F(c.raw ? a.raw : b.raw);
}
template <int N>
FUSELAGE_HD LaneBits<N> bits(const Lanes<N>& a) {
  using I = typename Lanes<N>::I;
  return __builtin_bit_cast(I, a.raw);
}
template <int N>
FUSELAGE_HD Lanes<N> from_bits(const LaneBits<N>& a) {
  using F = typename Lanes<N>::F;
  return __builtin_bit_cast(F, a.raw);
}
template <int N>
FUSELAGE_HD Lanes<N> abs(const Lanes<N>& a) {
  return from_bits(bits(a) & LaneBits<N>(INT32_MAX));
}
template <int N>
FUSELAGE_HD Lanes<N> copysign(const Lanes<N>& a, const Lanes<N>& b) {
  return from_bits((bits(a) & LaneBits<N>(INT32_MAX)) | (bits(b) & LaneBits<N>(INT32_MIN)));
}
template <int N>
FUSELAGE_HD Lanes<N> greater_of(const Lanes<N>& a, const Lanes<N>& b) {
  using F = typename Lanes<N>::F;
  return F(a.raw > b.raw ? a.raw : b.raw);
}
template <int N>
FUSELAGE_HD Lanes<N> lesser_of(const Lanes<N>& a, const Lanes<N>& b) {
  using F = typename Lanes<N>::F;
  return F(a.raw < b.raw ? a.raw : b.raw);
}

}  // namespace fuselage

namespace fuselage::cpu {

// ---- core/simd.h ---------------------------------------------------------------------------------------------------

/// How many lanes of the mask are set.
template <int N>
FUSELAGE_HD std::int64_t count(const LaneMask<N>& m) {
  if constexpr (N == 1) {
    return m.raw;
  } else {
    std::int32_t n = 0;
    for (int i = 0; i < N; ++i) n -= m.raw[i];
    return n;
  }
}

template <int N>
FUSELAGE_HD void store_raw(const Lanes<N>& x, float* p) {
  __builtin_memcpy(p, &x.raw, sizeof x.raw);
}
template <int N>
FUSELAGE_HD void store(const Lanes<N>& x, float* p) {
  store_raw(canonical_nan(x), p);
}
template <int N>
FUSELAGE_HD void add_to(const Lanes<N>& x, double* lane) {
  if constexpr (N == 1)
    *lane = *lane + static_cast<double>(x.raw);
  else
    for (int i = 0; i < N; ++i) lane[i] = lane[i] + static_cast<double>(x.raw[i]);
}
/// 16 bits of each lane.
template <int N, class T>
FUSELAGE_HD void store_halves(const LaneBits<N>& x, T* p) {
  using H = typename LaneTypes<N>::H;
  H half;
  if constexpr (N == 1)
    half = static_cast<H>(x.raw);
  else
    half = __builtin_convertvector(x.raw, H);
  __builtin_memcpy(p, &half, sizeof half);
}
/// from_float<bf16>() of dtype.h.
template <int N>
FUSELAGE_HD void store(const Lanes<N>& x, bf16* p) {
  const LaneBits<N> word = bits(canonical_nan(x));
  store_halves((word + LaneBits<N>(0x7fff) + ((word >> 16) & LaneBits<N>(1))) >> 16, p);
}
/// from_float<f16>() of dtype.h.
template <int N>
FUSELAGE_HD void store(const Lanes<N>& x, f16* p) {
  using V = Lanes<N>;
  using I = LaneBits<N>;
  const V a = abs(x);
  const I word = bits(a), small = bits(a + V(0.5)) - I(0x3f000000);
  const I normal = (word - I(0x38000000) + I(0xfff) + ((word >> 13) & I(1))) >> 13;
  V h = select(a < V(0x1p-14), from_bits(small), from_bits(normal));
  h = select(a >= V(65520.0), from_bits(I(0x7c00)), h);
  const V sign = from_bits((bits(x) >> 16) & I(0x8000));
  store_halves(bits(select(x == x, from_bits(bits(h) | bits(sign)), from_bits(I(0x7e00)))), p);
}
template <int N, class T>
FUSELAGE_HD void stream(const Lanes<N>& x, T* p) {
  store(x, p);
}

template <int N>
struct Simd<Lanes<N>> {
  static constexpr int kWidth = N;
  using V = Lanes<N>;
  using I = LaneBits<N>;

  FUSELAGE_HD static V load(const float* p) {
    typename V::F x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
  }
  FUSELAGE_HD static V load(const bf16* p) { return from_bits(halves(p) << 16); }
  /// to_float() of dtype.h.
  FUSELAGE_HD static V load(const f16* p) {
    const I half = halves(p), rest = half & I(0x7fff), word = rest << 13;
    const V finite = from_bits(word) * V(0x1p112);
    const V magnitude = select(from_bits(word) >= from_bits(I(0x7c00 << 13)), from_bits(word | I(0x7f800000)), finite);
    return from_bits(bits(magnitude) | ((half & I(0x8000)) << 16));
  }

 private:
  template <class T>
  FUSELAGE_HD static I halves(const T* p) {
    typename LaneTypes<N>::H half;
    __builtin_memcpy(&half, p, sizeof half);
    using Wide = typename V::I;
    if constexpr (N == 1)
      return Wide{half};
    else
      return __builtin_convertvector(half, Wide);
  }
};

}  // namespace fuselage::cpu
