// Adam by the gradient's deviation from what was expected.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// m as Adam; s <- beta2 s + (1 - beta2)(g - m)^2 + eps_root, p <- p - lr mhat/(sqrt(shat) + eps), with the new m. As
/// Optax. Zhuang et al., NeurIPS 2020.
struct AdaBelief {
  static constexpr std::string_view name = "adabelief";
  static constexpr std::string_view formula =
      "s = beta2 s + (1 - beta2)(g - m)^2 + eps_root; p -= lr mhat/(sqrt(shat) + eps)";
  static constexpr std::string_view summary = "Adam by how far the gradient is from its mean";
  static constexpr int slots = 2;
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-16, eps_root = 1e-16;
  static void fields(auto&& field) {
    field("lr", &AdaBelief::lr, kNonNegative, "learning rate");
    field("beta1", &AdaBelief::beta1, kDecayRate, "decay of the mean");
    field("beta2", &AdaBelief::beta2, kDecayRate, "decay of the squared deviation");
    field("eps", &AdaBelief::eps, kNonNegative, "added to the root of the deviation");
    field("eps_root", &AdaBelief::eps_root, kNonNegative, "added to the squared deviation");
  }

  struct Step {
    Decay first, second;
    Spread spread;
    float eps_root, rate;
  };
  FUSELAGE_HD Step at(std::int64_t t, double rate, double*) const {
    return {Decay::at(beta1), Decay::at(beta2), Spread::at(t, beta2, eps), static_cast<float>(eps_root),
            static_cast<float>(rate / (1 - powi(beta1, t)))};
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    // g - m of the new m is beta1 (g - m) of the old one, which does not cancel twice.
    const S away = S(s.first.keep) * (g - state[0]), m = s.first.mean(state[0], g);
    const S deviation = s.second.square(state[1], away) + S(s.eps_root);
    state[0] = m;
    state[1] = deviation;
    p = p - S(s.rate) * m / s.spread.of(deviation);
  }
};

}  // namespace fuselage::optim
