// Device memory of the emulated device: one stretch of addresses that only device work may touch.
//
// While host code runs, the stretch cannot be accessed: touching it ends the process with a message that names the
// address, the allocation and the source line. Work of the device holds a DeviceAccess meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace simt {

struct Allocation {
  std::uintptr_t begin = 0;
  std::size_t bytes = 0;
  std::uint64_t number = 0;  ///< counted from 1 in the order of their making
  bool pinned = false;       ///< page-locked host memory, outside the stretch
};

/// 256-byte aligned, filled with 0xff: not a number in every real type. Null where the device is full.
void* allocate(std::size_t bytes, bool pinned);
/// False for what is not the start of a living allocation of that kind. Freed memory is not used again for a while.
bool release(void* data, bool pinned);

/// The living allocation that holds `p`, device or pinned; null for any other address.
const Allocation* find_allocation(const void* p);
/// Whether p lies in the stretch of device addresses, allocated or not.
bool in_device_memory(const void* p);
/// Where the stretch of device addresses begins, and how long it is.
std::uintptr_t device_memory_begin();
std::size_t device_memory_bytes();
/// For messages: "byte 4096 of allocation 3, which has 4096 bytes", "allocation 3, which was freed", "host memory".
std::string describe(const void* p);

/// Opens device memory to this process while it lives; may be nested.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

}  // namespace simt
