// Adam with the infinity norm.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// m as Adam; u <- max(beta2 u, |g| + eps), p <- p - lr mhat/u. As PyTorch and Optax; with eps = outside, as Keras,
/// u <- max(beta2 u, |g|) and p <- p - lr mhat/(u + eps). Kingma and Ba, ICLR 2015, section 7.1.
struct Adamax {
  static constexpr std::string_view name = "adamax";
  static constexpr std::string_view formula = "u = max(beta2 u, |g| + eps); p -= lr mhat/u";
  static constexpr std::string_view summary = "Adam with the largest gradient of late in place of the second moment";
  static constexpr int slots = 2;
  double lr = 2e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  EpsPlace eps_place = EpsPlace::inside;
  static void fields(auto&& field) {
    field("lr", &Adamax::lr, kNonNegative, "learning rate");
    field("beta1", &Adamax::beta1, kDecayRate, "decay of the first moment");
    field("beta2", &Adamax::beta2, kDecayRate, "decay of the largest gradient");
    field("eps", &Adamax::eps, kNonNegative, "keeps the divisor from 0");
    field("eps_place", &Adamax::eps_place, Range{}, "eps beside u, or in its maximum");
  }

  struct Step {
    Decay first;
    float beta2, eps_inside, eps_outside, rate;
  };
  FUSELAGE_HD Step at(std::int64_t t, double rate, double*) const {
    const float e = static_cast<float>(eps);
    const bool inside = eps_place == EpsPlace::inside;
    return {Decay::at(beta1), static_cast<float>(beta2), inside ? e : 0, inside ? 0 : e,
            static_cast<float>(rate / (1 - powi(beta1, t)))};
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S m = s.first.mean(state[0], g);
    const S u = maximum(S(s.beta2) * state[1], abs(g) + S(s.eps_inside));
    state[0] = m;
    state[1] = u;
    p = p - S(s.rate) * m / (u + S(s.eps_outside));
  }
};

}  // namespace fuselage::optim
