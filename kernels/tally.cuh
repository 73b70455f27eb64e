// Confusion counts and calibration bins, which passes over rows add to beside their reports.
#pragma once

#include "fuselage/core/softmax.h"
#include "kernels/pass.cuh"

namespace fuselage::kernels {

/// See MetricRequest; null where they are not asked for.
struct Tallies {
  MutablePlane confusion, calibration;
  std::int64_t bins;

  __host__ __device__ __forceinline__ bool any() const { return confusion.data || calibration.data; }
};
inline Tallies tallies_of(const MetricRequest& metrics, std::int64_t cols) {
  const std::int64_t bins = metrics.calibration.rows;
  return {plane_of(metrics.confusion, cols, cols), plane_of(metrics.calibration, bins, 3), bins};
}

/// Adds a row, whose greatest probability is p. Integers: their order does not show.
__device__ __forceinline__ void tally(const Tallies& to, std::int64_t label, std::int64_t argmax, double p) {
  const auto add = [](const MutablePlane& counts, std::int64_t r, std::int64_t c, std::int64_t n) {
    atomicAdd(static_cast<Count*>(counts.data) + r * counts.row_stride + c * counts.col_stride, static_cast<Count>(n));
  };
  if (to.confusion.data) add(to.confusion, label, argmax, 1);
  if (!to.calibration.data) return;
  const Confidence own = softmax_confidence(p, to.bins);
  add(to.calibration, own.bin, 0, 1);
  if (label == argmax) add(to.calibration, own.bin, 1, 1);
  add(to.calibration, own.bin, 2, own.fixed);
}

}  // namespace fuselage::kernels
