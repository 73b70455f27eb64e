// What the kernels of this build may use of their device; a linked file decides: kernels_limits.cpp where there are
// kernels, no_limits.cpp elsewhere.
#pragma once

#include "tests/cases/group.h"

namespace fuselage::cases {

/// For the passes that are queued from now on. Nothing is taken that the device does not have.
void set_device_limits(const DeviceLimits& limits);

}  // namespace fuselage::cases
