// The logarithm of a ratio, as divergences need it: good near 1 and for ratios that no float holds.
#pragma once

#include "fuselage/core/math.h"

namespace fuselage::loss::detail {

/// log(1 + a/b) for a, b >= 0, also where a/b is larger than any float: then from its root. inf where b is 0, NaN where
/// both are.
template <class S>
FUSELAGE_HD S log1p_ratio(S a, S b) {
  const S ratio = a / b;
  const auto beyond = ratio > S(0x1p126);
  const S root = sqrt(a) * S(0x1p-20) / (sqrt(b) * S(0x1p20));  // 2^23 to 2^99 there; nothing is lost below
  const S log = log1p(select(beyond, root, ratio));
  return select(beyond, (log + S(27.725887222397812377)) * S(2), log);  // 40 log 2
}

/// log(a/b) for a, b >= 0, to 2 ulp also where a is near b: as log(1 + (larger - smaller)/smaller), with the sign of
/// what is larger. +-inf where one is 0, NaN where both are or one is negative or NaN.
template <class S>
FUSELAGE_HD S log_ratio(S a, S b) {
  const auto above = a > b;
  const S high = select(above, a, b), low = select(above, b, a), size = log1p_ratio(high - low, low);
  return select(above, size, -size);
}

}  // namespace fuselage::loss::detail
