// The words that only the device compiler has. Everything else under kernels/ is C++ that any compiler reads, given
// CUDA's headers and another file of this name: that is how tests run the kernels where there is no GPU.
#pragma once

#include <cuda_runtime.h>

#include <string_view>
#include <type_traits>

namespace fuselage::kernels {

/// What the devices of this build are called.
inline constexpr std::string_view kDevice = "cuda";

/// What the compiler was told to compile for.
inline constexpr int kArchitectures[] = {__CUDA_ARCH_LIST__};

/// A variable of the block in shared memory, one for each place that calls this: auto& x = shared<T>([] {});
template <class T, class Place>
__device__ __forceinline__ T& shared(Place) {
  __shared__ T variable;
  return variable;
}

/// The dynamic shared memory of the block, 16-byte aligned.
template <class T>
__device__ __forceinline__ T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char memory[];
  return reinterpret_cast<T*>(memory);
}

/// The first argument names the launch in messages, where there are any.
template <class... P>
cudaError_t start(const char*, const cudaLaunchConfig_t& config, void (*kernel)(P...),
                  std::type_identity_t<P>... args) {
  return cudaLaunchKernelEx(&config, kernel, args...);
}

}  // namespace fuselage::kernels
