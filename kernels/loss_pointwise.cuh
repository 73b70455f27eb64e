// Every pointwise loss of the list, for predictions of one type: picks the kernel.
#pragma once

#include <variant>

#include "kernels/pointwise_any.cuh"
#include "kernels/pointwise_plain.cuh"

namespace fuselage::kernels {

/// The pass with predictions of type T.
template <class T>
void launch_pointwise(const AnyLoss& any, const PointwiseArgs& a, CUstream_st* stream) {
  const Launch shape = shape_pointwise("pointwise loss", a, stream);
  const bool plain = !a.weight.data && !a.mask.data && !a.upstream.data && a.prediction.vectors && a.target.vectors &&
                     a.target.dtype == a.prediction.dtype && (!a.gradient.data || a.gradient.vectors) &&
                     (!a.values.data || a.values.vectors);
  std::visit(
      [&]<class L>(const L& loss) {
        if constexpr (loss::Pointwise<L>) {
          if (!plain)
            launch(shape, any_kernel<L, T>, loss, a);
          else if (a.metrics)
            launch(shape, plain_kernel<L, T, true>, loss, a);
          else
            launch(shape, plain_kernel<L, T, false>, loss, a);
        }
      },
      any);
}

extern template void launch_pointwise<float>(const AnyLoss&, const PointwiseArgs&, CUstream_st*);
extern template void launch_pointwise<bf16>(const AnyLoss&, const PointwiseArgs&, CUstream_st*);
extern template void launch_pointwise<f16>(const AnyLoss&, const PointwiseArgs&, CUstream_st*);

}  // namespace fuselage::kernels
