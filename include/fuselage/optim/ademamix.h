// Adam with a second, slow mean of the gradient.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// m and v as Adam, n <- b3 n + (1 - b3) g; p <- p (1 - lr weight_decay) - lr (mhat + a n)/(sqrt(vhat + eps_root) +
/// eps). With warmup T > 0, as the paper, a = alpha min(t/T, 1), and b3 goes from beta1 to beta3 so that its half-life
/// grows linearly over T steps. Pagliardini, Ablin and Grangier, ICLR 2025.
struct AdEmaMix {
  static constexpr std::string_view name = "ademamix";
  static constexpr std::string_view formula =
      "p = p (1 - lr weight_decay) - lr (mhat + alpha n)/(sqrt(vhat + eps_root) + eps)";
  static constexpr std::string_view summary = "Adam with a fast and a slow mean of the gradient";
  static constexpr int slots = 3;
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, beta3 = 0.9999, alpha = 5, eps = 1e-8, weight_decay = 0, eps_root = 0;
  std::int64_t warmup = 0;
  static void fields(auto&& field) {
    field("lr", &AdEmaMix::lr, kNonNegative, "learning rate");
    field("beta1", &AdEmaMix::beta1, Range{0, 1, true, true}, "decay of the fast mean");
    field("beta2", &AdEmaMix::beta2, kDecayRate, "decay of the second moment");
    field("beta3", &AdEmaMix::beta3, Range{0, 1, true, true}, "decay of the slow mean");
    field("alpha", &AdEmaMix::alpha, kNonNegative, "weight of the slow mean");
    field("eps", &AdEmaMix::eps, kNonNegative, "added to the root of the second moment");
    field("weight_decay", &AdEmaMix::weight_decay, kNonNegative, "share of p lost per unit of lr");
    field("eps_root", &AdEmaMix::eps_root, kNonNegative, "added below the root");
    field("warmup", &AdEmaMix::warmup, Range{0, 9e15}, "steps until alpha and beta3 are whole");
  }

  struct Step {
    Decay fast, slow, second;
    Spread spread;
    float mean, slow_mean, shrink;  ///< lr times the shares of m, n and p
  };
  FUSELAGE_HD Step at(std::int64_t t, double rate, double*) const {
    double slow = beta3, weight = alpha;
    if (t < warmup) {
      const double x = static_cast<double>(t) / static_cast<double>(warmup), fast_log = log(beta1),
                   slow_log = log(beta3);
      weight = alpha * x;
      slow = lesser_of(exp(fast_log * slow_log / ((1 - x) * slow_log + x * fast_log)), beta3);
    }
    return {Decay::at(beta1),
            Decay::at(slow),
            Decay::at(beta2),
            Spread::at(t, beta2, eps, eps_root),
            static_cast<float>(rate / (1 - powi(beta1, t))),
            static_cast<float>(rate * weight),
            static_cast<float>(rate * weight_decay)};
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S m = s.fast.mean(state[0], g), n = s.slow.mean(state[1], g), v = s.second.square(state[2], g);
    state[0] = m;
    state[1] = n;
    state[2] = v;
    p = p - fma(S(s.shrink), p, fma(S(s.slow_mean), n, S(s.mean) * m) / s.spread.of(v));
  }
};

}  // namespace fuselage::optim
