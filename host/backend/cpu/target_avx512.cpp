// The drivers for AVX-512. Compiled with that set's flags: nothing in this file may run before cpu_backend.cpp has
// asked the processor.
#include "host/backend/cpu/simd.h"
#include "host/backend/cpu/target_table.h"

namespace fuselage::cpu {

static_assert(HWY_STATIC_TARGET == HWY_AVX3, "this file needs the compile flags of its instruction set");

const Target& avx512_target() {
  static constexpr Target table = make_target<HWY_NAMESPACE::Vec>("avx512");
  return table;
}

}  // namespace fuselage::cpu
