// Pointwise losses on predictions of type fp16.
// budget: plain_kernel registers<=112 spills=0
// budget: any_kernel registers<=128 spills=0
// vectors: plain_kernel loads>=2 stores>=3
// vectors: any_kernel loads>=6 stores>=2
#include "kernels/loss_pointwise.cuh"

namespace fuselage::kernels {

template void launch_pointwise<f16>(const AnyLoss&, const PointwiseArgs&, CUstream_st*);

}  // namespace fuselage::kernels
