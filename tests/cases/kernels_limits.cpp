// A build with kernels: their limits, below those that the backend found when it was made.
#include <algorithm>

#include "kernels/kernels.h"
#include "tests/cases/device_limits.h"

namespace fuselage::cases {

void set_device_limits(const DeviceLimits& limits) {
  static const kernels::Limits own = kernels::limits();
  kernels::Limits now = own;
  if (limits.blocks > 0) now.blocks = std::min(own.blocks, limits.blocks);
  if (limits.sums > 0) now.sums = limits.sums;
  if (limits.threads > 0) now.threads = limits.threads;
  if (limits.shared_bytes >= 0)
    now.shared_bytes = std::min(own.shared_bytes, static_cast<std::size_t>(limits.shared_bytes));
  kernels::set_limits(now);
}

}  // namespace fuselage::cases
