// The inputs of a loss as the command line names them.
#pragma once

#include <string_view>
#include <vector>

#include "fuselage/losses.h"

namespace fuselage::cli {

struct LossInputInfo {
  std::string_view name, shape, dtype;
  bool required;
  bool gradient = false;        ///< the loss has a derivative by it
  std::string_view means = {};  ///< "mean" where that is what the prediction is; empty: the name says it
};

inline LossInputInfo target_info(const LossTraits& traits) {
  if (traits.elementwise) return {"target", "as pred", "real or integer", true};
  switch (traits.target) {
    case RowTarget::labels: return {"target", "[rows]", "integer", true};
    case RowTarget::dense: return {"target", "as pred", "real", true};
    case RowTarget::single: return {"target", "[rows]", "real or integer", true};
    default: return {"target", "[rows] or [rows, classes]", "integer [rows], or real [rows, classes]", true};
  }
}

/// In the order in which people give them: pred, further inputs by their own names, target, what weighs.
inline std::vector<LossInputInfo> loss_inputs(const LossTraits& traits) {
  const Inputs& in = traits.inputs;
  const bool rows = !traits.elementwise;
  const std::string_view shape = !rows                  ? "[n] or [rows, ...]"
                                 : traits.has_classes() ? "[rows, ..., classes]"
                                                        : "[rows, ..., n]";
  std::vector<LossInputInfo> list{
      {"pred", shape, "real", true, true, in.prediction == Inputs{}.prediction ? std::string_view() : in.prediction}};
  if (!in.second.empty())
    list.push_back({in.second, traits.row_second ? "[rows]" : "as pred", "real", true,
                    in.second_has_gradient && !traits.row_second});
  if (!in.third.empty()) list.push_back({in.third, "as pred", "real", true, true});
  if (!rows || traits.target != RowTarget::none) list.push_back(target_info(traits));
  list.push_back({"weight", rows ? "[rows]" : "[rows] or as pred", "real >= 0", false});
  list.push_back({"mask", rows ? "[rows]" : "[rows] or as pred", "boolean or integer, 0 leaves out", false});
  if (rows) list.push_back({"lengths", "[sequences]", "integer", false});
  if (traits.has_classes()) list.push_back({"class_weight", "[classes]", "real >= 0", false});
  list.push_back({"upstream", rows ? "scalar, or [rows] with reduction none" : "scalar, or as pred with reduction none",
                  "real", false});
  return list;
}

}  // namespace fuselage::cli
