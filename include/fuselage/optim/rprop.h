// Steps whose sizes follow the signs of the gradient alone.
#pragma once

#include "fuselage/core/error.h"
#include "fuselage/core/field.h"
#include "fuselage/optim/concepts.h"
#include "fuselage/optim/moments.h"

namespace fuselage::optim {

/// Where g has the sign of the step before, the size grows by `grow`, where it turned, it shrinks by `shrink` and the
/// gradient counts as 0; p <- p - sign(g) size. Sizes start at lr, which acts on step 1 alone, and stay within
/// [smallest, largest]. Without weight backtracking, as PyTorch; Optax makes each step one call later. Riedmiller and
/// Braun, ICNN 1993.
struct Rprop {
  static constexpr std::string_view name = "rprop";
  static constexpr std::string_view formula = "size *= grow, shrink or 1 by the signs of g; p -= sign(g) size";
  static constexpr std::string_view summary =
      "step sizes of their own, by the signs of the gradient; for whole batches";
  static constexpr int slots = 2;
  double lr = 1e-2, shrink = 0.5, grow = 1.2, smallest = 1e-6, largest = 50;
  static void fields(auto&& field) {
    field("lr", &Rprop::lr, kNonNegative, "size of the first step");
    field("shrink", &Rprop::shrink, Range{0, 1, true, true}, "factor where the sign turned");
    field("grow", &Rprop::grow, Range{1, kInfinity, true, true}, "factor where it stayed");
    field("smallest", &Rprop::smallest, kNonNegative, "no step is smaller");
    field("largest", &Rprop::largest, kNonNegative, "no step is larger");
  }
  void check() const {
    if (smallest > largest) throw Error(Errc::bad_argument, "rprop: smallest is above largest");
  }

  struct Step {
    float start, shrink, grow, smallest, largest;
  };
  FUSELAGE_HD Step at(std::int64_t t, double rate, double*) const {
    return {static_cast<float>(t == 1 ? rate : 0), static_cast<float>(shrink), static_cast<float>(grow),
            static_cast<float>(smallest), static_cast<float>(largest)};
  }
  template <class S>
  FUSELAGE_HD static void update(const Step& s, S& p, S g, S* state) {
    const S agreement = sign(g) * sign(state[0]), size = state[1] + S(s.start);
    const auto turned = agreement < S(0);
    const S changed = size * select(turned, S(s.shrink), select(agreement > S(0), S(s.grow), S(1)));
    const S bounded = minimum(maximum(changed, S(s.smallest)), S(s.largest)), kept = select(turned, S(0), g);
    state[0] = kept;
    state[1] = bounded;
    p = fma(-sign(kept), bounded, p);
  }
};

}  // namespace fuselage::optim
