// Pointwise losses on predictions of type bf16.
// budget: plain_kernel registers<=112 spills=0
// budget: any_kernel registers<=128 spills=0
#include "kernels/loss_pointwise.cuh"

namespace fuselage::kernels {

template void launch_pointwise<bf16>(const AnyLoss&, const PointwiseArgs&, CUstream_st*);

}  // namespace fuselage::kernels
