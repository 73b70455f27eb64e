// A loss with its hyperparameters read: the formula to take, ready to be evaluated on any scalar.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "host/reference/formulas.h"
#include "host/reference/reference.h"

namespace fuselage::reference {

enum class Formula { mse, mae, huber, smooth_l1, bce, bce_with_logits, hinge, softmax_cross_entropy };

struct Definition {
  Formula formula = Formula::mse;
  double delta = 1;
  double beta = 1;
  double clip = 0;
  double label_smoothing = 0;
  bool has_ignore_index = false;
  std::int64_t ignore_index = 0;

  bool is_row() const { return formula == Formula::softmax_cross_entropy; }

  /// A pointwise loss of one element.
  template <class T>
  T element(const T& y, double t) const {
    switch (formula) {
      case Formula::mse: return formulas::mse(y, t);
      case Formula::mae: return formulas::mae(y, t);
      case Formula::huber: return formulas::huber(y, t, delta);
      case Formula::smooth_l1: return formulas::smooth_l1(y, t, beta);
      case Formula::bce: return formulas::bce(y, t, clip);
      case Formula::bce_with_logits: return formulas::bce_with_logits(y, t);
      case Formula::hinge: return formulas::hinge(y, t);
      case Formula::softmax_cross_entropy: break;
    }
    return T(0);
  }

  /// Whether the loss tells right from wrong on one element, and whether this one is right.
  bool is_correct(double y, double t) const;

  /// The coefficients k_c of a row's loss sum_c k_c (lse - x_c).
  std::vector<double> coefficients(std::int64_t row, const LossInput& input) const;
};

/// Finds the loss by name and reads its options; std::invalid_argument.
Definition define(std::string_view name, const Options& options);

/// Refuses shapes, reductions and combinations that the loss does not take; std::invalid_argument.
void check(const Definition& loss, const LossInput& input);

}  // namespace fuselage::reference
