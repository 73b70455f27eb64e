// Rates by the size of late gradients.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// v <- rho v + (1 - rho) g^2, and centred also a <- rho a + (1 - rho) g with w = v - a^2, else w = v;
/// u = g/(sqrt(w) + eps), or g/sqrt(w + eps); p <- p - lr u, with momentum b <- momentum b + u and p <- p - lr b (with
/// nesterov u + momentum b in its place). The velocity may hold lr (Keras, Optax); v may start at `initial` and be
/// corrected for its bias (Optax). w is never below 0. Tieleman and Hinton, 2012; Graves, 2013.
struct RmsProp {
  static constexpr std::string_view name = "rmsprop";
  static constexpr std::string_view formula =
      "v = rho v + (1 - rho) g^2; p -= lr g/(sqrt(v) + eps), with momentum on top";
  static constexpr std::string_view summary = "rates by the size of late gradients; centred, with momentum";
  static constexpr int slots = 3;
  double lr = 1e-2, rho = 0.99, eps = 1e-8, momentum = 0, initial = 0;
  bool centered = false, nesterov = false, bias_correction = false;
  EpsPlace eps_place = EpsPlace::outside;
  Velocity velocity = Velocity::plain;
  static void fields(auto&& field) {
    field("lr", &RmsProp::lr, kNonNegative, "learning rate");
    field("rho", &RmsProp::rho, kDecayRate, "decay of the mean square");
    field("eps", &RmsProp::eps, kNonNegative, "keeps the divisor from 0");
    field("momentum", &RmsProp::momentum, kDecayRate, "share of the velocity that is kept");
    field("initial", &RmsProp::initial, kNonNegative, "where the mean square starts");
    field("centered", &RmsProp::centered, kFraction, "the variance in place of the mean square");
    field("nesterov", &RmsProp::nesterov, kFraction, "look ahead by the velocity");
    field("bias_correction", &RmsProp::bias_correction, kFraction, "correct the means for their start");
    field("eps_place", &RmsProp::eps_place, Range{}, "eps outside the root, or inside");
    field("velocity", &RmsProp::velocity, Range{}, "without the learning rate in it, or with it");
  }
  FUSELAGE_HD unsigned in_use() const { return 1u | (centered ? 2u : 0u) | (momentum > 0 ? 4u : 0u); }

  struct Step {
    Decay mean;
    float initial, unbias, inside, outside, entering, momentum, ahead, leaving;
    bool centered;
  };
  FUSELAGE_HD Step at(std::int64_t t, double rate, double*) const {
    const float e = static_cast<float>(eps);
    const bool in = eps_place == EpsPlace::inside, scaled = velocity == Velocity::scaled && momentum > 0;
    return {Decay::at(rho),
            static_cast<float>(t == 1 ? initial : 0),
            static_cast<float>(bias_correction ? 1 / (1 - powi(rho, t)) : 1),
            in ? e : 0,
            in ? 0 : e,
            static_cast<float>(scaled ? rate : 1),
            static_cast<float>(momentum),
            static_cast<float>(nesterov ? momentum : 0),
            static_cast<float>(scaled ? 1 : rate),
            centered};
  }
  /// The variance is exact to rounding where nothing is corrected: v - a^2 of the new means is
  /// rho ((v - a^2) + (1 - rho)(g - a)^2) of the old ones.
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S old = state[0] + S(s.initial), v = s.mean.square(old, g);
    S spread = v * S(s.unbias);
    if (s.centered) {
      const S a = s.mean.mean(state[1], g), away = g - state[1], corrected = a * S(s.unbias);
      const S variance = S(s.mean.keep) * fma(S(s.mean.rest) * away, away, fma(-state[1], state[1], old));
      spread = greater_of(S(0), s.unbias == 1 ? variance : fma(-corrected, corrected, spread));
      state[1] = a;
    }
    const S x = S(s.entering) * g / (sqrt(spread + S(s.inside)) + S(s.outside));
    const S u = select(g == S(0), S(0), x), b = fma(S(s.momentum), state[2], u);
    const S ahead = S(s.ahead), direction = select(ahead > S(0), fma(ahead, b, u), b);
    state[0] = v;
    state[2] = select(S(s.momentum) > S(0), b, state[2]);
    p = fma(-S(s.leaving), direction, p);
  }
};

}  // namespace fuselage::optim
