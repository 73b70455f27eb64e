// Adam with a second moment that never shrinks.
#pragma once

#include <array>

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// Of which second moments AMSGrad takes the maximum.
enum class MaximumOf { raw, corrected };
constexpr std::array<std::string_view, 2> names_of(MaximumOf) { return {"raw", "corrected"}; }

/// m and v as Adam; w <- max(w, v), p <- p - lr mhat/(sqrt(what) + eps), what = w/(1 - beta2^t). As PyTorch and Keras;
/// with maximum_of = corrected, as Optax, w <- max(w, vhat) and what = w. Reddi, Kale and Kumar, ICLR 2018.
struct AmsGrad {
  static constexpr std::string_view name = "amsgrad";
  static constexpr std::string_view formula = "w = max(w, v); p -= lr mhat/(sqrt(what + eps_root) + eps)";
  static constexpr std::string_view summary = "Adam whose second moment never shrinks";
  static constexpr int slots = 3;
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, eps_root = 0;
  EpsForm eps_form = EpsForm::corrected;
  MaximumOf maximum_of = MaximumOf::raw;
  static void fields(auto&& field) {
    field("lr", &AmsGrad::lr, kNonNegative, "learning rate");
    field("beta1", &AmsGrad::beta1, kDecayRate, "decay of the first moment");
    field("beta2", &AmsGrad::beta2, kDecayRate, "decay of the second moment");
    field("eps", &AmsGrad::eps, kNonNegative, "added to the root of the maximum");
    field("eps_root", &AmsGrad::eps_root, kNonNegative, "added below the root");
    field("eps_form", &AmsGrad::eps_form, Range{}, "eps after the bias correction, or before");
    field("maximum_of", &AmsGrad::maximum_of, Range{}, "second moments as they are, or corrected");
  }

  struct Step {
    Decay first, second;
    Spread spread;
    float correction;  ///< of v before the maximum
    float rate;
  };
  FUSELAGE_HD Step at(std::int64_t t, double rate, double*) const {
    Step s{Decay::at(beta1), Decay::at(beta2), Spread::at(t, beta2, eps, eps_root, eps_form), 1,
           static_cast<float>(rate / (1 - powi(beta1, t)))};
    if (maximum_of == MaximumOf::corrected) {
      const double correction = 1 / (1 - powi(beta2, t));
      s.correction = static_cast<float>(correction);
      s.spread.root = static_cast<float>(eps_root);
      s.spread.unbias = 1;
    }
    return s;
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S m = s.first.mean(state[0], g), v = s.second.square(state[1], g);
    const S most = maximum(state[2], v * S(s.correction));
    state[0] = m;
    state[1] = v;
    state[2] = most;
    p = p - S(s.rate) * m / s.spread.of(most);
  }
};

}  // namespace fuselage::optim
