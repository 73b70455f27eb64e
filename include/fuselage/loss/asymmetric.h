// The asymmetric loss of multi-label classification, on logits.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// With p = sigmoid(x), m = max(0, p - clip) and a target t in [0, 1]:
///   t (1-p)^gamma_pos (-log p) + (1-t) m^gamma_neg (-log(1-m)),
/// derivative -t (1-p)^gamma_pos (gamma_pos p (-log p) + (1-p))
///   + (1-t) p (1-p) m^gamma_neg (gamma_neg (-log(1-m))/m + 1/(1-m)), its second part 0 where p <= clip.
/// Ridnik et al. 2021, whose code adds 1e-8 under the logarithms. The difference p - clip does not cancel where it is
/// small: with the logit c of clip it is p (1 - clip) (1 - e^(c - x)). Budget 16 ulp: a power multiplies the relative
/// error of its base.
struct Asymmetric {
  static constexpr std::string_view name = "asymmetric";
  static constexpr std::string_view formula =
      "t (1-p)^gamma_pos (-log p) + (1-t) m^gamma_neg (-log(1-m)), p = sigmoid(x), m = max(0, p - clip)";
  static constexpr std::string_view summary = "many labels, few of them right: easy negatives are let go";
  static constexpr Budget budget{16, 16, "a power multiplies the error of its base by the exponent"};
  static constexpr Decision decision = Decision::logit;
  static constexpr Domain prediction = Domain::logit, target = Domain::probability;
  double gamma_pos = 1, gamma_neg = 4, clip = 0.05;
  static void fields(auto&& field) {
    field("gamma_pos", &Asymmetric::gamma_pos, kNonNegative, "how fast right positives lose weight");
    field("gamma_neg", &Asymmetric::gamma_neg, kNonNegative, "how fast right negatives lose weight");
    field("clip", &Asymmetric::clip, Range{0, 1, false, true}, "probability below which a negative is let go");
  }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S x, S t) const {
    const auto tail = logistic_tail(x);
    const auto positive = x >= S(0);
    const S zero = S(0), one = S(1), most = one - tail.sigmoid,
            most_low = ((one - most) - tail.sigmoid) - tail.sigmoid_low;
    const TwoPart<S> small = {tail.sigmoid, tail.sigmoid_low}, large = {most, most_low};
    const TwoPart<S> p = select(positive, large, small), q = select(positive, small, large);
    const S yes = select(positive, zero, -x) + tail.log1p_exp;
    const Scaled<S> of_yes = power(q, gamma_pos);
    const S value = of_yes.times(t * yes), grad = of_yes.times(t * fma(S(gamma_pos) * p.high, yes, q.high));
    const Negative<S> no = negative(x, p, q, select(positive, x, zero) + tail.log1p_exp);
    const S sum = fma(one - t, no.value, value);
    return {sum, select(sum == sum, fma(one - t, no.slope, -grad), sum)};
  }

 private:
  template <class S>
  struct Negative {
    S value, slope;
  };

  /// m^gamma_neg (-log(1-m)) and its derivative; `softplus` is -log(1-p).
  template <class S>
  FUSELAGE_HD Negative<S> negative(S x, TwoPart<S> p, TwoPart<S> q, S softplus) const {
    const S zero = S(0), one = S(1), g = S(gamma_neg);
    if (clip == 0) {
      const Scaled<S> of_p = power(p, gamma_neg);
      return {of_p.times(softplus), of_p.times(fma(g * q.high, softplus, p.high))};
    }
    const float short_clip = static_cast<float>(clip);
    const S c = S(short_clip), c_low = S(clip - short_clip), far = p.high - c;
    const TwoPart<S> difference = {far, (((p.high - far) - c) + p.low) - c_low};  // good where p is not near clip
    const double logit = log(clip / (1 - clip));
    const float short_logit = static_cast<float>(logit), rest_of_clip = static_cast<float>(1 - clip);
    const S beyond = (x - S(short_logit)) - S(logit - short_logit), fall = -expm1(-beyond), part = p.high * fall;
    const S near = part * S(rest_of_clip), lost = fma(p.high, fall, -part) + p.low * fall;
    const S more = fma(part, S(1 - clip - rest_of_clip), fma(part, S(rest_of_clip), -near));
    const TwoPart<S> product = {near, fma(lost, S(rest_of_clip), more)};
    const auto counts = beyond > zero;
    const TwoPart<S> m = select(counts, select(p.high > S(1.25) * c, difference, product), TwoPart<S>{one, zero});
    const S rest = q.high + c, odds = m.high / rest, loss = log1p(odds);  // rest is 1 - m
    const Scaled<S> of_m = power(m, gamma_neg);
    const S slope = of_m.times(p.high * q.high * fma(g, loss / m.high, one / rest));
    return {select(counts, of_m.times(loss), zero), select(counts, slope, zero)};
  }
};

}  // namespace fuselage::loss
