// Averaging in place of a schedule.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// What the schedule-free rules share. The parameter is y, where gradients are taken; state 0 is z, which starts as y;
/// x, the average to evaluate and to keep, is (y - (1 - beta) z)/beta. With the share c of this step in the average,
/// y <- (1 - c) y + c z - lr (1 - beta + beta c) d, z <- z - lr d for the step's direction d. The share is w/(sum of w
/// so far), w = t^power (greatest lr so far)^lr_power. Defazio et al., NeurIPS 2024.
struct Averaging {
  float share, rate, ahead;  ///< c, lr, lr (1 - beta + beta c)
  bool first;

  /// memory: the sum of the weights, the greatest rate.
  template <class R>
  FUSELAGE_HD static Averaging at(std::int64_t t, double lr, const R& r, double* memory) {
    memory[1] = greater_of(lr, memory[1]);
    const double by_rate = r.lr_power == 2 ? memory[1] * memory[1] : pow(memory[1], r.lr_power),
                 weight = by_rate * (r.power == 0 ? 1 : pow(static_cast<double>(t), r.power));
    memory[0] += weight;
    const double c = memory[0] > 0 ? weight / memory[0] : 0;
    return {static_cast<float>(c), static_cast<float>(lr), static_cast<float>(lr * (1 - r.beta1 + r.beta1 * c)),
            t == 1};
  }
  template <class S>
  FUSELAGE_HD void update(S& y, S& z, S d) const {
    const S start = first ? y : z;
    y = fma(-S(ahead), d, fma(S(share), start - y, y));
    z = fma(-S(rate), d, start);
  }
};

/// d = g + weight_decay y.
struct ScheduleFreeSgd {
  static constexpr std::string_view name = "schedule_free_sgd";
  static constexpr std::string_view formula =
      "y = (1 - c) y + c z - lr (1 - beta1 + beta1 c) g, z -= lr g; evaluate at (y - (1 - beta1) z)/beta1";
  static constexpr std::string_view summary = "gradient descent with averaging in place of a schedule";
  static constexpr int slots = 1;
  static constexpr bool has_memory = true;
  double lr = 1, beta1 = 0.9, weight_decay = 0, power = 0, lr_power = 2;
  static void fields(auto&& field) {
    field("lr", &ScheduleFreeSgd::lr, kNonNegative, "learning rate");
    field("beta1", &ScheduleFreeSgd::beta1, Range{0, 1, true, true}, "how near y is to the average");
    field("weight_decay", &ScheduleFreeSgd::weight_decay, kNonNegative, "share of y in the gradient");
    field("power", &ScheduleFreeSgd::power, kNonNegative, "steps weigh as t^power");
    field("lr_power", &ScheduleFreeSgd::lr_power, kNonNegative, "and as the greatest lr^lr_power");
  }

  struct Step {
    Averaging averaging;
    float decay;
  };
  FUSELAGE_HD Step at(std::int64_t t, double rate, double* memory) const {
    return {Averaging::at(t, rate, *this, memory), static_cast<float>(weight_decay)};
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    s.averaging.update(p, state[0], fma(S(s.decay), p, g));
  }
};

/// v <- beta2 v + (1 - beta2) g^2, d = g/(sqrt(vhat) + eps) + weight_decay y.
struct ScheduleFreeAdamW {
  static constexpr std::string_view name = "schedule_free_adamw";
  static constexpr std::string_view formula =
      "d = g/(sqrt(vhat) + eps) + weight_decay y; y and z as schedule_free_sgd by d";
  static constexpr std::string_view summary = "AdamW with averaging in place of a schedule";
  static constexpr int slots = 2;
  static constexpr bool has_memory = true;
  double lr = 2.5e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, power = 0, lr_power = 2;
  static void fields(auto&& field) {
    field("lr", &ScheduleFreeAdamW::lr, kNonNegative, "learning rate");
    field("beta1", &ScheduleFreeAdamW::beta1, Range{0, 1, true, true}, "how near y is to the average");
    field("beta2", &ScheduleFreeAdamW::beta2, kDecayRate, "decay of the second moment");
    field("eps", &ScheduleFreeAdamW::eps, kNonNegative, "added to the root of the second moment");
    field("weight_decay", &ScheduleFreeAdamW::weight_decay, kNonNegative, "share of y in the direction");
    field("power", &ScheduleFreeAdamW::power, kNonNegative, "steps weigh as t^power");
    field("lr_power", &ScheduleFreeAdamW::lr_power, kNonNegative, "and as the greatest lr^lr_power");
  }

  struct Step {
    Averaging averaging;
    Decay second;
    Spread spread;
    float decay;
  };
  FUSELAGE_HD Step at(std::int64_t t, double rate, double* memory) const {
    return {Averaging::at(t, rate, *this, memory), Decay::at(beta2), Spread::at(t, beta2, eps),
            static_cast<float>(weight_decay)};
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S v = s.second.square(state[1], g);
    state[1] = v;
    s.averaging.update(p, state[0], fma(S(s.decay), p, g / s.spread.of(v)));
  }
};

}  // namespace fuselage::optim
