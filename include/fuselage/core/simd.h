// What the drivers of the CPU ask of a vector beside the operations of scalar.h, and the vector of one lane: a float,
// for machines and builds without a vector set of their own.
#pragma once

#include "fuselage/core/dtype.h"
#include "fuselage/core/partition.h"

namespace fuselage::cpu {

/// What the drivers ask of a vector type V beside the operations of core/scalar.h.
template <class V>
struct Simd;

FUSELAGE_HD std::int64_t count(bool m) { return m ? 1 : 0; }

template <class T>
FUSELAGE_HD void store(float x, T* p) {
  *p = from_float<T>(x);
}
/// As store, but NaN keeps its bits.
FUSELAGE_HD void store_raw(float x, float* p) { *p = x; }
/// Adds each element of x to the double of its place.
FUSELAGE_HD void add_to(float x, double* lane) { *lane = *lane + static_cast<double>(x); }
template <class T>
FUSELAGE_HD void stream(float x, T* p) {
  *p = from_float<T>(x);
}

template <>
struct Simd<float> {
  static constexpr int kWidth = 1;
  template <class T>
  FUSELAGE_HD static float load(const T* p) {
    return to_float(*p);
  }
  FUSELAGE_HD static float load(const std::uint8_t* p) { return static_cast<float>(*p); }
  /// Elements p[0], p[stride] ...
  template <class T>
  FUSELAGE_HD static float gather(const T* p, std::int64_t) {
    return to_float(*p);
  }
  template <class T>
  FUSELAGE_HD static void scatter(float x, T* p, std::int64_t) {
    *p = from_float<T>(x);
  }
  /// The canonical sum of 256 lanes; `lane` is overwritten.
  FUSELAGE_HD static float add(float* lane) { return add_lanes(lane); }
  FUSELAGE_HD static double add(double* lane) { return add_lanes(lane); }
  /// The largest lane; NaN is passed over.
  FUSELAGE_HD static float largest(float x) { return greater_of(x, -__builtin_inff()); }
};

}  // namespace fuselage::cpu
