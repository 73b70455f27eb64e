// Losses of one's own for tests of devices: whoever compiles device_losses() decides which devices have them.
#pragma once

#include <vector>

#include "fuselage/custom_loss.h"

namespace fuselage::cases {

struct AbsolutePlusL1 {
  float lambda = 0.1f;
  template <class S>
  FUSELAGE_HD S operator()(S y, S t) const {
    return abs(y - t) + S(lambda) * abs(y);
  }
};

struct ValueHuber {
  float delta = 1;
  template <class S>
  FUSELAGE_HD S operator()(S y, S t) const {
    const S d = y - t, a = abs(d), c = S(delta);
    return select(a <= c, S(0.5) * d * d, c * (a - S(0.5) * c));
  }
};

/// Functions of core/math.h, their derivatives and a domain. (All of them would take a checked build minutes.)
struct Transcendental {
  static constexpr Domain target = Domain::non_negative;
  static constexpr Decision decision = Decision::sign;
  template <class S>
  FUSELAGE_HD S operator()(S y, S t) const {
    const S u = S(1) + abs(y);
    return tanh(y) * sigmoid(t) + log(u) / sqrt(u);
  }
};

/// The gradient is given: in a kernel, S is no float here either.
struct GivenPseudoHuber {
  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t, root = sqrt(fma(d, d, S(1)));
    return {root - S(1), d / root};
  }
};

struct Root {
  static constexpr bool root = true;
  template <class S>
  FUSELAGE_HD S operator()(S y, S t) const {
    return (y - t) * (y - t);
  }
};

/// Two predictions.
struct Scaled {
  template <class S>
  FUSELAGE_HD S operator()(S y, S z, S t) const {
    return (y - t) * (y - t) * exp(-z) + z;
  }
};

/// Two predictions, and both gradients are given.
struct GivenScaled {
  template <class S>
  FUSELAGE_HD ValueGrads<S> operator()(S y, S z, S t) const {
    const S d = y - t;
    return {d * d * z, S(2) * d * z, d * d};
  }
};

/// For the device of this build.
std::vector<CustomLoss> device_losses();

/// Of each way to state a loss one, for builds to which each costs many seconds.
inline std::vector<CustomLoss> few_custom_losses() {
  return {custom_loss(ValueHuber{0.75f}, "huber"), custom_loss(Root{}, "root"),
          custom_loss(GivenScaled{}, "given scaled")};
}

/// The list, for whoever has a compiler for them.
inline std::vector<CustomLoss> all_custom_losses() {
  return {custom_loss(AbsolutePlusL1{0.25f}, "l1"),
          custom_loss(ValueHuber{0.75f}, "huber"),
          custom_loss(Transcendental{}, "transcendental"),
          custom_loss(GivenPseudoHuber{}, "given"),
          custom_loss(Root{}, "root"),
          custom_loss(Scaled{}, "scaled"),
          custom_loss(GivenScaled{}, "given scaled")};
}

}  // namespace fuselage::cases
