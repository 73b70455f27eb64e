// Softmax cross-entropy on predictions of type fp16.
// budget: softmax_long_kernel registers<=128 spills=0
// budget: softmax_short_kernel registers<=64 spills=0
// vectors: softmax_long_kernel<*, 8, *)0 loads>=20 stores>=4
// vectors: softmax_long_kernel<*, 8, *)1 loads>=28 stores>=2
#include "kernels/softmax_long.cuh"
#include "kernels/softmax_short.cuh"

namespace fuselage::kernels {

template void launch_softmax_short<f16>(const SoftmaxArgs&, CUstream_st*);
template void launch_softmax_long<f16>(const SoftmaxArgs&, CUstream_st*);

}  // namespace fuselage::kernels
