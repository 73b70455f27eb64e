// The vector targets that were built and that this processor can run.
#pragma once

#include <vector>

#include "host/backend/cpu/target.h"

namespace fuselage::cpu {

/// The best first; without the portable target, which always works.
std::vector<const Target*> vector_targets();

}  // namespace fuselage::cpu
