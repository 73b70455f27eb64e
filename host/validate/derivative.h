// A definition's derivative against differences of its own value, in double: no driver, no backend, no reference.
//
// At each point the derivative must lie between the two one-sided differences (f(y) - f(y-h))/h and (f(y+h) - f(y))/h,
// widened by the rounding of the value. Away from kinks this is the central difference to within h f''; at a kink it
// says that the derivative is a subgradient.
#pragma once

#include <functional>
#include <string>

#include "fuselage/loss/concepts.h"
#include "fuselage/validate.h"

namespace fuselage::validate {

/// Judges `derivative` at x of the function f, which is evaluated in double; `where` names the point.
void check_point(DerivativeCheck& check, const std::function<double(double)>& f, double x, double derivative,
                 const std::function<std::string()>& where);

/// Checks on a grid of predictions and targets, kinks among them; a loss of two predictions along each of them.
DerivativeCheck check_elements(const std::string& text, Domain prediction, Domain target,
                               const std::function<ValueGrad<double>(double y, double t)>& loss);
DerivativeCheck check_pairs(const std::string& text, const Inputs& inputs, Domain prediction, Domain second,
                            Domain target, const std::function<ValueGrads<double>(double y, double z, double t)>& loss);

template <class L>
DerivativeCheck check_pointwise(const L& loss, const std::string& text) {
  return check_elements(text, L::prediction, L::target, [&](double y, double t) { return loss(y, t); });
}
template <class L>
DerivativeCheck check_pair(const L& loss, const std::string& text) {
  return check_pairs(text, loss::inputs_of<L>(), L::prediction, L::second, L::target,
                     [&](double y, double z, double t) { return loss(y, z, t); });
}

}  // namespace fuselage::validate
