// Adam with a rectified adaptive rate.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// m and v as Adam; with n = 2/(1 - beta2) - 1 and r = n - 2 t beta2^t/(1 - beta2^t): where r > threshold,
/// p <- p - lr mhat sqrt((r-4)(r-2) n/((n-4)(n-2) r))/spread, elsewhere p <- p - lr mhat. The spread is
/// (sqrt(v) + eps)/sqrt(1 - beta2^t) in PyTorch, sqrt(vhat + eps_root) + eps in Optax. Liu et al., ICLR 2020.
struct Radam {
  static constexpr std::string_view name = "radam";
  static constexpr std::string_view formula = "p -= lr mhat rect/(sqrt(vhat) + eps) where r > threshold, else lr mhat";
  static constexpr std::string_view summary = "Adam whose adaptive rate waits until its variance is known";
  static constexpr int slots = 2;
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, threshold = 5, eps_root = 0;
  EpsForm eps_form = EpsForm::uncorrected;
  static void fields(auto&& field) {
    field("lr", &Radam::lr, kNonNegative, "learning rate");
    field("beta1", &Radam::beta1, kDecayRate, "decay of the first moment");
    field("beta2", &Radam::beta2, kDecayRate, "decay of the second moment");
    field("eps", &Radam::eps, kNonNegative, "added to the root of the second moment");
    field("threshold", &Radam::threshold, Range{4, kInfinity, false, true},
          "length of the average above which the rate adapts");
    field("eps_root", &Radam::eps_root, kNonNegative, "added below the root");
    field("eps_form", &Radam::eps_form, Range{}, "eps after the bias correction, or before");
  }

  struct Step {
    Decay first, second;
    Spread spread;
    bool adapts;
    float rate;
  };
  FUSELAGE_HD Step at(std::int64_t t, double rate, double*) const {
    const double power = powi(beta2, t), most = 2 / (1 - beta2) - 1,
                 length = most - 2 * static_cast<double>(t) * power / (1 - power);
    const bool adapts = length > threshold;
    const double rectifier =
        adapts ? fuselage::sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)) : 1;
    return {Decay::at(beta1), Decay::at(beta2), Spread::at(t, beta2, eps, eps_root, eps_form), adapts,
            static_cast<float>(rate * rectifier / (1 - powi(beta1, t)))};
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S m = s.first.mean(state[0], g), v = s.second.square(state[1], g), step = S(s.rate) * m;
    state[0] = m;
    state[1] = v;
    p = p - (s.adapts ? step / s.spread.of(v) : step);
  }
};

}  // namespace fuselage::optim
