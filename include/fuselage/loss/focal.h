// The focal loss on logits.
#pragma once

#include <optional>

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// With p = sigmoid(x) and a target t in [0, 1]: alpha t (1-p)^gamma (-log p) + (1-alpha) (1-t) p^gamma (-log(1-p));
/// without alpha both factors are 1. The derivative is
///   -alpha t (1-p)^gamma (gamma p (-log p) + (1-p)) + (1-alpha) (1-t) p^gamma (gamma (1-p) (-log(1-p)) + p):
/// no power has an exponent below gamma, so it is finite at saturated p also for gamma < 1. gamma = 0 is
/// bce_with_logits. Lin et al., Focal Loss for Dense Object Detection (2017). A soft target weighs the two losses of
/// hard ones; Keras and Optax weigh by the probability of the soft target instead, which is the same for targets 0
/// and 1.
struct Focal {
  static constexpr std::string_view name = "focal";
  static constexpr std::string_view formula =
      "alpha t (1-p)^gamma (-log p) + (1-alpha) (1-t) p^gamma (-log(1-p)), p = sigmoid(x)";
  static constexpr std::string_view summary = "binary cross-entropy that turns away from what is already right";
  static constexpr Decision decision = Decision::logit;
  static constexpr Domain prediction = Domain::logit, target = Domain::probability;
  static constexpr Budget budget{10, 10,
                                 "a power multiplies the error of its base, of which 2^-28 is left, by the exponent"};
  std::optional<double> alpha;
  double gamma = 2;
  static void fields(auto&& field) {
    field("alpha", &Focal::alpha, kFraction, "weight of target 1 against target 0; none: 1 for both");
    field("gamma", &Focal::gamma, kNonNegative, "how fast right decisions lose weight");
  }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const auto tail = logistic_tail(y);
    const auto positive = y >= S(0);
    const S zero = S(0), one = S(1), g = S(gamma);
    const S most = one - tail.sigmoid, most_low = ((one - most) - tail.sigmoid) - tail.sigmoid_low;
    const TwoPart<S> small = {tail.sigmoid, tail.sigmoid_low}, large = {most, most_low};
    const TwoPart<S> p = select(positive, large, small), q = select(positive, small, large);
    const S yes = select(positive, zero, -y) + tail.log1p_exp, no = select(positive, y, zero) + tail.log1p_exp;
    const Scaled<S> of_yes = power(q, gamma), of_no = power(p, gamma);
    const S right = (alpha ? S(*alpha) : one) * t, wrong = (alpha ? S(1 - *alpha) : one) * (one - t);
    const S value = of_yes.times(right * yes) + of_no.times(wrong * no);
    const S grad =
        of_no.times(wrong * fma(g * q.high, no, p.high)) - of_yes.times(right * fma(g * p.high, yes, q.high));
    return {value, select(value == value, grad, value)};
  }
};

}  // namespace fuselage::loss
