// The textbook formulas of the losses, value only, as templates on the scalar (double, long double, dual numbers).
//
// Where the formula as printed overflows or cancels in double, the plain stable form stands here instead, and its
// comment says so. The judge must be right to far below the rounding of float, near-zero losses included.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "host/reference/dual.h"

namespace fuselage::reference::formulas {

template <class T>
T mse(const T& y, double t) {
  const T d = y - t;
  return d * d;
}

template <class T>
T mae(const T& y, double t) {
  using std::abs;
  return abs(y - t);
}

template <class T>
T huber(const T& y, double t, double delta) {
  using std::abs;
  const T d = y - t;
  if (value_of(abs(d)) <= delta) return d * d / 2;
  return delta * (abs(d) - delta / 2);
}

template <class T>
T smooth_l1(const T& y, double t, double beta) {
  using std::abs;
  const T d = y - t;
  if (value_of(abs(d)) < beta) return d * d / (2 * beta);
  return abs(d) - beta / 2;
}

template <class T>
T floored(const T& log_p) {
  return value_of(log_p) < -100 ? T(-100) : log_p;
}

/// log(1 - p) is log1p(-p): for a small p the difference 1 - p has lost it.
template <class T>
T bce(const T& y, double t, double clip) {
  using std::log, std::log1p;
  T p = y;
  if (clip > 0 && value_of(y) < clip) p = T(clip);
  if (clip > 0 && value_of(y) > 1 - clip) p = T(1 - clip);
  return -(t * floored(log(p)) + (1 - t) * floored(log1p(-p)));
}

/// log(1 + e^x). As written it overflows from x = 710 on and is 0 below -37.
template <class T>
T softplus(const T& x) {
  using std::exp, std::log1p;
  if (value_of(x) > 0) return x + log1p(exp(-x));
  return log1p(exp(x));
}

/// -(t log sigmoid(x) + (1-t) log sigmoid(-x)), which is log(1 + e^x) - t x without the cancellation at large x.
/// x = +inf with t = 1 (and -inf with 0) is 0 times infinity: NaN, as the formula has it.
template <class T>
T bce_with_logits(const T& x, double t) {
  return t * softplus(-x) + (1 - t) * softplus(x);
}

template <class T>
T hinge(const T& y, double t) {
  const T margin = 1 - t * y;
  return value_of(margin) <= 0 ? T(0) : margin;  // NaN passes on
}

/// sum_c k_c (lse - x_c) with lse = log sum_j e^(x_j). Rows without NaN and +inf, with a finite largest x.
///
/// lse as written overflows, and lse - x_c cancels for the largest logit x_r. So lse - x_c = (x_r - x_c) + log1p(sum
/// over j other than r of e^(x_j - x_r)): two terms that are never negative. It holds for any r: as a function of all
/// x it is the same one, and so are its derivatives.
template <class T>
T cross_entropy(const std::vector<T>& x, const std::vector<double>& k) {
  using std::exp, std::log1p;
  std::size_t r = 0;
  for (std::size_t c = 1; c < x.size(); ++c) {
    if (value_of(x[c]) > value_of(x[r])) r = c;
  }
  T others(0);
  for (std::size_t c = 0; c < x.size(); ++c) {
    if (c != r) others = others + exp(x[c] - x[r]);
  }
  const T tail = log1p(others);
  T sum(0);
  for (std::size_t c = 0; c < x.size(); ++c) {
    if (k[c] == 0) continue;  // 0 log 0 is 0, where x_c is -inf; elsewhere the term adds nothing
    sum = sum + k[c] * ((x[r] - x[c]) + tail);
  }
  return sum;
}

}  // namespace fuselage::reference::formulas
