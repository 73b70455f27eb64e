// The weight pass: the divisor of a mean from targets, weights and masks alone. The end of a pass whose sums are many.
#pragma once

#include "kernels/pointwise_elements.cuh"
#include "kernels/row_args.cuh"
#include "kernels/softmax_rows.cuh"

namespace fuselage::kernels {

void launch_element_weights(const PointwiseArgs& args, CUstream_st* stream);
void launch_row_weights(const SoftmaxArgs& args, CUstream_st* stream);
void launch_row_weights(const RowSumsArgs& args, CUstream_st* stream);

/// After a loss pass: adds up its sums and writes the report, where the pass has not.
void end_loss(const PointwiseArgs& args, CUstream_st* stream);
void end_loss(const SoftmaxArgs& args, CUstream_st* stream);
void end_loss(const RowSumsArgs& args, CUstream_st* stream);

/// Whether the chunks of a row are too many for shared memory, and have scratch memory instead.
bool far_chunks(std::int64_t cols);

}  // namespace fuselage::kernels
