// Adaptive Nesterov momentum.
#pragma once

#include <array>

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// What weighs the gradients' difference in Adan: beta2, as its authors' code, or 1 - beta2, as Optax.
enum class DifferenceWeight { beta2, rest };
constexpr std::array<std::string_view, 2> names_of(DifferenceWeight) { return {"beta2", "rest"}; }

/// d = g - g of the step before (0 on step 1), w the weight of the difference: m <- beta1 m + (1 - beta1) g,
/// v <- beta2 v + (1 - beta2) d, n <- beta3 n + (1 - beta3)(g + w d)^2,
/// p <- (p - lr (mhat + w vhat)/(sqrt(nhat + eps_root) + eps))/(1 + lr weight_decay). Xie et al., TPAMI 2024.
struct Adan {
  static constexpr std::string_view name = "adan";
  static constexpr std::string_view formula =
      "p = (p - lr (mhat + w vhat)/(sqrt(nhat + eps_root) + eps))/(1 + lr weight_decay)";
  static constexpr std::string_view summary = "adaptive moments of the gradient and of its change";
  static constexpr int slots = 4;
  double lr = 1e-3, beta1 = 0.98, beta2 = 0.92, beta3 = 0.99, eps = 1e-8, weight_decay = 0, eps_root = 0;
  DifferenceWeight difference = DifferenceWeight::beta2;
  static void fields(auto&& field) {
    field("lr", &Adan::lr, kNonNegative, "learning rate");
    field("beta1", &Adan::beta1, kDecayRate, "decay of the gradient's mean");
    field("beta2", &Adan::beta2, kDecayRate, "decay of the mean of its change");
    field("beta3", &Adan::beta3, kDecayRate, "decay of the second moment");
    field("eps", &Adan::eps, kNonNegative, "added to the root of the second moment");
    field("weight_decay", &Adan::weight_decay, kNonNegative, "proximal decay per unit of lr");
    field("eps_root", &Adan::eps_root, kNonNegative, "added below the root");
    field("difference", &Adan::difference, Range{}, "what weighs the gradient's change");
  }

  struct Step {
    Decay gradient, change, second;
    Spread spread;
    float weight, mean, changed;  ///< of d; lr times the shares of m and v
    float shrink;                 ///< what (1 + lr weight_decay) in the divisor takes
    bool first;
  };
  FUSELAGE_HD Step at(std::int64_t t, double rate, double*) const {
    const double w = difference == DifferenceWeight::beta2 ? beta2 : 1 - beta2;
    return {Decay::at(beta1),
            Decay::at(beta2),
            Decay::at(beta3),
            Spread::at(t, beta3, eps, eps_root),
            static_cast<float>(w),
            static_cast<float>(rate / (1 - powi(beta1, t))),
            static_cast<float>(rate * w / (1 - powi(beta2, t))),
            static_cast<float>(rate * weight_decay / (1 + rate * weight_decay)),
            t == 1};
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S d = s.first ? S(0) : g - state[3];
    const S m = s.gradient.mean(state[0], g), v = s.change.mean(state[1], d);
    const S n = s.second.square(state[2], fma(S(s.weight), d, g));
    state[0] = m;
    state[1] = v;
    state[2] = n;
    state[3] = g;
    const S step = fma(S(s.changed), v, S(s.mean) * m) / s.spread.of(n);
    p = p - fma(S(s.shrink), p - step, step);
  }
};

}  // namespace fuselage::optim
