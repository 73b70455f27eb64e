// No vector targets: the processor is not an x86-64.
#include "host/backend/cpu/vector_targets.h"

namespace fuselage::cpu {

std::vector<const Target*> vector_targets() { return {}; }

}  // namespace fuselage::cpu
