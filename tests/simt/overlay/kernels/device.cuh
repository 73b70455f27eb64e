// Stands in for kernels/device.cuh where kernels are compiled for the emulated device, by its place on the include
// path: the same words, run on the CPU.
#pragma once

#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tests/simt/device/device.h"
#include "tests/simt/launch.h"

namespace fuselage::kernels {

inline constexpr std::string_view kDevice = "emulated";

inline constexpr int kArchitectures[] = {900};

/// A variable of the block in shared memory, one for each place that calls this.
template <class T, class Place>
T& shared(Place) {
  static char key = 0;
  return *static_cast<T*>(simt::shared_variable(&key, sizeof(T), alignof(T)));
}

template <class T>
T* dynamic_shared() {
  return static_cast<T*>(simt::dynamic_shared_memory());
}

/// Queues the launch. Pointers among the arguments must be device memory; those inside of structures are found when a
/// thread uses them.
template <class... P>
cudaError_t start(const char* name, const cudaLaunchConfig_t& config, void (*kernel)(P...),
                  std::type_identity_t<P>... args) {
  simt::Grid grid;
  grid.name = name;
  grid.kernel = reinterpret_cast<const void*>(kernel);
  grid.blocks = config.gridDim;
  grid.threads = config.blockDim;
  grid.dynamic_bytes = config.dynamicSmemBytes;
  const auto check = [&](const auto& x) {
    if constexpr (std::is_pointer_v<std::remove_cvref_t<decltype(x)>>)
      if (grid.refused.empty()) grid.refused = simt::refuse_argument(reinterpret_cast<const void*>(x));
  };
  (check(args), ...);
  grid.body = [kernel, arguments = std::tuple<P...>(args...)] {
    void (*const own)(P...) = kernel;  // from here on the thread may read its stack and its arguments only
    simt::kernel_begins(&arguments, sizeof arguments);
    std::apply(own, arguments);
  };
  return simt::enqueue_grid(std::move(grid), config.stream);
}

}  // namespace fuselage::kernels
