// The inputs of a loss as the command line names them.
#pragma once

#include <string_view>
#include <vector>

#include "fuselage/loss/row.h"
#include "fuselage/losses.h"

namespace fuselage::cli {

struct LossInputInfo {
  std::string_view name, shape, dtype;
  bool required;
};

inline std::vector<LossInputInfo> loss_inputs(bool row) {
  if (row)
    return {{"pred", "[rows, classes]", "real", true},
            {"target", "[rows] or [rows, classes]", "integer [rows], or real [rows, classes]", true},
            {"weight", "[rows]", "real >= 0", false},
            {"mask", "[rows]", "boolean or integer, 0 leaves out", false},
            {"class_weight", "[classes]", "real >= 0", false},
            {"upstream", "scalar, or [rows] with reduction none", "real", false}};
  return {{"pred", "[n] or [rows, ...]", "real", true},
          {"target", "as pred", "real or integer", true},
          {"weight", "[rows] or as pred", "real >= 0", false},
          {"mask", "[rows] or as pred", "boolean or integer, 0 leaves out", false},
          {"upstream", "scalar, or as pred with reduction none", "real", false}};
}

/// Whether the entry of this type is a row loss.
template <class L>
constexpr bool is_row_loss = loss::SoftmaxRow<L> || loss::RowSums<L>;

}  // namespace fuselage::cli
