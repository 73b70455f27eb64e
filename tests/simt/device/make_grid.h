// From a launch's arguments to a grid that can be run.
#pragma once

#include <tuple>
#include <type_traits>

#include "tests/simt/device/device.h"
#include "tests/simt/launch.h"

namespace simt {

/// Pointers among the arguments must be device memory; those inside of structures are found when a thread uses them.
template <class... P>
Grid make_grid(const char* name, const cudaLaunchConfig_t& config, void (*kernel)(P...),
               std::type_identity_t<P>... args) {
  Grid grid;
  grid.name = name;
  grid.kernel = reinterpret_cast<const void*>(kernel);
  grid.blocks = config.gridDim;
  grid.threads = config.blockDim;
  grid.dynamic_bytes = config.dynamicSmemBytes;
  const auto check = [&](const auto& x) {
    if constexpr (std::is_pointer_v<std::remove_cvref_t<decltype(x)>>)
      if (grid.refused.empty()) grid.refused = refuse_argument(reinterpret_cast<const void*>(x));
  };
  (check(args), ...);
  grid.body = [kernel, arguments = std::tuple<P...>(args...)] {
    void (*const own)(P...) = kernel;  // from here on the thread may read its stack and its arguments only
    kernel_begins(&arguments, sizeof arguments);
    std::apply(own, arguments);
  };
  return grid;
}

}  // namespace simt
