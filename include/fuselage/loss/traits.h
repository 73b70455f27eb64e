// What a loss takes and gives, without its type: for whoever holds a loss of which only the name is known.
#pragma once

#include "fuselage/loss/concepts.h"
#include "fuselage/loss/row.h"

struct CUstream_st;

namespace fuselage {

struct LossTraits {
  Inputs inputs;
  bool elementwise = true;              ///< outputs are elements, with a target each; rows otherwise
  RowTarget target = RowTarget::dense;  ///< dense where elementwise
  bool row_second = false;              ///< `second` is [rows, 1], a constant of the row
  bool probabilities = false;           ///< rows have a probability for each class: calibration has a meaning
  bool root = false;                    ///< the value is the root of the reduced sum
  Decision decision = Decision::none;   ///< of elements
  Domain prediction_domain = Domain::real, target_domain = Domain::real;

  /// Whether rows are classified: class weights, ignored labels and ranks have a meaning.
  bool has_classes() const { return !elementwise && (target == RowTarget::classes || target == RowTarget::labels); }
  /// Whether elements are decided for or against.
  bool binary() const { return elementwise && decision != Decision::none; }
  /// Whether outputs are right or wrong.
  bool decides() const { return binary() || has_classes(); }
  /// Whether labels of an integer type may be given.
  bool takes_labels() const { return has_classes() || (!elementwise && target == RowTarget::single); }
};

template <class L>
constexpr LossTraits traits_of() {
  LossTraits traits;
  traits.inputs = loss::inputs_of<L>();
  traits.root = loss::takes_root<L>();
  traits.elementwise = loss::Elementwise<L>;
  if constexpr (loss::Elementwise<L>) {
    traits.decision = L::decision;
    traits.target_domain = L::target;
  } else if constexpr (loss::RowSums<L>) {
    traits.target = L::row.target;
    traits.row_second = L::row.row_second;
    traits.probabilities =
        traits.has_classes() && (L::row.softmax || requires(L l, double x) { l.confidence(RowFacts{}, &x, x); });
    if constexpr (requires { L::target; }) traits.target_domain = L::target;
  } else {
    traits.target = RowTarget::classes;
    traits.target_domain = Domain::probability;
    traits.probabilities = true;
  }
  if constexpr (requires { L::prediction; })
    traits.prediction_domain = L::prediction;
  else
    traits.prediction_domain = Domain::logit;
  return traits;
}

/// The domain of the targets of `l`, which options may change.
template <class L>
FUSELAGE_HD constexpr Domain target_domain_of(const L& l) {
  if constexpr (requires { l.target_domain(); })
    return l.target_domain();
  else
    return L::target;
}

/// The traits of a loss with its options.
template <class L>
constexpr LossTraits traits_of(const L& l) {
  LossTraits traits = traits_of<L>();
  if constexpr (requires { l.target_domain(); }) traits.target_domain = l.target_domain();
  if constexpr (requires { l.prediction_domain(); }) traits.prediction_domain = l.prediction_domain();
  if constexpr (requires { l.has_probabilities(); }) traits.probabilities = l.has_probabilities();
  return traits;
}

namespace kernels {
struct PointwiseArgs;
}

/// Queues the kernel of the loss that `loss` points to.
using OwnLaunch = void (*)(const void* loss, const kernels::PointwiseArgs&, CUstream_st*);

/// An elementwise loss that is not of the list, for backends; see custom_loss.h.
struct OwnLossView {
  const void* loss;
  LossTraits traits;
  OwnLaunch launch;  ///< null: it has no kernel
};

}  // namespace fuselage
