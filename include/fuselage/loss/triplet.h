// The triplet loss of an anchor, a row like it, and one unlike it.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/row.h"

namespace fuselage::loss {

/// max(0, d(anchor, positive) - d(anchor, negative) + margin) with d(a, b) = (sum |a - b + eps|^p)^(1/p), eps being
/// added to every difference, as PyTorch; swap: the smaller of d(anchor, negative) and d(positive, negative) stands for
/// the former (which wins where they are equal). The derivative of d by a is sign(v) (|v|/d)^(p-1) with v = a - b +
/// eps, 0 where v = 0 or d = 0; that of the loss is 0 at its kink. Sums are of fp32 powers: differences may lie between
/// 1e-15 and 1e18; beside p = 1 and p = 2, powers are taken of differences over their Euclidean length, and the
/// derivative's error grows to 2 p ulp. Balntas et al., Learning local feature descriptors with triplets (2016).
struct Triplet {
  static constexpr std::string_view name = "triplet";
  static constexpr std::string_view formula = "max(0, d(anchor, positive) - d(anchor, negative) + margin)";
  static constexpr std::string_view summary = "an anchor nearer to its like than to a stranger, by a margin";
  static constexpr Domain prediction = Domain::real;
  static constexpr Inputs inputs{"anchor", "positive", "negative"};
  static constexpr Budget budget{4, 8, "the difference of two directions, each over a distance of its own rounded sum"};
  static constexpr RowShape row{.target = RowTarget::none, .sweeps = 2, .sums = {3, 3}};
  double margin = 1;
  double p = 2;
  double eps = 1e-6;
  bool swap = false;
  static void fields(auto&& field) {
    field("margin", &Triplet::margin, kNonNegative, "how much nearer");
    field("p", &Triplet::p, Range{1, 12}, "norm of the distances");
    field("eps", &Triplet::eps, kNonNegative, "added to every difference");
    field("swap", &Triplet::swap, Range{}, "takes the nearer of anchor and positive to the negative");
  }

  FUSELAGE_HD bool plain() const { return p == 1 || p == 2; }
  FUSELAGE_HD int sweeps() const { return plain() ? 1 : 2; }

  template <class S>
  FUSELAGE_HD ExactSum<S> difference(S a, S b) const {
    return exact_sum(a, b, S(eps));
  }
  /// (|v| k)^power for a power that multiplies every rounding.
  template <class S>
  FUSELAGE_HD S power_of(ExactSum<S> d, S k, double power) const {
    const S a = abs(d.v), r = a * k, low = fma(copysign(S(1), d.v) * d.low, k, fma(a, k, -r));
    const S y = pow(r, S(power)), lost = S(power - static_cast<double>(static_cast<float>(power)));
    return select(r > S(0), fma(y, fma(S(power), low / r, lost * log(r)), y), y);
  }
  template <class S>
  FUSELAGE_HD void differences(const RowElement<S>& e, ExactSum<S>* d) const {
    d[0] = difference(e.x[0], e.x[1]);
    d[1] = difference(e.x[0], e.x[2]);
    d[2] = difference(e.x[1], e.x[2]);
  }

  /// k: 1/length of the three differences (0 for 0), then 1/distance, rounded; what multiplies their slopes; value
  template <int sweep, class S>
  FUSELAGE_HD void terms(const RowElement<S>& e, const S* k, S* out) const {
    ExactSum<S> d[3];
    differences(e, d);
    for (int i = 0; i < 3; ++i) {
      if constexpr (sweep == 0)
        out[i] = p == 1 ? abs(d[i].v) : square(d[i]);
      else
        out[i] = plain() ? S(0) : power_of(d[i], k[i], p);
    }
  }
  template <int sweep>
  FUSELAGE_HD void gather(const RowFacts&, const double* sums, double* k) const {
    if (sweep == 1 && plain()) return;
    double distance[3], slope[3];
    for (int i = 0; i < 3; ++i) {
      if constexpr (sweep == 0) {
        distance[i] = p == 1 ? sums[i] : sqrt(sums[i]);
        k[i] = distance[i] == 0 ? 0 : static_cast<double>(static_cast<float>(1 / distance[i]));
        slope[i] = p == 2 && distance[i] != 0 ? 1 / distance[i] : 1;
      } else {
        distance[i] = k[i] == 0 ? 0 : pow(sums[i], 1 / p) / k[i];
        k[i] = distance[i] == 0 ? 0 : static_cast<double>(static_cast<float>(1 / distance[i]));
        slope[i] = k[i] == 0 ? 0 : pow(1 / (distance[i] * k[i]), p - 1);  // makes up for the rounding of k
      }
    }
    const bool swaps = swap && distance[2] < distance[1];
    const double loss = distance[0] - (swaps ? distance[2] : distance[1]) + margin;
    const bool none = loss <= 0;
    k[3] = none ? 0 : slope[0];
    k[4] = none || swaps ? 0 : -slope[1];
    k[5] = none || !swaps ? 0 : -slope[2];
    k[6] = none ? 0 : loss;
  }
  FUSELAGE_HD double value(const RowFacts&, const double* k) const { return k[6]; }

  /// The derivative of a distance by the first of its rows, but for k[3] to k[5].
  template <class S>
  FUSELAGE_HD ExactSum<S> slope(ExactSum<S> d, S k) const {
    if (p == 2) return d;
    const S size = p == 1 ? S(1) : power_of(d, k, p - 1);
    return {select(d.v == S(0), S(0), copysign(size, d.v)), S(0)};
  }
  /// k a + m b
  template <class S>
  static FUSELAGE_HD S sum(S k, ExactSum<S> a, S m, ExactSum<S> b) {
    return fma(k, a.v, fma(m, b.v, fma(k, a.low, m * b.low)));
  }
  template <class S>
  FUSELAGE_HD void gradient(const RowElement<S>& e, const S* k, S* g) const {
    ExactSum<S> d[3];
    differences(e, d);
    for (int i = 0; i < 3; ++i) d[i] = slope(d[i], k[i]);
    g[0] = sum(k[3], d[0], k[4], d[1]);
    g[1] = sum(k[5], d[2], -k[3], d[0]);
    g[2] = sum(-k[4], d[1], -k[5], d[2]);
  }
};

}  // namespace fuselage::loss
