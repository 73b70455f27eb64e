// The textbook formulas of pointwise losses that rank: two scores, a distance, and an action's new probability against
// its old one.
#pragma once

#include <algorithm>
#include <cmath>

#include "host/reference/element.h"

namespace fuselage::reference {

/// max(0, margin - t (y - z)), derivatives 0 at the kink.
struct MarginRanking : SignTarget {
  static constexpr std::string_view name = "margin_ranking";
  double margin;
  explicit MarginRanking(OptionReader& reader) : margin(reader.get_between("margin", 0, -kUnbounded, kUnbounded)) {}
  template <class T>
  T operator()(const T& y, const T& z, double t) const {
    const T rest = margin - t * (y - z);
    return value_of(rest) <= 0 ? T(0) : rest;  // NaN passes on
  }
  Terms terms(double y, double z, double t) const {
    return {(*this)(y, z, t) > 0 ? std::max(std::abs(margin), std::abs(y - z)) : 0, 0, 0};
  }
};

/// y where t = 1, max(0, margin - y) where t = -1, derivative 0 at the kink.
struct HingeEmbedding : SignTarget {
  static constexpr std::string_view name = "hinge_embedding";
  double margin;
  explicit HingeEmbedding(OptionReader& reader) : margin(reader.get_between("margin", 1, -kUnbounded, kUnbounded)) {}
  template <class T>
  T operator()(const T& y, double t) const {
    if (t > 0) return y;
    const T rest = margin - y;
    return value_of(rest) <= 0 ? T(0) : rest;
  }
  Terms terms(double y, double t) const { return {t > 0 || y >= margin ? 0 : std::max(std::abs(margin), std::abs(y))}; }
};

/// With the ratio r = e^(y - z) of an action's new and old probability and its advantage t: -min(r t, clamp(r) t), r
/// clamped to [1 - clip, 1 + clip]. z is a constant.
struct PpoClip {
  static constexpr std::string_view name = "ppo_clip";
  static constexpr bool second_constant = true;
  double clip;
  explicit PpoClip(OptionReader& reader) : clip(reader.get_inside("clip", 0.2, 0, kUnbounded)) {}
  template <class T>
  T operator()(const T& y, const T& z, double t) const {
    using std::exp;
    const T r = exp(y - z);
    if (t > 0 && value_of(r) > 1 + clip) return T(-(1 + clip) * t);
    if (t < 0 && value_of(r) < 1 - clip) return T(-(1 - clip) * t);
    return -(r * t);
  }
};

}  // namespace fuselage::reference
