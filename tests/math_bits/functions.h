// The elementary functions beside their judges, with the one table of bounds.
//
// The judge of float is the C library in double, that of double the C library in long double (64 bits or more).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "fuselage/core/math.h"

namespace fuselage::math_bits {

/// |got - want| in units of the last place of `want` as a T; 0 for the same kind of special, huge for a wrong one. The
/// sign of zero counts, and infinity for the largest finite number (or the reverse) is one unit.
template <class T, class Wide>
double ulp_error(T got, Wide want) {
  constexpr double kWrong = 1e30;
  using Limits = std::numeric_limits<T>;
  if (want != want || got != got) return want != want && got != got ? 0 : kWrong;
  const T rounded = static_cast<T>(want);
  if (std::isinf(rounded) || std::isinf(got)) {
    const bool edge = std::fabs(rounded) >= Limits::max() && std::fabs(got) >= Limits::max();
    return rounded == got                                                                    ? 0
           : edge && (rounded > 0) == (got > 0) && std::fabs(want) < 2 * Wide(Limits::max()) ? 1
                                                                                             : kWrong;
  }
  if (want == 0 && got == 0) return std::signbit(want) == std::signbit(got) ? 0 : kWrong;
  int exponent = 0;
  std::frexp(want, &exponent);
  const int unit = std::max(exponent - Limits::digits, Limits::min_exponent - Limits::digits);
  return static_cast<double>(std::fabs(static_cast<Wide>(got) - want) / std::ldexp(Wide(1), unit));
}

template <class T, class Wide>
struct Function {
  const char* name;
  T (*ours)(T);
  Wide (*judge)(Wide);
  double bound;  ///< in ulp
};

/// T's functions against the judge in Wide. `float_bound` are the worst errors over all 2^32 floats, rounded up;
/// `double_bound` what is promised.
template <class T, class Wide>
struct Functions {
  static constexpr bool kFloat = sizeof(T) == 4;
  static constexpr double bound(double float_bound, double double_bound) { return kFloat ? float_bound : double_bound; }
  static Wide small_exp(Wide x) { return std::exp(-std::fabs(x)); }

  static constexpr Function<T, Wide> kAll[] = {
      {"exp", [](T x) { return exp(x); }, [](Wide x) -> Wide { return std::exp(x); }, bound(0.897, 2)},
      {"exp2", [](T x) { return exp2(x); }, [](Wide x) -> Wide { return std::exp2(x); }, bound(0.894, 4)},
      {"expm1", [](T x) { return expm1(x); }, [](Wide x) -> Wide { return std::expm1(x); }, bound(1.44, 2)},
      {"log", [](T x) { return log(x); }, [](Wide x) -> Wide { return std::log(x); }, bound(0.979, 2)},
      {"log2", [](T x) { return log2(x); }, [](Wide x) -> Wide { return std::log2(x); }, bound(1.419, 4)},
      {"log1p", [](T x) { return log1p(x); }, [](Wide x) -> Wide { return std::log1p(x); }, bound(0.979, 2)},
      {"sigmoid", [](T x) { return sigmoid(x); },
       [](Wide x) -> Wide { return (x < 0 ? small_exp(x) : Wide(1)) / (1 + small_exp(x)); }, bound(0.93, 4)},
      {"softplus", [](T x) { return softplus(x); },
       [](Wide x) -> Wide { return (x > 0 ? x : Wide(0)) + std::log1p(small_exp(x)); }, bound(1.325, 4)},
      {"tanh", [](T x) { return tanh(x); }, [](Wide x) -> Wide { return std::tanh(x); }, bound(0.858, 4)},
      {"erf", [](T x) { return erf(x); }, [](Wide x) -> Wide { return std::erf(x); }, bound(1.003, 4)},
      {"logistic_tail.exp", [](T x) { return logistic_tail(x).exp; }, [](Wide x) -> Wide { return small_exp(x); },
       bound(0.892, 4)},
      {"logistic_tail.log1p_exp", [](T x) { return logistic_tail(x).log1p_exp; },
       [](Wide x) -> Wide { return std::log1p(small_exp(x)); }, bound(1.325, 4)},
      {"logistic_tail.sigmoid", [](T x) { return logistic_tail(x).sigmoid; },
       [](Wide x) -> Wide { return small_exp(x) / (1 + small_exp(x)); }, bound(0.93, 4)},
  };
};

inline constexpr double kPowBound = 4, kExpScaledBound = 0.897, kCospiBound = 2;

}  // namespace fuselage::math_bits
