// Evolved sign momentum.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// p <- p (1 - lr weight_decay) - lr sign(beta1 m + (1 - beta1) g), then m <- beta2 m + (1 - beta2) g. sign(0) = 0.
/// Chen et al., NeurIPS 2023.
struct Lion {
  static constexpr std::string_view name = "lion";
  static constexpr std::string_view formula = "p = p (1 - lr weight_decay) - lr sign(beta1 m + (1 - beta1) g)";
  static constexpr std::string_view summary = "steps of one size, by the sign of a mean; one state value";
  static constexpr int slots = 1;
  double lr = 1e-4, beta1 = 0.9, beta2 = 0.99, weight_decay = 0;
  static void fields(auto&& field) {
    field("lr", &Lion::lr, kNonNegative, "learning rate");
    field("beta1", &Lion::beta1, kDecayRate, "share of the mean in the step");
    field("beta2", &Lion::beta2, kDecayRate, "decay of the mean");
    field("weight_decay", &Lion::weight_decay, kNonNegative, "share of p lost per unit of lr");
  }

  struct Step {
    Decay step, mean;
    float lr, shrink;
  };
  FUSELAGE_HD Step at(std::int64_t, double rate, double*) const {
    return {Decay::at(beta1), Decay::at(beta2), static_cast<float>(rate), static_cast<float>(rate * weight_decay)};
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S direction = sign(s.step.mean(state[0], g));
    state[0] = s.mean.mean(state[0], g);
    p = p - fma(S(s.shrink), p, S(s.lr) * direction);
  }
};

}  // namespace fuselage::optim
