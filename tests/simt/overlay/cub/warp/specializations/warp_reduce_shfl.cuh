// Stands in for CUB's reduction by shuffles, which is written in the assembler of the device: CUB's own reduction
// through shared memory takes its place.
#pragma once

#include <cub/warp/specializations/warp_reduce_smem.cuh>

CUB_NAMESPACE_BEGIN
namespace detail {
template <typename T, int kThreads>
using WarpReduceShfl = WarpReduceSmem<T, kThreads>;
}
CUB_NAMESPACE_END
