// Pointwise losses on predictions of type fp32.
// budget: plain_kernel registers<=112 spills=0
// budget: any_kernel registers<=128 spills=0
// vectors: plain_kernel loads>=4 stores>=4
// vectors: any_kernel loads>=10 stores>=4
#include "kernels/loss_pointwise.cuh"

namespace fuselage::kernels {

template void launch_pointwise<float>(const AnyLoss&, const PointwiseArgs&, CUstream_st*);

}  // namespace fuselage::kernels
