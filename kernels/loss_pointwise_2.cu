// A part of the pointwise losses.
// budget: pointwise_kernel registers<=96 spills=0
// budget: pointwise_kernel<fuselage::kernels::LossSet<fuselage::loss::Focal registers<=128 spills=0
// vectors: pointwise_kernel loads>=10 stores>=8
#include "kernels/loss_pointwise.cuh"

namespace fuselage::kernels {

template void launch_pointwise_part<2>(const AnyLoss&, const PointwiseArgs&, CUstream_st*);

}  // namespace fuselage::kernels
