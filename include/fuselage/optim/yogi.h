// Adam with an additive second moment.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// m as Adam; v <- v - (1 - beta2) sign(v - g^2) g^2, p <- p - lr mhat/(sqrt(vhat + eps_root) + eps). m and v start at
/// `initial`, as in Optax and TensorFlow Addons; the paper corrects no bias. Zaheer et al., NeurIPS 2018.
struct Yogi {
  static constexpr std::string_view name = "yogi";
  static constexpr std::string_view formula =
      "v -= (1 - beta2) sign(v - g^2) g^2; p -= lr mhat/(sqrt(vhat + eps_root) + eps)";
  static constexpr std::string_view summary = "Adam whose second moment grows and shrinks by at most g^2 a step";
  static constexpr int slots = 2;
  double lr = 1e-2, beta1 = 0.9, beta2 = 0.999, eps = 1e-3, eps_root = 0, initial = 1e-6;
  static void fields(auto&& field) {
    field("lr", &Yogi::lr, kNonNegative, "learning rate");
    field("beta1", &Yogi::beta1, kDecayRate, "decay of the first moment");
    field("beta2", &Yogi::beta2, kDecayRate, "1 less the share of g^2 that v moves by");
    field("eps", &Yogi::eps, kNonNegative, "added to the root of the second moment");
    field("eps_root", &Yogi::eps_root, kNonNegative, "added below the root");
    field("initial", &Yogi::initial, kNonNegative, "where both moments start");
  }

  struct Step {
    Decay first;
    Spread spread;
    float rest, initial, rate;  ///< `initial` is added to both moments: 0 after step 1
  };
  FUSELAGE_HD Step at(std::int64_t t, double rate, double*) const {
    return {Decay::at(beta1), Spread::at(t, beta2, eps, eps_root), static_cast<float>(1 - beta2),
            static_cast<float>(t == 1 ? initial : 0), static_cast<float>(rate / (1 - powi(beta1, t)))};
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S m = s.first.mean(state[0] + S(s.initial), g), old = state[1] + S(s.initial), square = g * g;
    const S v = fma(-S(s.rest) * sign(old - square), square, old);
    state[0] = m;
    state[1] = v;
    p = p - S(s.rate) * m / s.spread.of(v);
  }
};

}  // namespace fuselage::optim
