// Adam and AdamW.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// The recurrence that Adam and AdamW share: m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g^2,
/// p <- p - shrink p - lr mhat/(sqrt(vhat + eps_root) + eps), with mhat = m/(1 - beta1^t) and vhat = v/(1 - beta2^t).
struct AdamStep {
  Decay first, second;
  Spread spread;
  float rate;    ///< lr/(1 - beta1^t)
  float shrink;  ///< lr weight_decay; 1 less it would round the same way in each step

  template <class R>
  FUSELAGE_HD static AdamStep at(std::int64_t t, double lr, const R& r, double weight_decay) {
    return {Decay::at(r.beta1), Decay::at(r.beta2), Spread::at(t, r.beta2, r.eps, r.eps_root, r.eps_form),
            static_cast<float>(lr / (1 - powi(r.beta1, t))), static_cast<float>(lr * weight_decay)};
  }
  template <class S>
  FUSELAGE_HD static void update(const AdamStep& s, S& p, S g, S* state) {
    const S m = s.first.mean(state[0], g), v = s.second.square(state[1], g);
    state[0] = m;
    state[1] = v;
    p = p - fma(S(s.shrink), p, S(s.rate) * m / s.spread.of(v));
  }
};

/// Adam. Weight decay, when wanted as part of the gradient, is the update's l2. Kingma and Ba, ICLR 2015.
struct Adam {
  static constexpr std::string_view name = "adam";
  static constexpr std::string_view formula = "p -= lr mhat/(sqrt(vhat + eps_root) + eps)";
  static constexpr std::string_view summary = "adaptive moments";
  static constexpr int slots = 2;
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, eps_root = 0;
  EpsForm eps_form = EpsForm::corrected;
  static void fields(auto&& field) {
    field("lr", &Adam::lr, kNonNegative, "learning rate");
    field("beta1", &Adam::beta1, kDecayRate, "decay of the first moment");
    field("beta2", &Adam::beta2, kDecayRate, "decay of the second moment");
    field("eps", &Adam::eps, kNonNegative, "added to the root of the second moment");
    field("eps_root", &Adam::eps_root, kNonNegative, "added below the root");
    field("eps_form", &Adam::eps_form, Range{}, "eps after the bias correction, or before");
  }
  using Step = AdamStep;
  FUSELAGE_HD Step at(std::int64_t t, double rate, double*) const { return AdamStep::at(t, rate, *this, 0); }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    AdamStep::update(s, p, g, state);
  }
};

/// AdamW: Adam on p (1 - lr weight_decay), the decay decoupled from the gradient. Loshchilov and Hutter, ICLR 2019.
struct AdamW {
  static constexpr std::string_view name = "adamw";
  static constexpr std::string_view formula = "p = p (1 - lr weight_decay) - lr mhat/(sqrt(vhat + eps_root) + eps)";
  static constexpr std::string_view summary = "adaptive moments with decoupled weight decay";
  static constexpr int slots = 2;
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 1e-2, eps_root = 0;
  EpsForm eps_form = EpsForm::corrected;
  static void fields(auto&& field) {
    field("lr", &AdamW::lr, kNonNegative, "learning rate");
    field("beta1", &AdamW::beta1, kDecayRate, "decay of the first moment");
    field("beta2", &AdamW::beta2, kDecayRate, "decay of the second moment");
    field("eps", &AdamW::eps, kNonNegative, "added to the root of the second moment");
    field("weight_decay", &AdamW::weight_decay, kNonNegative, "share of p lost per unit of lr");
    field("eps_root", &AdamW::eps_root, kNonNegative, "added below the root");
    field("eps_form", &AdamW::eps_form, Range{}, "eps after the bias correction, or before");
  }
  using Step = AdamStep;
  FUSELAGE_HD Step at(std::int64_t t, double rate, double*) const { return AdamStep::at(t, rate, *this, weight_decay); }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    AdamStep::update(s, p, g, state);
  }
};

}  // namespace fuselage::optim
