// Adam with Nesterov's momentum.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// m and v as Adam; with mu(t) = beta1 (1 - 0.96^(momentum_decay t)/2) and M = mu(1) ... mu(t),
/// p <- p - lr [(1 - mu(t)) g/(1 - M) + mu(t+1) m/(1 - M mu(t+1))]/(sqrt(vhat) + eps). As PyTorch; Keras has
/// momentum_decay = 1. With constant_momentum mu is beta1, as Optax. Dozat, ICLR workshop 2016.
struct Nadam {
  static constexpr std::string_view name = "nadam";
  static constexpr std::string_view formula =
      "p -= lr ((1 - mu) g/(1 - M) + mu' m/(1 - M mu'))/(sqrt(vhat + eps_root) + eps)";
  static constexpr std::string_view summary = "Adam that looks ahead by Nesterov's momentum";
  static constexpr int slots = 2;
  static constexpr bool has_memory = true;
  double lr = 2e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, momentum_decay = 4e-3, eps_root = 0;
  bool constant_momentum = false;
  static void fields(auto&& field) {
    field("lr", &Nadam::lr, kNonNegative, "learning rate");
    field("beta1", &Nadam::beta1, kDecayRate, "decay of the first moment");
    field("beta2", &Nadam::beta2, kDecayRate, "decay of the second moment");
    field("eps", &Nadam::eps, kNonNegative, "added to the root of the second moment");
    field("momentum_decay", &Nadam::momentum_decay, kNonNegative, "how soon mu grows to beta1");
    field("eps_root", &Nadam::eps_root, kNonNegative, "added below the root");
    field("constant_momentum", &Nadam::constant_momentum, kFraction, "mu is beta1 from the start");
  }

  struct Step {
    Decay first, second;
    Spread spread;
    float gradient, mean;  ///< lr times the shares of g and m
  };
  FUSELAGE_HD double mu(std::int64_t t) const {
    constexpr double kLog = -0.040821994520255166;  // log(0.96)
    if (constant_momentum) return beta1;
    return beta1 * (1 - 0.5 * exp(kLog * momentum_decay * static_cast<double>(t)));
  }
  /// memory[0] is the product M of the steps before.
  FUSELAGE_HD Step at(std::int64_t t, double rate, double* memory) const {
    const double now = mu(t), next = mu(t + 1), product = (t == 1 ? 1 : memory[0]) * now;
    memory[0] = product;
    return {Decay::at(beta1), Decay::at(beta2), Spread::at(t, beta2, eps, eps_root),
            static_cast<float>(rate * (1 - now) / (1 - product)),
            static_cast<float>(rate * next / (1 - product * next))};
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S m = s.first.mean(state[0], g), v = s.second.square(state[1], g);
    state[0] = m;
    state[1] = v;
    p = p - fma(S(s.mean), m, S(s.gradient) * g) / s.spread.of(v);
  }
};

}  // namespace fuselage::optim
