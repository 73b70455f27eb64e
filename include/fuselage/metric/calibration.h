// The expected calibration error, from the bins of MetricRequest::calibration.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

#include "fuselage/core/error.h"

namespace fuselage::metric {

/// A bin: how many rows, how many of them right, and the sum of their confidence.
struct CalibrationBin {
  std::int64_t rows = 0, right = 0;
  double confidence = 0;
};

/// Bin i of `bins`, which is [bins, 3], packed on the host.
inline CalibrationBin calibration_bin(std::span<const std::int64_t> bins, std::size_t i) {
  return {bins[3 * i], bins[3 * i + 1], static_cast<double>(bins[3 * i + 2]) * 0x1p-32};
}

/// sum over bins of |right - confidence| / rows of all bins: how far, on average, confidence is from accuracy (Guo et
/// al., 2017). NaN without rows. Throws Error(bad_shape) where the size is no multiple of 3.
inline double expected_calibration_error(std::span<const std::int64_t> bins) {
  if (bins.size() % 3 != 0)
    throw Error(Errc::bad_shape,
                "expected_calibration_error: " + std::to_string(bins.size()) + " numbers; expected three for each bin");
  double gaps = 0;
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < bins.size() / 3; ++i) {
    const CalibrationBin bin = calibration_bin(bins, i);
    rows += bin.rows;
    gaps += std::fabs(static_cast<double>(bin.right) - bin.confidence);
  }
  return rows > 0 ? gaps / static_cast<double>(rows) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace fuselage::metric
