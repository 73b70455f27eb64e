// The CUDA runtime with errors as exceptions and handles as owners.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <source_location>
#include <string>
#include <type_traits>

#include "fuselage/core/error.h"

namespace fuselage::cuda {

/// Throws Error(cuda), or Error(out_of_memory), unless `status` is success; `what` was being done.
inline void check(cudaError_t status, const char* what, std::source_location where = std::source_location::current()) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // reported here, not by the next call as well
  const Errc code = status == cudaErrorMemoryAllocation ? Errc::out_of_memory : Errc::cuda;
  throw Error(code,
              std::string(what) + ": " + cudaGetErrorString(status) + " (CUDA error " +
                  std::to_string(static_cast<int>(status)) + ")",
              where);
}

/// Owns a handle of the runtime, which `Destroy` gives back.
template <class T, auto Destroy>
struct Destroyer {
  void operator()(T* handle) const { Destroy(handle); }
};
template <class Handle, auto Destroy>
using Owner = std::unique_ptr<std::remove_pointer_t<Handle>, Destroyer<std::remove_pointer_t<Handle>, Destroy>>;

using Stream = Owner<cudaStream_t, &cudaStreamDestroy>;
using EventHandle = Owner<cudaEvent_t, &cudaEventDestroy>;
using GraphHandle = Owner<cudaGraph_t, &cudaGraphDestroy>;
using GraphExec = Owner<cudaGraphExec_t, &cudaGraphExecDestroy>;

inline Stream make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
  return Stream(stream);
}

/// Device memory, 256-byte aligned, contents undefined.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  explicit DeviceMemory(std::size_t bytes) : bytes_(bytes) {
    void* data = nullptr;
    check(cudaMalloc(&data, bytes > 0 ? bytes : 1), "allocating device memory");
    data_.reset(data);
  }
  void* data() const { return data_.get(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* data) const { cudaFree(data); }
  };
  std::unique_ptr<void, Free> data_;
  std::size_t bytes_ = 0;
};

}  // namespace fuselage::cuda
