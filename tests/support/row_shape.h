// What a loss of rows takes, for tests that hold any loss.
#pragma once

#include <optional>

#include "fuselage/losses.h"

namespace fuselage::testing {

struct TakenRows {
  RowShape row;
  int inputs = 1;
};

/// What a loss of rows takes; nothing for another.
std::optional<TakenRows> shape_of(const AnyLoss& any) {
  return std::visit(
      []<class L>(const L&) -> std::optional<TakenRows> {
        if constexpr (loss::RowSums<L>)
          return TakenRows{L::row, L::inputs.count()};
        else
          return std::nullopt;
      },
      any);
}

}  // namespace fuselage::testing
