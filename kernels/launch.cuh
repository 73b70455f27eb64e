// The only place that launches kernels. Launches are always checked, and errors carry the kernel's name, CUDA's words
// and the caller's place.
#pragma once

#include <cstdint>
#include <source_location>

#include "fuselage/core/partition.h"
#include "kernels/device.cuh"
#include "kernels/kernels.h"

namespace fuselage::kernels {

struct Launch {
  const char* name;
  std::int64_t blocks;
  int threads;
  CUstream_st* stream;
  std::size_t shared = 0;  ///< bytes of dynamic shared memory
  std::source_location where = std::source_location::current();
};

/// Throws Error(cuda) unless `status` is success.
[[gnu::visibility("default")]] void check(cudaError_t status, const char* name,
                                          std::source_location where = std::source_location::current());

/// Blocks for `work` units, `per_block` of them a block, under the cap: kernels walk on in strides of the grid.
inline std::int64_t blocks_for(std::int64_t work, std::int64_t per_block) {
  const std::int64_t blocks = ceil_div(work, per_block), most = limits().blocks;
  return blocks < 1 ? 1 : blocks < most ? blocks : most;
}

/// Threads of a block for a kernel that would have `own` of them.
inline int threads_for(int own) { return own < limits().threads ? own : limits().threads; }

template <class... P>
void launch(const Launch& l, void (*kernel)(P...), std::type_identity_t<P>... args) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(l.blocks));
  config.blockDim = dim3(static_cast<unsigned>(l.threads));
  config.dynamicSmemBytes = l.shared;
  config.stream = l.stream;
  if (l.shared > 32 * 1024)  // with a kernel's own variables perhaps more than 48 KiB, which it must ask for
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(l.shared)),
          l.name, l.where);
  check(start(l.name, config, kernel, args...), l.name, l.where);
}

}  // namespace fuselage::kernels
