// Losses of one's own on the emulated device, which no nvcc compiles: the kernels' header is included by name.
#include "fuselage/cuda/own_launch.h"
#include "tests/cases/custom_losses.h"

namespace fuselage::cases {

std::vector<CustomLoss> device_losses() { return all_custom_losses(); }

}  // namespace fuselage::cases
