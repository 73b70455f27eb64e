// Rules with a rate for each parameter, without a mean of the gradient in the step.
#include <algorithm>
#include <cmath>

#include "host/reference/rules.h"

namespace fuselage::reference {
namespace {

/// A gradient of 0 makes no step, whatever it is divided by.
double quotient(double g, double spread) { return g == 0 ? 0 : g / spread; }

/// sqrt(v) + eps, or sqrt(v + eps).
double spread_of(double v, double eps, bool inside) { return inside ? std::sqrt(v + eps) : std::sqrt(v) + eps; }

}  // namespace

/// Duchi, Hazan and Singer, JMLR 2011, with the shrinking rate of PyTorch.
UpdateRule make_adagrad(OptionReader& reader) {
  const double lr_decay = reader.get_between("lr_decay", 0, 0, kUnbounded),
               eps = reader.get_between("eps", 1e-10, 0, kUnbounded),
               initial = reader.get_between("initial", 0, 0, kUnbounded);
  const bool inside = reader.get_flag("eps_place");
  return for_each_element([=](const Element& x) {
    double& sum = x.slot(0);
    if (x.t == 1) sum = initial;
    sum += x.g * x.g;
    x.p -= x.lr / (1 + (x.t - 1) * lr_decay) * quotient(x.g, spread_of(sum, eps, inside));
  });
}

/// Zeiler, 2012, algorithm 1, times a rate.
UpdateRule make_adadelta(OptionReader& reader) {
  const double rho = reader.get_below("rho", 0.9, 0, 1), eps = reader.get_between("eps", 1e-6, 1e-30, kUnbounded);
  return for_each_element([=](const Element& x) {
    double &gradients = x.slot(0), &steps = x.slot(1);
    gradients = rho * gradients + (1 - rho) * x.g * x.g;
    const double delta = std::sqrt(steps + eps) / std::sqrt(gradients + eps) * x.g;
    steps = rho * steps + (1 - rho) * delta * delta;
    x.p -= x.lr * delta;
  });
}

/// Tieleman and Hinton, 2012; centred as Graves, 2013.
UpdateRule make_rmsprop(OptionReader& reader) {
  const double rho = reader.get_below("rho", 0.99, 0, 1), eps = reader.get_between("eps", 1e-8, 0, kUnbounded),
               momentum = reader.get_below("momentum", 0, 0, 1),
               initial = reader.get_between("initial", 0, 0, kUnbounded);
  const bool centered = reader.get_flag("centered"), nesterov = reader.get_flag("nesterov"),
             corrects = reader.get_flag("bias_correction"), inside = reader.get_flag("eps_place"),
             scaled = reader.get_flag("velocity");
  return for_each_element([=](const Element& x) {
    double &v = x.slot(0), &a = x.slot(1), &b = x.slot(2);
    const double unbias = corrects ? 1 / (1 - std::pow(rho, x.t)) : 1;
    if (x.t == 1) v = initial;
    v = rho * v + (1 - rho) * x.g * x.g;
    double spread = v * unbias;
    if (centered) {
      a = rho * a + (1 - rho) * x.g;
      spread = std::max(0.0, spread - a * unbias * (a * unbias));
    }
    const double u = quotient(x.g, spread_of(spread, eps, inside));
    if (momentum == 0) {
      x.p -= x.lr * u;
      return;
    }
    const double entering = scaled ? x.lr * u : u, leaving = scaled ? 1 : x.lr;
    b = momentum * b + entering;
    x.p -= leaving * (nesterov ? entering + momentum * b : b);
  });
}

/// Riedmiller and Braun, 1993, without going back on a turn: the step is left out, and so is the next comparison.
UpdateRule make_rprop(OptionReader& reader) {
  const double shrink = reader.get_inside("shrink", 0.5, 0, 1), grow = reader.get_inside("grow", 1.2, 1, kUnbounded),
               smallest = reader.get_between("smallest", 1e-6, 0, kUnbounded),
               largest = reader.get_between("largest", 50, 0, kUnbounded);
  if (smallest > largest) reader.fail("smallest", "is above largest");
  return for_each_element([=](const Element& x) {
    double &before = x.slot(0), &size = x.slot(1);
    if (x.t == 1) size = x.lr;
    const double agreement = sign_of(x.g) * sign_of(before);
    size *= agreement > 0 ? grow : agreement < 0 ? shrink : 1;
    size = std::min(std::max(size, smallest), largest);
    before = agreement < 0 ? 0 : x.g;
    x.p -= sign_of(before) * size;
  });
}

}  // namespace fuselage::reference
