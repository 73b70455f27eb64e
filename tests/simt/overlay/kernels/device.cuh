// Stands in for kernels/device.cuh where kernels are compiled for the emulated device, by its place on the include
// path: the same words, run on the CPU.
#pragma once

#include <string_view>
#include <type_traits>

#include "tests/simt/device/make_grid.h"

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

template <class... P>
cudaError_t start(const char* name, const cudaLaunchConfig_t& config, void (*kernel)(P...),
                  std::type_identity_t<P>... args) {
  return simt::enqueue_grid(simt::make_grid(name, config, kernel, args...), config.stream);
}

}  // namespace fuselage::kernels
