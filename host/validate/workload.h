// Passes over large buffers of a backend, ready to be run again and again: what benchmarks time.
//
// A workload owns several copies of its buffers and takes the next one with each run, so that with enough copies no run
// finds its data in a cache. "Useful bytes" are what a run must read and write at least once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fuselage/backend.h"

namespace fuselage::validate {

/// Enqueues its work; Backend::synchronize() waits for it.
class Workload {
 public:
  virtual ~Workload() = default;
  virtual void run() = 0;
  /// A hash of all that the first run left: gradient and report, or parameters, their state and the step counter. Only
  /// after one run, since a step's second one begins where the first one ended. Waits for the device.
  virtual std::uint64_t first_result() = 0;
  /// Useful bytes of one run.
  virtual double bytes() const = 0;
  /// "[4096, 1000]".
  virtual std::string shape() const = 0;
};

/// How many copies of `bytes` no cache holds: together at least twice `cache` bytes, at least 1, at most 64.
int copies_beyond_cache(double bytes, double cache);
/// More than the last cache of any GPU (H200 60 MB, the largest known 128 MB): the runtime's figure is not asked for,
/// since part of such a cache may belong to another half of the chip.
inline constexpr double kDeviceCacheBytes = 256e6;
/// The last level cache of the host in bytes; 32 MiB where the system does not say.
double host_cache_bytes();

/// Value, report and gradient of predictions [rows, cols]; every other input that the loss
/// takes beside them, targets of classes as labels.
std::unique_ptr<Workload> loss_workload(Backend& backend, const AnyLoss& loss, DType type, std::int64_t rows,
                                        std::int64_t cols, int copies);

/// One update of `tensors` tensors of `size` elements each.
std::unique_ptr<Workload> step_workload(Backend& backend, const OptimizerSpec& optimizer, DType type,
                                        std::int64_t tensors, std::int64_t size, int copies);

/// A copy of `bytes` from one buffer to another, by all threads or by the device: what the memory can do. It reads and
/// writes, so its useful bytes are twice `bytes`.
std::unique_ptr<Workload> copy_workload(Backend& backend, std::int64_t bytes);

/// The spec with the defaults of a rule; momentum, where it has one, is 0.9, so that the state takes part.
OptimizerSpec usual_optimizer(const AnyOptimizer& rule);

/// Seconds of a run, as the mean of `passes` in a row, by the device's own events.
double seconds_of(Backend& backend, Workload& workload, int passes);

/// Median seconds of a run over `repetitions`, after two that do not count.
double median_seconds(Backend& backend, Workload& workload, int repetitions);

}  // namespace fuselage::validate
