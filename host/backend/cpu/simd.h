// A vector of floats with the operations of core/scalar.h, over Highway's static dispatch.
//
// This file is compiled once for each instruction set, by a translation unit of its own with that set's flags, and
// everything in it stands in Highway's namespace for that set (N_AVX2, N_AVX3, ...). Templates instantiated with
// these types therefore have names of their own for each set, which a test checks in the object files.
#pragma once

#include <hwy/highway.h>

#include "fuselage/core/dtype.h"
#include "fuselage/core/partition.h"
#include "fuselage/core/simd.h"

namespace fuselage::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using IntTag = hn::Rebind<std::int32_t, FloatTag>;
using WordTag = hn::Rebind<std::uint32_t, FloatTag>;
using HalfTag = hn::Rebind<std::uint16_t, FloatTag>;
using Float16Tag = hn::Rebind<hwy::float16_t, FloatTag>;
using HalfFloatTag = hn::Half<FloatTag>;
using DoubleTag = hn::Rebind<double, HalfFloatTag>;
using ByteTag = hn::Rebind<std::uint8_t, FloatTag>;

struct Mask {
  hn::Mask<FloatTag> raw;
  friend FUSELAGE_HD Mask operator&(Mask a, Mask b) { return {hn::And(a.raw, b.raw)}; }
  friend FUSELAGE_HD Mask operator|(Mask a, Mask b) { return {hn::Or(a.raw, b.raw)}; }
  friend FUSELAGE_HD Mask operator!(Mask a) { return {hn::Not(a.raw)}; }
};

/// The lanes' bit patterns, as signed integers.
struct Int {
  hn::Vec<IntTag> raw;
  FUSELAGE_HD Int(hn::Vec<IntTag> v) : raw(v) {}
  FUSELAGE_HD Int(std::int32_t v) : raw(hn::Set(IntTag(), v)) {}
  friend FUSELAGE_HD Int operator+(Int a, Int b) { return hn::Add(a.raw, b.raw); }
  friend FUSELAGE_HD Int operator-(Int a, Int b) { return hn::Sub(a.raw, b.raw); }
  friend FUSELAGE_HD Int operator&(Int a, Int b) { return hn::And(a.raw, b.raw); }
  friend FUSELAGE_HD Int operator|(Int a, Int b) { return hn::Or(a.raw, b.raw); }
  friend FUSELAGE_HD Int operator^(Int a, Int b) { return hn::Xor(a.raw, b.raw); }
  friend FUSELAGE_HD Int operator<<(Int a, int n) { return hn::ShiftLeftSame(a.raw, n); }
  friend FUSELAGE_HD Int operator>>(Int a, int n) { return hn::ShiftRightSame(a.raw, n); }
};

struct Vec {
  static constexpr int kLanes = static_cast<int>(hn::MaxLanes(FloatTag()));
  hn::Vec<FloatTag> raw;

  Vec() = default;
  FUSELAGE_HD Vec(hn::Vec<FloatTag> v) : raw(v) {}
  FUSELAGE_HD explicit Vec(double v) : raw(hn::Set(FloatTag(), static_cast<float>(v))) {}

  friend FUSELAGE_HD Vec operator+(Vec a, Vec b) { return hn::Add(a.raw, b.raw); }
  friend FUSELAGE_HD Vec operator-(Vec a, Vec b) { return hn::Sub(a.raw, b.raw); }
  friend FUSELAGE_HD Vec operator*(Vec a, Vec b) { return hn::Mul(a.raw, b.raw); }
  friend FUSELAGE_HD Vec operator/(Vec a, Vec b) { return hn::Div(a.raw, b.raw); }
  friend FUSELAGE_HD Vec operator-(Vec a) { return hn::Neg(a.raw); }
  friend FUSELAGE_HD Mask operator<(Vec a, Vec b) { return {hn::Lt(a.raw, b.raw)}; }
  friend FUSELAGE_HD Mask operator<=(Vec a, Vec b) { return {hn::Le(a.raw, b.raw)}; }
  friend FUSELAGE_HD Mask operator>(Vec a, Vec b) { return {hn::Gt(a.raw, b.raw)}; }
  friend FUSELAGE_HD Mask operator>=(Vec a, Vec b) { return {hn::Ge(a.raw, b.raw)}; }
  friend FUSELAGE_HD Mask operator==(Vec a, Vec b) { return {hn::Eq(a.raw, b.raw)}; }
  /// NaN differs from everything: hn::Ne says no there.
  friend FUSELAGE_HD Mask operator!=(Vec a, Vec b) { return {hn::Not(hn::Eq(a.raw, b.raw))}; }
};

FUSELAGE_HD Vec fma(Vec a, Vec b, Vec c) { return hn::MulAdd(a.raw, b.raw, c.raw); }
FUSELAGE_HD Vec sqrt(Vec x) { return hn::Sqrt(x.raw); }
FUSELAGE_HD Vec abs(Vec x) { return hn::Abs(x.raw); }
FUSELAGE_HD Vec copysign(Vec a, Vec b) { return hn::CopySign(a.raw, b.raw); }
FUSELAGE_HD Vec select(Mask c, Vec a, Vec b) { return hn::IfThenElse(c.raw, a.raw, b.raw); }
// x86's max and min instructions give their second operand for NaN and for two zeros, as scalar.h asks.
FUSELAGE_HD Vec greater_of(Vec a, Vec b) { return hn::Max(a.raw, b.raw); }
FUSELAGE_HD Vec lesser_of(Vec a, Vec b) { return hn::Min(a.raw, b.raw); }
FUSELAGE_HD Int bits(Vec x) { return hn::BitCast(IntTag(), x.raw); }
FUSELAGE_HD Vec from_bits(Int x) { return hn::BitCast(FloatTag(), x.raw); }

/// How many lanes of the mask are set.
FUSELAGE_HD std::int64_t count(Mask m) { return static_cast<std::int64_t>(hn::CountTrue(FloatTag(), m.raw)); }

// ---- memory: any alignment, but for stream, which needs the address to be a multiple of the vector ------------------

FUSELAGE_HD Vec load(const float* p) { return hn::LoadU(FloatTag(), p); }
FUSELAGE_HD Vec load(const bf16* p) {
  const auto half = hn::LoadU(HalfTag(), reinterpret_cast<const std::uint16_t*>(p));
  return hn::BitCast(FloatTag(), hn::ShiftLeft<16>(hn::PromoteTo(WordTag(), half)));
}
FUSELAGE_HD Vec load(const f16* p) {
  return hn::PromoteTo(FloatTag(), hn::LoadU(Float16Tag(), reinterpret_cast<const hwy::float16_t*>(p)));
}
FUSELAGE_HD Vec load(const std::uint8_t* p) {
  return hn::ConvertTo(FloatTag(), hn::PromoteTo(IntTag(), hn::LoadU(ByteTag(), p)));
}

namespace detail {
FUSELAGE_HD Vec one_nan(Vec x) { return select(x == x, x, from_bits(Int(0x7fc00000))); }
FUSELAGE_HD auto round_to_bf16(Vec x) {
  const auto word = hn::BitCast(WordTag(), one_nan(x).raw);
  const auto odd = hn::And(hn::ShiftRight<16>(word), hn::Set(WordTag(), 1u));
  const auto rounded = hn::ShiftRight<16>(hn::Add(word, hn::Add(odd, hn::Set(WordTag(), 0x7fffu))));
  return hn::DemoteTo(HalfTag(), hn::BitCast(IntTag(), rounded));
}
}  // namespace detail

FUSELAGE_HD void store(Vec x, float* p) { hn::StoreU(detail::one_nan(x).raw, FloatTag(), p); }
FUSELAGE_HD void store(Vec x, bf16* p) {
  hn::StoreU(detail::round_to_bf16(x), HalfTag(), reinterpret_cast<std::uint16_t*>(p));
}
FUSELAGE_HD void store(Vec x, f16* p) {
  hn::StoreU(hn::DemoteTo(Float16Tag(), detail::one_nan(x).raw), Float16Tag(), reinterpret_cast<hwy::float16_t*>(p));
}

/// As store, but NaN keeps its bits.
FUSELAGE_HD void store_raw(Vec x, float* p) { hn::StoreU(x.raw, FloatTag(), p); }

/// Adds each element of x to the double of its place.
FUSELAGE_HD void add_to(Vec x, double* lane) {
  const DoubleTag tag;
  const HalfFloatTag half;
  double* const upper = lane + Vec::kLanes / 2;
  hn::StoreU(hn::Add(hn::LoadU(tag, lane), hn::PromoteTo(tag, hn::LowerHalf(half, x.raw))), tag, lane);
  hn::StoreU(hn::Add(hn::LoadU(tag, upper), hn::PromoteTo(tag, hn::UpperHalf(half, x.raw))), tag, upper);
}

/// Stores past the caches: for results that are larger than they are and are not read again at once.
FUSELAGE_HD void stream(Vec x, float* p) { hn::Stream(detail::one_nan(x).raw, FloatTag(), p); }
FUSELAGE_HD void stream(Vec x, bf16* p) {
  hn::Stream(detail::round_to_bf16(x), HalfTag(), reinterpret_cast<std::uint16_t*>(p));
}
FUSELAGE_HD void stream(Vec x, f16* p) { store(x, p); }

/// Neighbouring lanes added: lane i of the result is v[2i] + v[2i + 1] of v = lo followed by hi.
FUSELAGE_HD Vec add_neighbours(Vec lo, Vec hi) {
  return hn::Add(hn::ConcatEven(FloatTag(), hi.raw, lo.raw), hn::ConcatOdd(FloatTag(), hi.raw, lo.raw));
}

}  // namespace fuselage::cpu::HWY_NAMESPACE

namespace fuselage::cpu {

template <>
struct Simd<HWY_NAMESPACE::Vec> {
  using Vec = HWY_NAMESPACE::Vec;
  static constexpr int kWidth = Vec::kLanes;

  template <class T>
  FUSELAGE_HD static Vec load(const T* p) {
    return HWY_NAMESPACE::load(p);
  }
  /// Elements p[0], p[stride] ... The processor's gather has 32-bit offsets, and only 4-byte elements.
  template <class T>
  FUSELAGE_HD static Vec gather(const T* p, std::int64_t stride) {
    namespace hn = hwy::HWY_NAMESPACE;
    if constexpr (sizeof(T) == 4) {
      if (stride >= 0 && stride <= (1 << 24)) return hn::GatherIndex(HWY_NAMESPACE::FloatTag(), p, offsets(stride).raw);
    }
    alignas(64) float lane[kWidth];
    for (int i = 0; i < kWidth; ++i) lane[i] = to_float(p[i * stride]);
    return HWY_NAMESPACE::load(lane);
  }
  template <class T>
  FUSELAGE_HD static void scatter(Vec x, T* p, std::int64_t stride) {
    alignas(64) float lane[kWidth];
    HWY_NAMESPACE::store(x, lane);
    for (int i = 0; i < kWidth; ++i) {
      if constexpr (sizeof(T) == 4)
        p[i * stride] = lane[i];
      else
        p[i * stride] = from_float<T>(lane[i]);
    }
  }
  /// The canonical sum of 256 lanes; `lane` is overwritten.
  FUSELAGE_HD static float add(Vec* lane) {
    for (int n = kLanes / kWidth; n > 1; n /= 2)
      for (int i = 0; i < n / 2; ++i) lane[i] = HWY_NAMESPACE::add_neighbours(lane[2 * i], lane[2 * i + 1]);
    alignas(64) float last[kWidth];
    HWY_NAMESPACE::hn::Store(lane[0].raw, HWY_NAMESPACE::FloatTag(), last);
    for (int n = kWidth; n > 1; n /= 2)
      for (int i = 0; i < n / 2; ++i) last[i] = last[2 * i] + last[2 * i + 1];
    return last[0];
  }
  FUSELAGE_HD static double add(double* lane) {
    namespace hn = hwy::HWY_NAMESPACE;
    const HWY_NAMESPACE::DoubleTag tag;
    constexpr int kDoubles = kWidth / 2;
    int n = kLanes / 2;  // of the level that is written
    for (; n >= kDoubles; n /= 2)
      for (int i = 0; i < n; i += kDoubles) {
        const auto low = hn::LoadU(tag, lane + 2 * i), high = hn::LoadU(tag, lane + 2 * i + kDoubles);
        hn::StoreU(hn::Add(hn::ConcatEven(tag, high, low), hn::ConcatOdd(tag, high, low)), tag, lane + i);
      }
    for (; n > 0; n /= 2)
      for (int i = 0; i < n; ++i) lane[i] = lane[2 * i] + lane[2 * i + 1];
    return lane[0];
  }
  /// The largest lane; NaN is passed over.
  FUSELAGE_HD static float largest(Vec x) {
    alignas(64) float lane[kWidth];
    HWY_NAMESPACE::hn::Store(x.raw, HWY_NAMESPACE::FloatTag(), lane);
    float most = -__builtin_inff();
    for (int i = 0; i < kWidth; ++i) most = greater_of(lane[i], most);
    return most;
  }

 private:
  FUSELAGE_HD static HWY_NAMESPACE::Int offsets(std::int64_t stride) {
    namespace hn = hwy::HWY_NAMESPACE;
    const HWY_NAMESPACE::IntTag tag;
    return hn::Mul(hn::Iota(tag, 0), hn::Set(tag, static_cast<std::int32_t>(stride)));
  }
};

}  // namespace fuselage::cpu
