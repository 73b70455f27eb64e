// The same over the vectors of the CPU backend.
#pragma once

#include "host/backend/cpu/simd.h"
#include "tests/math_bits/run.h"

namespace fuselage::math_bits {
namespace {

using cpu::HWY_NAMESPACE::Vec;

template <>
struct Lanes<Vec> {
  static constexpr int kCount = Vec::kLanes;
  static Vec load(const float* p) { return cpu::HWY_NAMESPACE::load(p); }
  static void store(Vec y, float* p) { cpu::HWY_NAMESPACE::store(y, p); }
};

}  // namespace
}  // namespace fuselage::math_bits
