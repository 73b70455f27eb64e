// The drivers for one lane, compiled for every machine that the project builds on.
#include "host/backend/cpu/target_table.h"

namespace fuselage::cpu {

const Target& portable_target() {
  static constexpr Target table = make_target<float>("portable");
  return table;
}

}  // namespace fuselage::cpu
