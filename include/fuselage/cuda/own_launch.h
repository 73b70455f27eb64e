// The kernel of a loss of the user's own: custom_loss.h includes it where nvcc compiles. Needs the kernels' headers,
// which are installed beside this one and are no API.
#pragma once

#include "fuselage/own_loss.h"
#include "kernels/pointwise_kernel.cuh"

namespace fuselage::detail {

/// Formulas with dual numbers need many registers: 128 a thread.
inline constexpr int kOwnBlocks = 4;

template <class L>
void launch_own(const void* loss, const kernels::PointwiseArgs& a, CUstream_st* stream) {
  using Losses = kernels::LossSet<OwnLoss<L>>;
  Losses losses;
  losses.choose(*static_cast<const OwnLoss<L>*>(loss));
  kernels::launch(kernels::shape_pointwise("custom loss", a, stream), kernels::pointwise_kernel<Losses, kOwnBlocks>,
                  losses, a);
}

template <class L>
constexpr OwnLaunch own_launch(Type<L>, int) {
  return &launch_own<L>;
}

}  // namespace fuselage::detail
