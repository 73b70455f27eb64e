// Adam and AdamW.
#pragma once

#include <tuple>

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/optim/concepts.h"

namespace fuselage::optim {

/// The recurrence that Adam and AdamW share: m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g^2,
/// p <- keep p - lr mhat/(sqrt(vhat) + eps), with mhat = m/(1 - beta1^t) and vhat = v/(1 - beta2^t); eps after the
/// correction, as PyTorch. Kingma and Ba, ICLR 2015.
struct AdamStep {
  float beta1, rest1, beta2, rest2, eps;
  float rate;    ///< lr/(1 - beta1^t)
  float unbias;  ///< 1/sqrt(1 - beta2^t)
  float keep;    ///< 1 - lr weight_decay

  /// The corrections come from double: in float, 1 - 0.999 is already 1e-5 off.
  FUSELAGE_HD static AdamStep at(std::int64_t t, double lr, double b1, double b2, double epsilon, double keep) {
    const double rate = lr / (1 - powi(b1, t)), unbias = 1 / fuselage::sqrt(1 - powi(b2, t));
    return {static_cast<float>(b1),     static_cast<float>(1 - b1),  static_cast<float>(b2),
            static_cast<float>(1 - b2), static_cast<float>(epsilon), static_cast<float>(rate),
            static_cast<float>(unbias), static_cast<float>(keep)};
  }
  template <class S>
  FUSELAGE_HD static void update(const AdamStep& s, S& p, S g, S* state) {
    const S m = fma(S(s.beta1), state[0], S(s.rest1) * g);
    const S v = fma(S(s.beta2), state[1], S(s.rest2) * g * g);
    state[0] = m;
    state[1] = v;
    const S spread = fma(sqrt(v), S(s.unbias), S(s.eps));
    p = fma(p, S(s.keep), -(S(s.rate) * m / spread));
  }
};

/// Adam. Weight decay, when wanted as part of the gradient, is the update's l2.
struct Adam {
  static constexpr std::string_view name = "adam";
  static constexpr std::string_view formula = "p -= lr mhat/(sqrt(vhat) + eps)";
  static constexpr std::string_view summary = "adaptive moments";
  static constexpr int slots = 2;
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  static constexpr auto fields() {
    return std::tuple{Field{"lr", &Adam::lr, kNonNegative, "learning rate"},
                      Field{"beta1", &Adam::beta1, kDecayRate, "decay of the first moment"},
                      Field{"beta2", &Adam::beta2, kDecayRate, "decay of the second moment"},
                      Field{"eps", &Adam::eps, kNonNegative, "added to the root of the second moment"}};
  }
  using Step = AdamStep;
  FUSELAGE_HD Step at(std::int64_t t, double rate) const { return AdamStep::at(t, rate, beta1, beta2, eps, 1); }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    AdamStep::update(s, p, g, state);
  }
};

/// AdamW: Adam on p (1 - lr weight_decay), the decay decoupled from the gradient. Loshchilov and Hutter, ICLR 2019.
struct AdamW {
  static constexpr std::string_view name = "adamw";
  static constexpr std::string_view formula = "p = p (1 - lr weight_decay) - lr mhat/(sqrt(vhat) + eps)";
  static constexpr std::string_view summary = "adaptive moments with decoupled weight decay";
  static constexpr int slots = 2;
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 1e-2;
  static constexpr auto fields() {
    return std::tuple{Field{"lr", &AdamW::lr, kNonNegative, "learning rate"},
                      Field{"beta1", &AdamW::beta1, kDecayRate, "decay of the first moment"},
                      Field{"beta2", &AdamW::beta2, kDecayRate, "decay of the second moment"},
                      Field{"eps", &AdamW::eps, kNonNegative, "added to the root of the second moment"},
                      Field{"weight_decay", &AdamW::weight_decay, kNonNegative, "share of p lost per unit of lr"}};
  }
  using Step = AdamStep;
  FUSELAGE_HD Step at(std::int64_t t, double rate) const {
    return AdamStep::at(t, rate, beta1, beta2, eps, 1 - rate * weight_decay);
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    AdamStep::update(s, p, g, state);
  }
};

}  // namespace fuselage::optim
