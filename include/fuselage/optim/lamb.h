// Adam with a rate for each tensor.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// m and v as Adam; u = mhat/(sqrt(vhat + eps_root) + eps) + weight_decay p, ratio = |p|/|u| of the whole tensor, held
/// within [lowest, highest], 1 where either norm is 0; p <- p - lr ratio u. As the paper and Optax; Keras has its decay
/// outside the ratio, which is the update's `decay` here. You et al., ICLR 2020.
struct Lamb {
  static constexpr std::string_view name = "lamb";
  static constexpr std::string_view formula =
      "u = mhat/(sqrt(vhat + eps_root) + eps) + weight_decay p; p -= lr |p|/|u| u";
  static constexpr std::string_view summary = "Adam with a rate for each tensor, for large batches";
  static constexpr int slots = 2;
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-6, weight_decay = 0, eps_root = 0, lowest = 0,
         highest = kInfinity;
  static void fields(auto&& field) {
    field("lr", &Lamb::lr, kNonNegative, "learning rate");
    field("beta1", &Lamb::beta1, kDecayRate, "decay of the first moment");
    field("beta2", &Lamb::beta2, kDecayRate, "decay of the second moment");
    field("eps", &Lamb::eps, kNonNegative, "added to the root of the second moment");
    field("weight_decay", &Lamb::weight_decay, kNonNegative, "share of p in the update");
    field("eps_root", &Lamb::eps_root, kNonNegative, "added below the root");
    field("lowest", &Lamb::lowest, kNonNegative, "least ratio of the norms");
    field("highest", &Lamb::highest, Range{0, kInfinity}, "greatest ratio of the norms");
  }
  void check() const {
    if (lowest > highest) throw Error(Errc::bad_argument, "lamb: lowest is above highest");
  }

  struct Step {
    Decay first, second;
    Spread spread;
    float unbias, decay;  ///< 1/(1 - beta1^t)
    double lr, lowest, highest;
    float rate;  ///< lr ratio, of the tensor
  };
  FUSELAGE_HD Step at(std::int64_t t, double rate, double*) const {
    return {Decay::at(beta1),
            Decay::at(beta2),
            Spread::at(t, beta2, eps, eps_root),
            static_cast<float>(1 / (1 - powi(beta1, t))),
            static_cast<float>(weight_decay),
            rate,
            lowest,
            highest,
            0};
  }
  /// u, with the moments after this step.
  template <class S>
  FUSELAGE_HD static S direction(const Step& s, S p, S m, S v) {
    return fma(S(s.decay), p, S(s.unbias) * m / s.spread.of(v));
  }
  template <class S>
  FUSELAGE_HD static S measured(const Step& s, S p, S g, const S* state) {
    return direction(s, p, s.first.mean(state[0], g), s.second.square(state[1], g));
  }
  FUSELAGE_HD static void fit(Step& s, double p_square, double u_square, double&) {
    double ratio = 1;
    if (p_square > 0 && u_square > 0) {
      const double measured = fuselage::sqrt(p_square) / fuselage::sqrt(u_square);
      ratio = lesser_of(greater_of(measured, s.lowest), s.highest);
    }
    s.rate = static_cast<float>(s.lr * ratio);
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S m = s.first.mean(state[0], g), v = s.second.square(state[1], g);
    state[0] = m;
    state[1] = v;
    p = fma(-S(s.rate), direction(s, p, m, v), p);
  }
};

}  // namespace fuselage::optim
