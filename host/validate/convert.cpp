// Arrays from one element type to another.
#include <algorithm>

#include "host/validate/problem.h"

namespace fuselage::validate {
namespace {

/// Calls f with the elements, whatever their type; f is generic.
template <class F>
void with_elements(const Array& a, F&& f) {
  switch (a.dtype()) {
    case DType::f32: return f(a.as<float>());
    case DType::bf16: return f(a.as<bf16>());
    case DType::f16: return f(a.as<f16>());
    case DType::f64: return f(a.as<double>());
    case DType::u8: return f(a.as<std::uint8_t>());
    case DType::i8: return f(a.as<std::int8_t>());
    case DType::i16: return f(a.as<std::int16_t>());
    case DType::i32: return f(a.as<std::int32_t>());
    case DType::i64: return f(a.as<std::int64_t>());
  }
}

template <class T>
double widened(T x) {
  if constexpr (std::is_same_v<T, bf16> || std::is_same_v<T, f16>)
    return static_cast<double>(to_float(x));
  else
    return static_cast<double>(x);
}

}  // namespace

std::vector<double> to_doubles(const Array& array) {
  std::vector<double> result;
  with_elements(array, [&](auto elements) {
    result.reserve(elements.size());
    for (const auto x : elements) result.push_back(widened(x));
  });
  return result;
}

Array converted(const Array& array, DType type) {
  if (array.dtype() == type) return array;
  Array result = Array::uninitialized(type, array.shape());
  if (is_label(type)) {
    require(type == DType::i64 && is_label(array.dtype()), Errc::bad_dtype,
            "integers are made from integers, and as i64 only");
    with_elements(array, [&](auto elements) {
      std::transform(elements.begin(), elements.end(), result.as<std::int64_t>().begin(), [](auto x) {
        if constexpr (std::is_integral_v<decltype(x)>)
          return static_cast<std::int64_t>(x);
        else
          return std::int64_t{0};
      });
    });
  } else if (type == DType::f64) {
    std::ranges::copy(to_doubles(array), result.as<double>().begin());
  } else {
    dispatch(type, [&]<class T>() {
      std::span<T> to = result.as<T>();
      with_elements(array, [&](auto elements) {
        for (std::size_t i = 0; i < elements.size(); ++i)
          to[i] = from_float<T>(static_cast<float>(widened(elements[i])));
      });
    });
  }
  return result;
}

}  // namespace fuselage::validate
