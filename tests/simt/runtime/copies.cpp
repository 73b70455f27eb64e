// Memory of the emulated device for its users: allocation, copies, fills.
//
// A copy between queued work and pinned memory shows hosts that do not wait: the target of a queued copy is garbage
// until the copy ran, and a source that the host changes before the copy ran is a fault.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "tests/simt/check.h"
#include "tests/simt/memory.h"
#include "tests/simt/runtime/capture.h"
#include "tests/simt/runtime/queues.h"

namespace simt {
namespace {

enum class Kind { device, pinned, pageable };

struct Range {
  char* data = nullptr;
  std::size_t bytes = 0;
  Kind kind = Kind::pageable;
};

/// What is wrong with a range: it must lie within one allocation, where it is not the host's ordinary memory.
std::string look_up(const void* data, std::size_t bytes, Range& range) {
  range = {static_cast<char*>(const_cast<void*>(data)), bytes, Kind::pageable};
  const Allocation* a = find_allocation(data);
  if (!a)
    return in_device_memory(data) ? fmt::format("{} bytes at {}", bytes, describe(data))
           : data                 ? std::string()
                                  : "a null pointer";
  range.kind = a->pinned ? Kind::pinned : Kind::device;
  const std::size_t rest = a->bytes - (reinterpret_cast<std::uintptr_t>(data) - a->begin);
  return bytes <= rest ? std::string() : fmt::format("{} bytes from {} pass its end", bytes, describe(data));
}

/// Copies that are queued and touch pinned memory: while such a one is under way, contents are not the host's alone.
struct Pending {
  Range range;
  bool write;
  Place done;
};
std::vector<Pending>& pending() {
  static auto* const all = new std::vector<Pending>;
  return *all;
}
bool is_pending(const Range& range, bool write) {
  std::erase_if(pending(), [](const Pending& p) { return p.done.reached(); });
  return std::ranges::any_of(pending(), [&](const Pending& p) {
    return p.write == write && p.range.data < range.data + range.bytes && range.data < p.range.data + p.range.bytes;
  });
}

std::size_t hash_of(const Range& range) {
  return std::hash<std::string_view>()(std::string_view(range.data, range.bytes));
}

/// The copy itself, by the device.
std::string run_copy(OperationId id, const Range& to, const Range& from) {
  const DeviceAccess access;
  std::string fault;
  if (from.kind == Kind::device) fault = check::read_range(id, from.data, from.bytes);
  if (fault.empty() && to.kind == Kind::device) {
    if (from.kind == Kind::device) check::copy_initialised(to.data, from.data, to.bytes);
    fault = check::write_range(id, to.data, to.bytes);
  }
  if (fault.empty()) std::memmove(to.data, from.data, to.bytes);
  return fault_of(id, fault);
}

Work begin_copy(const Range& to, const Range& from, const Place& done) {
  const bool watched = from.kind == Kind::pinned && !is_pending(from, true);
  const std::size_t hash = watched ? hash_of(from) : 0;
  if (from.kind == Kind::pinned) pending().push_back({from, false, done});
  if (to.kind == Kind::pinned) {
    if (!is_pending(to, false)) std::memset(to.data, 0xff, to.bytes);
    pending().push_back({to, true, done});
  }
  return [=](OperationId id) {
    if (watched && hash_of(from) != hash)
      return fault_of(id, fmt::format("the host changed its source, {}, before the copy ran", describe(from.data)));
    return run_copy(id, to, from);
  };
}

/// From ordinary memory of the host: the bytes are taken now.
Work begin_staged_copy(const Range& to, std::shared_ptr<std::vector<char>> bytes) {
  return [to, bytes](OperationId id) { return run_copy(id, to, {bytes->data(), bytes->size(), Kind::pageable}); };
}

bool fits(cudaMemcpyKind kind, bool to_device, bool from_device) {
  switch (kind) {
    case cudaMemcpyHostToHost: return !to_device && !from_device;
    case cudaMemcpyHostToDevice: return to_device && !from_device;
    case cudaMemcpyDeviceToHost: return !to_device && from_device;
    case cudaMemcpyDeviceToDevice: return to_device && from_device;
    case cudaMemcpyDefault: return true;
  }
  return false;
}

cudaError_t copy(void* target, const void* source, std::size_t bytes, cudaMemcpyKind kind, Queue& queue,
                 bool host_waits) {
  if (bytes == 0) return device_state();
  Range to, from;
  if (const std::string wrong = look_up(target, bytes, to); !wrong.empty())
    return fail(cudaErrorInvalidValue, "the target of a copy: " + wrong);
  if (const std::string wrong = look_up(source, bytes, from); !wrong.empty())
    return fail(cudaErrorInvalidValue, "the source of a copy: " + wrong);
  if (!fits(kind, to.kind == Kind::device, from.kind == Kind::device))
    return fail(cudaErrorInvalidValue,
                fmt::format("a copy from {} to {} was called another kind", describe(source), describe(target)));
  const Deed deed{Deed::Kind::copy, "", bytes};
  const bool pageable = to.kind == Kind::pageable || from.kind == Kind::pageable;
  if (queue.capture && pageable)
    return invalidate(queue,
                      fmt::format("a copy of {} bytes of ordinary host memory, which cannot be captured", bytes));

  cudaError_t status = cudaSuccess;
  if (from.kind == Kind::pageable && to.kind != Kind::pageable) {
    const auto staged = std::make_shared<std::vector<char>>(from.data, from.data + bytes);
    status = submit(queue, {deed, [=](const Place&) { return begin_staged_copy(to, staged); }});
    host_waits = false;  // cudaMemcpy too comes back when the bytes are taken, not when they have arrived
  } else {
    status = submit(queue, {deed, [=](const Place& done) { return begin_copy(to, from, done); }});
    host_waits = host_waits || pageable;
    // Within the device even cudaMemcpy does not wait.
    if (to.kind == Kind::device && from.kind == Kind::device) host_waits = false;
  }
  if (status != cudaSuccess || !host_waits || queue.capture) return status;
  return wait_for(queue.end(), queue.line.clock());
}

cudaError_t fill(void* target, int value, std::size_t bytes, Queue& queue) {
  if (bytes == 0) return device_state();
  Range to;
  std::string wrong = look_up(target, bytes, to);
  if (wrong.empty() && to.kind == Kind::pageable) wrong = describe(target);
  if (!wrong.empty()) return fail(cudaErrorInvalidValue, "the target of a fill: " + wrong);
  const auto run = [=](OperationId id) {
    const DeviceAccess access;
    std::string fault;
    if (to.kind == Kind::device) fault = check::write_range(id, to.data, to.bytes);
    if (fault.empty()) std::memset(to.data, value, to.bytes);
    return fault_of(id, fault);
  };
  return submit(queue, {{Deed::Kind::fill, "", bytes}, [=](const Place&) { return run; }});
}

cudaError_t make_memory(void** data, std::size_t bytes, bool pinned, const char* call) {
  if (const cudaError_t refused = refuse_in_capture(call); refused != cudaSuccess) return refused;
  if (const cudaError_t lost = device_state(); lost != cudaSuccess) return lost;
  perhaps_run_something();
  *data = nullptr;
  if (bytes == 0) return cudaSuccess;
  *data = allocate(bytes, pinned);
  return *data ? cudaSuccess : fail(cudaErrorMemoryAllocation, fmt::format("{} of {} bytes", call, bytes));
}

cudaError_t give_back(void* data, bool pinned, const char* call) {
  if (const cudaError_t refused = refuse_in_capture(call); refused != cudaSuccess) return refused;
  if (!data) return device_state();
  const cudaError_t status = wait_for_all();
  if (!release(data, pinned)) return fail(cudaErrorInvalidValue, fmt::format("{} of {}", call, describe(data)));
  return status;
}

}  // namespace
}  // namespace simt

using namespace simt;

extern "C" {

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  const Lock lock(runtime_mutex());
  return make_memory(data, bytes, false, "cudaMalloc");
}
cudaError_t cudaMallocHost(void** data, std::size_t bytes) {
  const Lock lock(runtime_mutex());
  return make_memory(data, bytes, true, "cudaMallocHost");
}
cudaError_t cudaFree(void* data) {
  const Lock lock(runtime_mutex());
  return give_back(data, false, "cudaFree");
}
cudaError_t cudaFreeHost(void* data) {
  const Lock lock(runtime_mutex());
  return give_back(data, true, "cudaFreeHost");
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const Lock lock(runtime_mutex());
  const auto queue = queue_of(stream);
  return queue ? copy(to, from, bytes, kind, *queue, false) : cudaErrorInvalidResourceHandle;
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const Lock lock(runtime_mutex());
  if (const cudaError_t refused = refuse_in_capture("cudaMemcpy"); refused != cudaSuccess) return refused;
  return copy(to, from, bytes, kind, *null_queue(), true);
}

cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes, cudaStream_t stream) {
  const Lock lock(runtime_mutex());
  const auto queue = queue_of(stream);
  return queue ? fill(data, value, bytes, *queue) : cudaErrorInvalidResourceHandle;
}
cudaError_t cudaMemset(void* data, int value, std::size_t bytes) {
  const Lock lock(runtime_mutex());
  if (const cudaError_t refused = refuse_in_capture("cudaMemset"); refused != cudaSuccess) return refused;
  return fill(data, value, bytes, *null_queue());
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* p) {
  const Allocation* a = find_allocation(p);
  *attributes = {};
  attributes->type = !a ? cudaMemoryTypeUnregistered : a->pinned ? cudaMemoryTypeHost : cudaMemoryTypeDevice;
  attributes->devicePointer = a ? const_cast<void*>(p) : nullptr;
  attributes->hostPointer = !a || a->pinned ? const_cast<void*>(p) : nullptr;
  return cudaSuccess;
}

}  // extern "C"
