// Softmax cross-entropy on predictions of type fp32.
// budget: softmax_long_kernel registers<=128 spills=0
// budget: softmax_short_kernel registers<=64 spills=0
// vectors: softmax_long_kernel<*, 4, *)0 loads>=36 stores>=8
// vectors: softmax_long_kernel<*, 4, *)1 loads>=44 stores>=4
#include "kernels/softmax_long.cuh"
#include "kernels/softmax_short.cuh"

namespace fuselage::kernels {

template void launch_softmax_short<float>(const SoftmaxArgs&, CUstream_st*);
template void launch_softmax_long<float>(const SoftmaxArgs&, CUstream_st*);

}  // namespace fuselage::kernels
