// Softmax cross-entropy on predictions of type fp32.
// budget: softmax_long_kernel registers<=152 spills=0
// budget: softmax_short_kernel registers<=80 spills=0
#include "kernels/softmax_long.cuh"
#include "kernels/softmax_short.cuh"

namespace fuselage::kernels {

template void launch_softmax_short<float>(const SoftmaxArgs&, CUstream_st*);
template void launch_softmax_long<float>(const SoftmaxArgs&, CUstream_st*);

}  // namespace fuselage::kernels
