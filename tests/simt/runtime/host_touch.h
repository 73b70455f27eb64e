// Tells who touched device memory from host code: a handler of the signal that the protected stretch gives.
#pragma once

namespace simt {

/// Installs the handler. Faults at other addresses go where they went before.
void watch_host_touches();
/// Whether work of the device goes on, which may touch living allocations.
bool device_memory_is_open();

}  // namespace simt
