// Every row loss of the list: its kernel, compiled by one of kRowParts sources.
#pragma once

#include <variant>

#include "kernels/row_sums.cuh"

namespace fuselage::kernels {

inline constexpr int kRowParts = 3;

/// Which of the sources compiles the kernel of L; -1 where L is no row loss.
template <class L>
consteval int part_of_row_loss() {
  int part = -1, found = 0;
  Losses::for_each([&]<class Other>() {
    if constexpr (loss::RowSums<Other>) {
      if (std::is_same_v<L, Other>) part = found % kRowParts;
      ++found;
    }
  });
  return part;
}

/// The launch of `a`, if the loss is one of this part.
template <int kPart>
void launch_rows(const AnyLoss& any, const RowSumsArgs& a, CUstream_st* stream) {
  std::visit(
      [&]<class L>(const L& loss) {
        if constexpr (part_of_row_loss<L>() == kPart) {
          const int threads = threads_for(kTeamWarps * kWarp);
          launch({.name = "loss of rows",
                  .blocks = blocks_for(a.rows, a.warp_team ? threads / kWarp : 1),
                  .threads = threads,
                  .stream = stream},
                 row_sums_kernel<L>, loss, a);
        }
      },
      any);
}

extern template void launch_rows<0>(const AnyLoss&, const RowSumsArgs&, CUstream_st*);
extern template void launch_rows<1>(const AnyLoss&, const RowSumsArgs&, CUstream_st*);
extern template void launch_rows<2>(const AnyLoss&, const RowSumsArgs&, CUstream_st*);

}  // namespace fuselage::kernels
