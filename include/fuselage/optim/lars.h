// Gradient descent with a rate for each tensor.
#pragma once

#include <array>

#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// The divisor of LARS's ratio: |g| + weight_decay |p|, as the paper, or |g + weight_decay p|, as Optax.
enum class LarsNorm { separate, combined };
constexpr std::array<std::string_view, 2> names_of(LarsNorm) { return {"separate", "combined"}; }

/// ratio = trust |p|/(|g| + weight_decay |p| + eps) of the whole tensor, 1 where a norm is 0;
/// v <- momentum v + lr ratio (g + weight_decay p), p <- p - v, with nesterov p <- p - (momentum v + lr ratio (...)).
/// The velocity holds the learning rate. You, Gitman and Ginsburg, 2017.
struct Lars {
  static constexpr std::string_view name = "lars";
  static constexpr std::string_view formula =
      "v = momentum v + lr trust |p|/(|g| + weight_decay |p| + eps) (g + weight_decay p); p -= v";
  static constexpr std::string_view summary = "momentum with a rate for each tensor, for large batches";
  static constexpr int slots = 1;
  double lr = 1e-3, momentum = 0.9, weight_decay = 0, trust = 1e-3, eps = 0;
  bool nesterov = false;
  LarsNorm norm = LarsNorm::separate;
  static void fields(auto&& field) {
    field("lr", &Lars::lr, kNonNegative, "learning rate");
    field("momentum", &Lars::momentum, kDecayRate, "share of the velocity that is kept");
    field("weight_decay", &Lars::weight_decay, kNonNegative, "share of p in the gradient");
    field("trust", &Lars::trust, kNonNegative, "how far a step may go, as a share of the norm");
    field("eps", &Lars::eps, kNonNegative, "added to the ratio's divisor");
    field("nesterov", &Lars::nesterov, kFraction, "look ahead by the velocity");
    field("norm", &Lars::norm, Range{}, "norms of gradient and decay apart, or of their sum");
  }
  FUSELAGE_HD unsigned in_use() const { return momentum > 0; }

  struct Step {
    float decay, momentum, ahead;
    bool combined;
    double lr, weight_decay, trust, eps;
    float rate;  ///< lr ratio, of the tensor
  };
  FUSELAGE_HD Step at(std::int64_t, double rate, double*) const {
    return {static_cast<float>(weight_decay),
            static_cast<float>(momentum),
            static_cast<float>(nesterov ? momentum : 0),
            norm == LarsNorm::combined,
            rate,
            weight_decay,
            trust,
            eps,
            0};
  }
  template <class S>
  FUSELAGE_HD static S measured(const Step& s, S p, S g, const S*) {
    return s.combined ? fma(S(s.decay), p, g) : g;
  }
  FUSELAGE_HD static void fit(Step& s, double p_square, double g_square, double&) {
    const double length = fuselage::sqrt(p_square), measured = fuselage::sqrt(g_square);
    const double divisor = measured + (s.combined ? 0 : s.weight_decay * length) + s.eps;
    s.rate = static_cast<float>(length > 0 && measured > 0 ? s.lr * (s.trust * length / divisor) : s.lr);
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S x = S(s.rate) * fma(S(s.decay), p, g), v = fma(S(s.momentum), state[0], x);
    const S ahead = S(s.ahead), direction = select(ahead > S(0), fma(ahead, v, x), v);
    state[0] = select(S(s.momentum) > S(0), v, state[0]);
    p = p - direction;
  }
};

}  // namespace fuselage::optim
