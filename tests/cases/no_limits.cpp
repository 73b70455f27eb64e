// A build without kernels: there is nothing to limit.
#include "tests/cases/device_limits.h"

namespace fuselage::cases {

void set_device_limits(const DeviceLimits&) {}

}  // namespace fuselage::cases
