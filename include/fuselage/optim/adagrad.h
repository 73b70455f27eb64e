// Rates that shrink by all gradients so far.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// s <- s + g^2, p <- p - lr/(1 + (t - 1) lr_decay) g/(sqrt(s) + eps); s starts at `initial`. As PyTorch; with eps
/// inside the root, as Keras and Optax, which start at 0.1. 0/0 of a gradient that was always 0 is 0. Duchi, Hazan and
/// Singer, JMLR 2011.
struct Adagrad {
  static constexpr std::string_view name = "adagrad";
  static constexpr std::string_view formula = "s += g^2; p -= lr/(1 + (t - 1) lr_decay) g/(sqrt(s) + eps)";
  static constexpr std::string_view summary = "rates that shrink by the gradients so far";
  static constexpr int slots = 1;
  double lr = 1e-2, lr_decay = 0, eps = 1e-10, initial = 0;
  EpsPlace eps_place = EpsPlace::outside;
  static void fields(auto&& field) {
    field("lr", &Adagrad::lr, kNonNegative, "learning rate");
    field("lr_decay", &Adagrad::lr_decay, kNonNegative, "how the rate shrinks by the step");
    field("eps", &Adagrad::eps, kNonNegative, "keeps the divisor from 0");
    field("initial", &Adagrad::initial, kNonNegative, "where the sum of squares starts");
    field("eps_place", &Adagrad::eps_place, Range{}, "eps outside the root, or inside");
  }

  struct Step {
    float rate, initial, inside, outside;
  };
  FUSELAGE_HD Step at(std::int64_t t, double rate, double*) const {
    const float e = static_cast<float>(eps);
    const bool in = eps_place == EpsPlace::inside;
    return {static_cast<float>(rate / (1 + static_cast<double>(t - 1) * lr_decay)),
            static_cast<float>(t == 1 ? initial : 0), in ? e : 0, in ? 0 : e};
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S sum = fma(g, g, state[0] + S(s.initial)), spread = sqrt(sum + S(s.inside)) + S(s.outside);
    state[0] = sum;
    p = p - select(spread == S(0), S(s.rate) * g, S(s.rate) * g / spread);
  }
};

}  // namespace fuselage::optim
