// Installed in place of the header of the same name where fuselage is built without CUDA: the kernels of losses of one's
// own are not there, and a file that nvcc compiles is told so.
#pragma once

#include "fuselage/own_loss.h"

namespace fuselage::detail {

template <class L>
constexpr OwnLaunch own_launch(Type<L>, int) {
  static_assert(sizeof(L) == 0,
                "this fuselage was installed without its CUDA backend, so nvcc has no kernel to make of a custom loss: "
                "install a fuselage that was built where nvcc works (find_package(fuselage COMPONENTS cuda) asks for "
                "one), or compile this file with the C++ compiler");
  return nullptr;
}

}  // namespace fuselage::detail
