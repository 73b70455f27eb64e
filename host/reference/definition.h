// A loss with its hyperparameters read: the formula to take, ready to be evaluated on any scalar.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "host/reference/element.h"
#include "host/reference/reference.h"
#include "host/reference/row.h"

namespace fuselage::reference {

/// Either a pointwise loss or one of rows.
struct Definition {
  std::shared_ptr<const Element> element;
  std::shared_ptr<const RowLoss> row;
  RowTraits traits;   ///< of a loss of rows
  int inputs = 1;     ///< predictions that it takes
  int gradients = 1;  ///< of how many of these it has derivatives: the first ones
  bool root = false;  ///< the value is the root of the reduced sum

  bool is_row() const { return row != nullptr; }
  bool takes(double t) const { return element ? element->takes(t) : row->takes(t); }
};

/// Finds the loss by name and reads its options; std::invalid_argument.
Definition define(std::string_view name, const Options& options);

/// Refuses shapes, reductions and combinations that the loss does not take; std::invalid_argument.
void check(const Definition& loss, const LossInput& input);

}  // namespace fuselage::reference
