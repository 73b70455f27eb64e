// Steps in the parameter's own units.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// s <- rho s + (1 - rho) g^2, d = g sqrt(u + eps)/sqrt(s + eps), u <- rho u + (1 - rho) d^2, p <- p - lr d. Zeiler,
/// 2012.
struct Adadelta {
  static constexpr std::string_view name = "adadelta";
  static constexpr std::string_view formula = "d = g sqrt(u + eps)/sqrt(s + eps); p -= lr d";
  static constexpr std::string_view summary = "rates from the sizes of past gradients and of past steps";
  static constexpr int slots = 2;
  double lr = 1, rho = 0.9, eps = 1e-6;
  static void fields(auto&& field) {
    field("lr", &Adadelta::lr, kNonNegative, "learning rate");
    field("rho", &Adadelta::rho, kDecayRate, "decay of both means of squares");
    field("eps", &Adadelta::eps, kNormaliser, "below both roots");
  }

  struct Step {
    Decay mean;
    float eps, lr;
  };
  FUSELAGE_HD Step at(std::int64_t, double rate, double*) const {
    return {Decay::at(rho), static_cast<float>(eps), static_cast<float>(rate)};
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S e = S(s.eps), squares = s.mean.square(state[0], g), ratio = (state[1] + e) / (squares + e);
    state[0] = squares;
    state[1] = fma(S(s.mean.keep), state[1], S(s.mean.rest) * g * g * ratio);
    const S d = g * sqrt(ratio);
    p = fma(-S(s.lr), d, p);
  }
};

}  // namespace fuselage::optim
