// What an activation is: a scalar function and its derivative.
#pragma once

#include <concepts>
#include <string_view>

#include "fuselage/core/hd.h"

namespace fuselage::activation {

/// `value(z)`; and `slope(z, a)`, its derivative, where a = value(z). With `needs_input` false, slope looks at a alone,
/// and the pre-activation z need not be kept.
template <class A>
concept Activation = requires(const A act, float z) {
  { act.value(z) } -> std::same_as<float>;
  { act.slope(z, z) } -> std::same_as<float>;
  { A::needs_input } -> std::convertible_to<bool>;
  { A::name } -> std::convertible_to<std::string_view>;
};

}  // namespace fuselage::activation
