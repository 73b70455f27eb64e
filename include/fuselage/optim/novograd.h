// Adam with one second moment for each tensor.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// v <- beta2 v + (1 - beta2) |g|^2 of the whole tensor, on step 1 v = |g|^2;
/// m <- beta1 m + (g/(sqrt(v + eps_root) + eps) + weight_decay p), with averaging (1 - beta1) times the bracket after
/// step 1; p <- p - lr m. Ginsburg et al., 2019; Optax's defaults are beta1 = 0.9 and beta2 = 0.25.
struct NovoGrad {
  static constexpr std::string_view name = "novograd";
  static constexpr std::string_view formula =
      "v = beta2 v + (1 - beta2) |g|^2; m = beta1 m + (g/(sqrt(v) + eps) + weight_decay p); p -= lr m";
  static constexpr std::string_view summary = "gradients normalised by a moment of each tensor's norm";
  static constexpr int slots = 1;
  static constexpr bool keeps_a_number = true;  // v
  double lr = 1e-3, beta1 = 0.95, beta2 = 0.98, eps = 1e-8, weight_decay = 0, eps_root = 0;
  bool averaging = false;
  static void fields(auto&& field) {
    field("lr", &NovoGrad::lr, kNonNegative, "learning rate");
    field("beta1", &NovoGrad::beta1, kDecayRate, "decay of the first moment");
    field("beta2", &NovoGrad::beta2, kDecayRate, "decay of the tensor's second moment");
    field("eps", &NovoGrad::eps, kNonNegative, "added to the root of the second moment");
    field("weight_decay", &NovoGrad::weight_decay, kNonNegative, "share of p in the update");
    field("eps_root", &NovoGrad::eps_root, kNonNegative, "added below the root");
    field("averaging", &NovoGrad::averaging, kFraction, "the first moment is a mean, not a sum");
  }

  struct Step {
    float beta1, admitted, decay, rate;
    double beta2, eps, eps_root;
    bool first;
    float scale;  ///< 1/(sqrt(v + eps_root) + eps), of the tensor
  };
  FUSELAGE_HD Step at(std::int64_t t, double lr_now, double*) const {
    return {static_cast<float>(beta1),
            static_cast<float>(averaging && t > 1 ? 1 - beta1 : 1),
            static_cast<float>(weight_decay),
            static_cast<float>(lr_now),
            beta2,
            eps,
            eps_root,
            t == 1,
            0};
  }
  template <class S>
  FUSELAGE_HD static S measured(const Step&, S, S g, const S*) {
    return g;
  }
  /// A gradient that was always 0 counts as 0, whatever eps is.
  FUSELAGE_HD static void fit(Step& s, double, double g_square, double& v) {
    v = s.first ? g_square : s.beta2 * v + (1 - s.beta2) * g_square;
    const double spread = fuselage::sqrt(v + s.eps_root) + s.eps;
    s.scale = static_cast<float>(spread > 0 ? 1 / spread : spread);
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S m = fma(S(s.beta1), state[0], S(s.admitted) * fma(S(s.scale), g, S(s.decay) * p));
    state[0] = m;
    p = fma(-S(s.rate), m, p);
  }
};

}  // namespace fuselage::optim
