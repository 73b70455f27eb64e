// Stochastic gradient descent with momentum.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// v <- momentum v + (1 - dampening) g, p <- p - lr v; with nesterov p <- p - lr (g + momentum v). On step 1 v = g,
/// without dampening. momentum = 0: p <- p - lr g. As PyTorch: the velocity holds no learning rate, so a new rate acts
/// on all of it at once; with velocity = scaled, as Keras, lr g takes the place of g and lr is left out elsewhere.
/// Sutskever et al., ICML 2013.
struct Sgd {
  static constexpr std::string_view name = "sgd";
  static constexpr std::string_view formula =
      "v = momentum v + (1 - dampening) g, on step 1 v = g; p -= lr v; without momentum p -= lr g";
  static constexpr std::string_view summary = "gradient descent, with momentum, dampening and Nesterov";
  static constexpr int slots = 1;
  double lr = 1e-3, momentum = 0, dampening = 0;
  bool nesterov = false;
  Velocity velocity = Velocity::plain;
  static void fields(auto&& field) {
    field("lr", &Sgd::lr, kNonNegative, "learning rate");
    field("momentum", &Sgd::momentum, kDecayRate, "share of the velocity that is kept");
    field("dampening", &Sgd::dampening, kFraction, "share of the gradient kept out of the velocity");
    field("nesterov", &Sgd::nesterov, kFraction, "look ahead by the velocity");
    field("velocity", &Sgd::velocity, Range{}, "without the learning rate in it, or with it");
  }
  FUSELAGE_HD unsigned in_use() const { return momentum > 0; }

  struct Step {
    float entering, momentum, admitted, ahead, leaving;
  };
  FUSELAGE_HD Step at(std::int64_t t, double rate, double*) const {
    const bool whole = t == 1 || momentum == 0, scaled = velocity == Velocity::scaled && momentum > 0;
    return {static_cast<float>(scaled ? rate : 1), static_cast<float>(momentum),
            static_cast<float>(whole ? 1 : 1 - dampening), static_cast<float>(nesterov ? momentum : 0),
            static_cast<float>(scaled ? 1 : rate)};
  }
  /// Without momentum v is g and the state stays as it is; `ahead` is 0 without Nesterov.
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S x = S(s.entering) * g, v = fma(S(s.momentum), state[0], S(s.admitted) * x);
    const S ahead = S(s.ahead), direction = select(ahead > S(0), fma(ahead, v, x), v);
    state[0] = select(S(s.momentum) > S(0), v, state[0]);
    p = fma(-S(s.leaving), direction, p);
  }
};

}  // namespace fuselage::optim
