// Losses as a user writes them, in a namespace of their own.
#pragma once

#include "fuselage/custom_loss.h"

namespace own {  // a user's namespace: what formulas call must be found from here

struct ValueHuber {
  float delta = 1;
  template <class S>
  FUSELAGE_HD S operator()(S y, S t) const {
    const S d = y - t, a = abs(d), c = S(delta);
    return select(a <= c, S(0.5) * d * d, c * (a - S(0.5) * c));
  }
};

struct ValueMse {
  template <class S>
  FUSELAGE_HD S operator()(S y, S t) const {
    return (y - t) * (y - t);
  }
};

struct GivenMse {
  template <class S>
  FUSELAGE_HD fuselage::ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t;
    return {d * d, d + d};
  }
};

/// Its gradient is no derivative, so that one can tell whose it is.
struct Arbitrary {
  template <class S>
  FUSELAGE_HD fuselage::ValueGrad<S> operator()(S y, S t) const {
    return {abs(y - t), S(7)};
  }
};

struct RootOfSquares {
  static constexpr std::string_view name = "own_rmse";
  static constexpr bool root = true;
  template <class S>
  FUSELAGE_HD S operator()(S y, S t) const {
    return (y - t) * (y - t);
  }
};

/// The mean squared error over a variance z, and what grows with it.
struct Scaled {
  template <class S>
  FUSELAGE_HD S operator()(S y, S z, S t) const {
    return (y - t) * (y - t) * z - log(z);
  }
};
struct GivenScaled {
  template <class S>
  FUSELAGE_HD fuselage::ValueGrads<S> operator()(S y, S z, S t) const {
    const S d = y - t, two = d + d;
    return {d * d * z - log(z), two * z, d * d - S(1) / z};
  }
};

/// A polynomial: 64 bytes.
struct Polynomial {
  float c[16];
  template <class S>
  FUSELAGE_HD S operator()(S y, S t) const {
    S sum = S(c[15]);
    for (int i = 14; i >= 0; --i) sum = fma(sum, y - t, S(c[i]));
    return sum;
  }
};

/// Fields that are called as constants would be.
struct Fields {
  float target = 3, name = 2, root = 1;
  bool decision = true;
  template <class S>
  FUSELAGE_HD S operator()(S y, S t) const {
    return abs(y - t) * S(target);
  }
};

struct YesOrNo {
  static constexpr std::string_view name = "yes_or_no";
  static constexpr fuselage::Domain prediction = fuselage::Domain::logit, target = fuselage::Domain::probability;
  static constexpr fuselage::Decision decision = fuselage::Decision::logit;
  template <class S>
  FUSELAGE_HD S operator()(S y, S t) const {
    return softplus(y) - t * y;
  }
};

}  // namespace own
