// What a launch in kernel sources calls.
#pragma once

#include <driver_types.h>

#include <set>
#include <string>

#include "tests/simt/grid.h"

namespace simt {

/// Queues the grid on a stream, after the checks of a launch; defined by the emulated runtime.
cudaError_t enqueue_grid(Grid grid, cudaStream_t stream);
/// The addresses of the kernels that this process has queued so far.
const std::set<const void*>& launched_kernels();

/// What is wrong with a pointer as an argument of a kernel: empty for null, device memory and pinned memory.
std::string refuse_argument(const void* pointer);

}  // namespace simt
