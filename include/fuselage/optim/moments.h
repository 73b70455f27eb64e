// What rules with running moments share.
#pragma once

#include <array>
#include <string_view>

#include "fuselage/core/math.h"

namespace fuselage::optim {

/// Where eps stands beside the root of a second moment v with the bias correction c = 1 - beta2^t:
/// corrected: sqrt(v/c) + eps, as PyTorch and Optax; uncorrected: (sqrt(v) + eps)/sqrt(c), the "eps hat" of Kingma and
/// Ba, as Keras.
enum class EpsForm { corrected, uncorrected };
constexpr std::array<std::string_view, 2> names_of(EpsForm) { return {"corrected", "uncorrected"}; }

/// Where eps stands where nothing is corrected: sqrt(v) + eps, or sqrt(v + eps).
enum class EpsPlace { outside, inside };
constexpr std::array<std::string_view, 2> names_of(EpsPlace) { return {"outside", "inside"}; }

/// Whether a velocity holds the learning rate (Keras, and Optax's rules with a trace after the rate) or not (PyTorch:
/// a new rate acts on all of the past at once).
enum class Velocity { plain, scaled };
constexpr std::array<std::string_view, 2> names_of(Velocity) { return {"plain", "scaled"}; }

/// A running mean: mean <- beta mean + (1 - beta) x.
struct Decay {
  float keep, tail;  ///< beta is the sum of both
  float rest;        ///< 1 - beta
  /// With beta rounded to float, a mean of 1 would settle at 1 + 1e-5 for beta = 0.999.
  FUSELAGE_HD static Decay at(double beta) {
    const float keep = static_cast<float>(beta);
    return {keep, static_cast<float>(beta - static_cast<double>(keep)), static_cast<float>(1 - beta)};
  }
  template <class S>
  FUSELAGE_HD S mean(S old, S x) const {
    return fma(S(keep), old, fma(S(tail), old, S(rest) * x));
  }
  /// Of x^2.
  template <class S>
  FUSELAGE_HD S square(S old, S x) const {
    return fma(S(keep), old, fma(S(tail), old, S(rest) * x * x));
  }
};

/// sqrt(v/c + eps_root) + eps, c = 1 - beta2^t, or its uncorrected form.
struct Spread {
  float root, unbias, eps;

  /// The corrections come from double: in float, 1 - 0.999 is already 1e-5 off.
  FUSELAGE_HD static Spread at(std::int64_t t, double beta2, double eps, double eps_root = 0,
                               EpsForm form = EpsForm::corrected) {
    const double c = 1 - powi(beta2, t), unbias = 1 / fuselage::sqrt(c);
    return {static_cast<float>(eps_root * c), static_cast<float>(unbias),
            static_cast<float>(form == EpsForm::corrected ? eps : eps * unbias)};
  }
  template <class S>
  FUSELAGE_HD S of(S v) const {
    return fma(sqrt(v + S(root)), S(unbias), S(eps));
  }
};

}  // namespace fuselage::optim
