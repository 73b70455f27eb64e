// Element types: how numbers are stored, and how a runtime type becomes a compile-time one.
//
// Storage is fp32, bf16, fp16 (and fp64 for tests); arithmetic is fp32 (fp64 for fp64). Labels are integers. bf16 and
// f16 are two-byte structs of our own with the bits of CUDA's types, so no CUDA header is needed to name them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>

#include "fuselage/core/error.h"
#include "fuselage/core/hd.h"
#include "fuselage/core/scalar.h"

namespace fuselage {

/// bfloat16: the upper half of a float.
struct bf16 {
  std::uint16_t bits;
};

/// IEEE binary16.
struct f16 {
  std::uint16_t bits;
};

enum class DType : std::uint8_t { f32, bf16, f16, f64, u8, i8, i16, i32, i64 };

namespace detail {
struct DTypeInfo {
  std::string_view name;
  std::size_t size;
};
inline constexpr DTypeInfo kDTypes[] = {{"fp32", 4}, {"bf16", 2}, {"fp16", 2}, {"fp64", 8}, {"u8", 1},
                                        {"i8", 1},   {"i16", 2},  {"i32", 4},  {"i64", 8}};
}  // namespace detail

constexpr std::string_view name_of(DType type) { return detail::kDTypes[static_cast<int>(type)].name; }
constexpr std::size_t size_of(DType type) { return detail::kDTypes[static_cast<int>(type)].size; }
constexpr bool is_label(DType type) { return type >= DType::u8; }
constexpr bool is_real(DType type) { return type < DType::u8; }

template <class T>
consteval DType dtype_of() {
  if constexpr (std::is_same_v<T, float>)
    return DType::f32;
  else if constexpr (std::is_same_v<T, bf16>)
    return DType::bf16;
  else if constexpr (std::is_same_v<T, f16>)
    return DType::f16;
  else if constexpr (std::is_same_v<T, double>)
    return DType::f64;
  else if constexpr (std::is_same_v<T, std::uint8_t>)
    return DType::u8;
  else if constexpr (std::is_same_v<T, std::int8_t>)
    return DType::i8;
  else if constexpr (std::is_same_v<T, std::int16_t>)
    return DType::i16;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return DType::i32;
  else
    return static_cast<DType>(std::is_same_v<T, std::int64_t> ? DType::i64 : throw "no dtype for this type");
}

/// The NaN that every backend stores: x86 and CUDA make different ones.
template <class S>
FUSELAGE_HD S canonical_nan(S x) {
  return select(x == x, x, S(__builtin_nan("")));
}

// ---- conversions, round to nearest even; a NaN becomes the canonical one of its type --------------------------------

FUSELAGE_HD float to_float(float x) { return x; }
FUSELAGE_HD float to_float(bf16 x) { return from_bits(static_cast<std::int32_t>(std::uint32_t{x.bits} << 16)); }
FUSELAGE_HD float to_float(f16 x) {
  // Exponent and mantissa move into place with a bias that a multiplication by 2^112 mends, denormals included; that
  // leaves infinity and NaN, whose exponent becomes all ones.
  const std::uint32_t sign = (std::uint32_t{x.bits} & 0x8000u) << 16, rest = std::uint32_t{x.bits} & 0x7fffu;
  const float magnitude = from_bits(static_cast<std::int32_t>(rest << 13)) * 0x1p112f;
  const std::uint32_t finite = static_cast<std::uint32_t>(bits(magnitude));
  return from_bits(static_cast<std::int32_t>(sign | (rest >= 0x7c00u ? (rest << 13) | 0x7f800000u : finite)));
}

template <class T>
FUSELAGE_HD T from_float(float x);

template <>
FUSELAGE_HD float from_float<float>(float x) {
  return x == x ? x : from_bits(0x7fc00000);
}
template <>
FUSELAGE_HD bf16 from_float<bf16>(float x) {
  const std::uint32_t u = static_cast<std::uint32_t>(bits(x));
  return {static_cast<std::uint16_t>(x == x ? (u + 0x7fffu + ((u >> 16) & 1u)) >> 16 : 0x7fc0u)};
}
template <>
FUSELAGE_HD f16 from_float<f16>(float x) {
#if defined(__CUDA_ARCH__)
  std::uint16_t h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x));
  return {static_cast<std::uint16_t>(x == x ? h : 0x7e00u)};
#else
  const std::uint32_t u = static_cast<std::uint32_t>(bits(x)), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
  if (a > 0x7f800000u) return {0x7e00};
  if (a >= 0x477ff000u) return {static_cast<std::uint16_t>(sign | 0x7c00u)};  // rounds to 65536 or more: infinity
  if (a < 0x38800000u) {  // below 2^-14: adding 0.5 leaves the denormal's bits, rightly rounded, at the bottom
    const std::uint32_t r = static_cast<std::uint32_t>(bits(abs(x) + 0.5f)) - 0x3f000000u;
    return {static_cast<std::uint16_t>(sign | r)};
  }
  return {static_cast<std::uint16_t>(sign | ((a - 0x38000000u + 0xfffu + ((a >> 13) & 1u)) >> 13))};
#endif
}

/// Calls f.template operator()<T>() with the storage type that `type` names (fp32, bf16, fp16); the only switch.
template <class F>
decltype(auto) dispatch(DType type, F&& f) {
  switch (type) {
    case DType::f32: return f.template operator()<float>();
    case DType::bf16: return f.template operator()<bf16>();
    case DType::f16: return f.template operator()<f16>();
    default: throw Error(Errc::bad_dtype, "expected fp32, bf16 or fp16, got " + std::string(name_of(type)));
  }
}

/// The same for the integer types of labels.
template <class F>
decltype(auto) dispatch_label(DType type, F&& f) {
  switch (type) {
    case DType::u8: return f.template operator()<std::uint8_t>();
    case DType::i8: return f.template operator()<std::int8_t>();
    case DType::i16: return f.template operator()<std::int16_t>();
    case DType::i32: return f.template operator()<std::int32_t>();
    case DType::i64: return f.template operator()<std::int64_t>();
    default: throw Error(Errc::bad_dtype, "expected an integer label type, got " + std::string(name_of(type)));
  }
}

/// "fp32" -> DType::f32; throws Error(unknown_name).
inline DType parse_dtype(std::string_view text) {
  for (int i = 0; i < static_cast<int>(std::size(detail::kDTypes)); ++i)
    if (detail::kDTypes[i].name == text) return static_cast<DType>(i);
  throw Error(Errc::unknown_name,
              "unknown dtype '" + std::string(text) + "'; known: fp32, bf16, fp16, fp64, u8, i8, i16, i32, i64");
}

}  // namespace fuselage
