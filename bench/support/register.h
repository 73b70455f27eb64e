// Registers benchmarks over every backend of this machine.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <memory>
#include <string>

#include "fuselage/backend.h"
#include "host/validate/workload.h"

namespace fuselage::bench {

inline constexpr DType kTypes[] = {DType::f32, DType::bf16, DType::f16};

using MakeWorkload = std::function<std::unique_ptr<validate::Workload>(Backend&)>;

/// How many copies of a workload of `bytes` the backend's last cache does not hold.
int copies_beyond_cache(const Backend& backend, double bytes);

/// One benchmark "DEVICE/name" for the CPU, and for CUDA where it is usable. Times are those of whole passes, from the
/// call until the device is done; `bytes_per_second` counts useful bytes.
void add(const std::string& name, const MakeWorkload& make);

}  // namespace fuselage::bench
