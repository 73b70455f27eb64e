// Gradient descent by signs.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// p <- p - lr sign(g); with momentum m <- momentum m + (1 - momentum) g and p <- p - lr sign(m), "signum". sign(0) =
/// 0. Bernstein et al., ICML 2018.
struct SignSgd {
  static constexpr std::string_view name = "signsgd";
  static constexpr std::string_view formula = "m = momentum m + (1 - momentum) g; p -= lr sign(m)";
  static constexpr std::string_view summary = "steps of one size, by the sign of the gradient or of its mean";
  static constexpr int slots = 1;
  double lr = 1e-3, momentum = 0;
  static void fields(auto&& field) {
    field("lr", &SignSgd::lr, kNonNegative, "learning rate");
    field("momentum", &SignSgd::momentum, kDecayRate, "share of the mean that is kept; 0: no mean");
  }
  FUSELAGE_HD unsigned in_use() const { return momentum > 0; }

  struct Step {
    Decay mean;
    float lr;
  };
  FUSELAGE_HD Step at(std::int64_t, double rate, double*) const {
    return {Decay::at(momentum), static_cast<float>(rate)};
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S m = s.mean.mean(state[0], g);
    state[0] = select(S(s.mean.keep) > S(0), m, state[0]);
    p = fma(-S(s.lr), sign(m), p);
  }
};

}  // namespace fuselage::optim
