// Loops over the elements of arrays whose type is known at run time: byte order and the type switch.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "fuselage/array.h"

namespace fuselage::data {

static_assert(std::endian::native == std::endian::little, "the file formats are read and written on this assumption");

template <class U>
U byte_swapped(U x) {
  if constexpr (sizeof(U) == 2)
    return __builtin_bswap16(x);
  else if constexpr (sizeof(U) == 4)
    return __builtin_bswap32(x);
  else
    return __builtin_bswap64(x);
}

template <class U>
void reverse_each_as(std::byte* data, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    U x;
    std::memcpy(&x, data + i * sizeof(U), sizeof(U));
    x = byte_swapped(x);
    std::memcpy(data + i * sizeof(U), &x, sizeof(U));
  }
}

/// Reverses the bytes of each of `count` elements of `width` bytes: 1, 2, 4 or 8.
inline void reverse_each(std::byte* data, std::size_t count, std::size_t width) {
  switch (width) {
    case 2: return reverse_each_as<std::uint16_t>(data, count);
    case 4: return reverse_each_as<std::uint32_t>(data, count);
    case 8: return reverse_each_as<std::uint64_t>(data, count);
    default: return;
  }
}

/// Calls f.template operator()<T>() for any of the nine types.
template <class F>
decltype(auto) visit(DType type, F&& f) {
  switch (type) {
    case DType::f32: return f.template operator()<float>();
    case DType::bf16: return f.template operator()<bf16>();
    case DType::f16: return f.template operator()<f16>();
    case DType::f64: return f.template operator()<double>();
    case DType::u8: return f.template operator()<std::uint8_t>();
    case DType::i8: return f.template operator()<std::int8_t>();
    case DType::i16: return f.template operator()<std::int16_t>();
    case DType::i32: return f.template operator()<std::int32_t>();
    case DType::i64: break;
  }
  return f.template operator()<std::int64_t>();
}

}  // namespace fuselage::data
