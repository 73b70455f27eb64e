// A build without kernels: there is nothing to limit, and no loss of one's own on a device.
#include "tests/cases/custom_losses.h"
#include "tests/cases/device_limits.h"

namespace fuselage::cases {

void set_device_limits(const DeviceLimits&) {}

std::vector<CustomLoss> device_losses() { return {}; }

}  // namespace fuselage::cases
