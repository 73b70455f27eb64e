// The value and the derivative of a pointwise loss, whether it gives the derivative itself or not.
#pragma once

#include <concepts>

#include "fuselage/core/dual.h"
#include "fuselage/loss/concepts.h"

namespace fuselage {

/// `l(y, t)` gives the value alone: the derivative comes from dual numbers. The call must be a template on one scalar
/// type, written from core/scalar.h and core/math.h.
template <class L>
concept ValueOnly = requires(const L l, float f) {
  { l(f, f) } -> std::same_as<float>;
};

/// One pass either way.
template <class L, class S>
FUSELAGE_HD ValueGrad<S> value_and_gradient(const L& loss, S y, S t) {
  if constexpr (ValueOnly<L>) {
    const Dual<S> out = loss(variable(y), constant(t));
    return {out.value, out.slope};
  } else {
    return loss(y, t);
  }
}

}  // namespace fuselage
