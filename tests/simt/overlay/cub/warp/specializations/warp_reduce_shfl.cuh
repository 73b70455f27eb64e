// Stands in for CUB's reduction by shuffles, which is written in the assembler of the device: CUB's own reduction
// through shared memory takes its place. That one lets the last lanes read, and throw away, what nobody wrote; here
// each lane asks whether its peer is there.
#pragma once

#include <cub/warp/specializations/warp_reduce_smem.cuh>

CUB_NAMESPACE_BEGIN
namespace detail {
template <typename T, int kThreads>
struct WarpReduceShfl : WarpReduceSmem<T, kThreads> {
  using Base = WarpReduceSmem<T, kThreads>;
  using Base::Base;

  template <bool kAllValid, typename Op>
  T Reduce(T input, int valid_items, Op op) {
    return Base::template Reduce<false>(input, kAllValid ? kThreads : valid_items, op);
  }
};
}  // namespace detail
CUB_NAMESPACE_END
