// A third of the row losses.
// budget: row_sums_kernel registers<=128 spills=0
#include "kernels/loss_rows.cuh"

namespace fuselage::kernels {

template void launch_rows<2>(const AnyLoss&, const RowSumsArgs&, CUstream_st*);

}  // namespace fuselage::kernels
