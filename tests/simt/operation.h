// What a queue of the emulated device runs: kernels, copies, fills, products. The host is a participant of its own.
//
// An operation is ordered before another one when a chain of queue order, event waits and host waits leads from one to
// the other; clocks of all queues, taken when an operation is queued, tell.
#pragma once

#include <cstdint>
#include <string>

namespace simt {

using OperationId =
    std::uint32_t;  ///< 0: none; operations are numbered as they are queued, graphs' as they are replayed

/// Whether whatever `first` did is visible to `second`.
bool ordered_before(OperationId first, OperationId second);
/// For messages: "kernel 'pointwise loss' (operation 12, stream 1)", "copy of 4096 bytes (operation 9, stream 2)".
std::string describe_operation(OperationId id);

}  // namespace simt
