// Confusion counts and calibration bins, which passes over rows add to beside their reports.
#pragma once

#include "fuselage/batch.h"
#include "fuselage/core/softmax.h"
#include "host/backend/cpu/staging.h"

namespace fuselage::cpu {

/// Adds a row, whose greatest probability is p; threads share the counts.
FUSELAGE_HD void tally(const MetricRequest& metrics, std::int64_t label, std::int64_t argmax, double p) {
  const auto add = [](const View& to, std::int64_t r, std::int64_t c, std::int64_t n) {
    __atomic_fetch_add(address<std::int64_t>(to, r, c), n, __ATOMIC_RELAXED);
  };
  if (metrics.confusion.data) add(metrics.confusion, label, argmax, 1);
  if (!metrics.calibration.data) return;
  const Confidence own = softmax_confidence(p, metrics.calibration.rows);
  add(metrics.calibration, own.bin, 0, 1);
  add(metrics.calibration, own.bin, 1, label == argmax);
  add(metrics.calibration, own.bin, 2, own.fixed);
}

}  // namespace fuselage::cpu
