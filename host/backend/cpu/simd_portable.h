// The vector of one lane: what simd.h offers, for machines and builds without a vector set of their own.
#pragma once

#include "fuselage/core/dtype.h"

namespace fuselage::cpu {

FUSELAGE_HD std::int64_t count(bool m) { return m ? 1 : 0; }

template <class T>
FUSELAGE_HD float load(const T* p) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<float>(*p);
  else
    return to_float(*p);
}
template <class T>
FUSELAGE_HD void store(float x, T* p) {
  *p = from_float<T>(x);
}
template <class T>
FUSELAGE_HD void stream(float x, T* p) {
  *p = from_float<T>(x);
}

}  // namespace fuselage::cpu
