// The hinge embedding loss.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// For a distance y: y where t = 1 (similar), max(0, margin - y) where t = -1. Derivatives 1 and -1, 0 from the kink
/// on. As PyTorch, which adds both terms for targets other than -1 and 1; here those are bad labels.
struct HingeEmbedding {
  static constexpr std::string_view name = "hinge_embedding";
  static constexpr std::string_view formula = "y if t = 1, max(0, margin - y) if t = -1";
  static constexpr std::string_view summary = "distances: similar pairs near, others beyond a margin";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::sign;
  double margin = 1;
  static void fields(auto&& field) { field("margin", &HingeEmbedding::margin, kAnyFinite, "how far others shall be"); }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S rest = S(margin) - y, nothing = y - y;  // 0, NaN for NaN and infinities
    const auto similar = t > S(0);
    const S away = select(rest > S(0), S(-1), select(y == y, S(0), nothing));
    return {select(similar, y, relu(rest)), select(similar, select(y == y, S(1), nothing), away)};
  }
};

}  // namespace fuselage::loss
