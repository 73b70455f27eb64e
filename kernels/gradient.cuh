// The pass over all gradients before an update.
#pragma once

#include "kernels/kernels.h"

namespace fuselage::kernels {

/// Counts what is not finite, adds squares up, and leaves each tensor's factors; nothing where the step is skipped
/// already.
void look_at_gradients(const UpdateScalars& scalars, CUstream_st* stream);

}  // namespace fuselage::kernels
