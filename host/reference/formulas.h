// What formulas of losses share, as templates on the scalar (double, long double, dual numbers, numbers of a tape).
//
// Where the formula as printed overflows or cancels in double, the plain stable form stands here instead, and its
// comment says so. The judge must be right to far below the rounding of float, near-zero losses included.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "host/reference/dual.h"
#include "host/reference/tape.h"

namespace fuselage::reference::formulas {

/// PyTorch's floor under a logarithm.
template <class T>
T floored(const T& log_p) {
  return value_of(log_p) < -100 ? T(-100) : log_p;
}

/// log(1 + e^x). As written it overflows from x = 710 on and is 0 below -37.
template <class T>
T softplus(const T& x) {
  using std::exp, std::log1p;
  if (value_of(x) > 0) return x + log1p(exp(-x));
  return log1p(exp(x));
}

/// log softmax(x) and log sum exp(x).
template <class T>
struct Softmax {
  std::vector<T> log_p;
  T log_sum;
};

/// Rows without NaN and +inf, with a finite largest x.
///
/// lse as written overflows, and lse - x_c cancels for the largest logit x_r. So lse - x_c = (x_r - x_c) + log1p(sum
/// over j other than r of e^(x_j - x_r)): two terms that are never negative. It holds for any r: as a function of all
/// x it is the same one, and so are its derivatives.
template <class T>
Softmax<T> softmax(const std::vector<T>& x) {
  using std::exp, std::log1p;
  std::size_t r = 0;
  for (std::size_t c = 1; c < x.size(); ++c) {
    if (x[c] > x[r]) r = c;
  }
  T others(0);
  for (std::size_t c = 0; c < x.size(); ++c) {
    if (c != r) others += exp(x[c] - x[r]);
  }
  const T tail = log1p(others);
  Softmax<T> result{{}, x[r] + tail};
  for (const T& v : x) result.log_p.push_back(-((x[r] - v) + tail));
  return result;
}

/// The same as one operation of a tape.
inline Softmax<Var> softmax(const std::vector<Var>& x) {
  std::vector<double> values;
  for (const Var& v : x) values.push_back(v.number.value);
  const Softmax<double> plain = softmax(values);
  std::vector<Var> outputs = x.front().tape->softmax(x, plain.log_p, plain.log_sum);
  const Var log_sum = outputs.back();
  outputs.pop_back();
  return {std::move(outputs), log_sum};
}

/// The exponentials of logarithms.
inline std::vector<double> exponentials(std::vector<double> logs) {
  for (double& x : logs) x = std::exp(x);
  return logs;
}

/// sum_c k_c f(c), where a class with k_c = 0 adds nothing, whatever f is: 0 log 0 is 0.
template <class T, class F>
T weighted_sum(const std::vector<double>& k, const F& f) {
  T sum(0);
  for (std::size_t c = 0; c < k.size(); ++c) {
    if (k[c] != 0) sum = sum + k[c] * f(c);
  }
  return sum;
}

}  // namespace fuselage::reference::formulas
