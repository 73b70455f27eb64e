// Losses of one's own on the emulated device with its accesses checked, which takes a compiler long: a few of them.
#include "fuselage/cuda/own_launch.h"
#include "tests/cases/custom_losses.h"

namespace fuselage::cases {

std::vector<CustomLoss> device_losses() { return few_custom_losses(); }

}  // namespace fuselage::cases
