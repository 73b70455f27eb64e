#include "host/train/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "fuselage/core/error.h"

namespace fuselage::train {

double ulp_at(double x) {
  const double size = std::fabs(x);
  if (!(size > 0x1p-126)) return 0x1p-149;
  return std::ldexp(1.0, std::max(std::ilogb(std::min(size, 0x1p127)), -126) - 23);
}

double Judge::distance_of(double got, double want, double unit) {
  if (got == want || (std::isnan(got) && std::isnan(want))) return 0;
  const double distance = std::fabs(got - want) / unit;
  return std::isfinite(distance) ? distance : std::numeric_limits<double>::infinity();
}

void Judge::conclude(std::int64_t step) const {
  if (worst_ <= budget_) return;
  throw Error(Errc::mismatch,
              fmt::format("validation of step {}: {} {} is {:.9g}, the reference says {:.9g}: {:.3g} ulp "
                          "apart, and {:g} are allowed",
                          step, what_, where_, got_, want_, worst_, budget_));
}

}  // namespace fuselage::train
