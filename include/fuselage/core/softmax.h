// The row arithmetic of the softmax: one sweep over the logits, small losses exact, bits that depend on no partition.
//
// A chunk of a row (core/partition.h) has its own base, a power of two taken from its maximum m: with K = round(m/ln
// 2), an element is exp(x) 2^-K, evaluated from the unshifted x (exp_scaled in math.h), so no rounding of x - m enters
// and the row maximum is not needed before the sum. Chunk sums are brought to the base of the row's maximum by exact
// powers of two. Beyond |m| = 4096 the maximum is subtracted first, which is exact for everything that is not flushed.
//
// Elements equal to their chunk's maximum are left out of its sum and counted. With n maxima of the row and `rest` the
// sum of all other terms, u = rest/e(m) + (n - 1) is the odds against one of them: lse - m = log1p(u), its probability
// is 1/(1 + u) and its complement u/(1 + u), none of which cancels. Hence a loss of 1e-13 is as exact as one of 1, for
// labels and for dense targets alike.
//
// Tails: terms below m - 86 are 0, and where a gradient p_c sum(q) would be denormal it is 0; see docs/numerics.md.
#pragma once

#include "fuselage/core/math.h"

namespace fuselage {

inline constexpr double kLn2 = 0.69314718055994530942;

/// The base of a chunk, or of a short row in each lane.
template <class S>
struct SoftmaxBase {
  S offset;  ///< subtracted from x first; 0 for |m| <= 4096
  S magic;   ///< 1.5 * 2^23 - K
  S low;     ///< x - offset below this is flushed to 0
};

/// The maximum that stands for m where all elements are -inf (or NaN).
template <class S>
FUSELAGE_HD S softmax_anchor(S m) {
  return select(m == S(-__builtin_inf()), S(0), m);
}

template <class S>
FUSELAGE_HD SoftmaxBase<S> softmax_base(S m) {
  const S anchor = softmax_anchor(m), magic = S(12582912.0);
  const S offset = select(abs(anchor) <= S(4096), S(0), anchor);
  const S shifted = anchor - offset;
  const S k = fma(shifted, S(1.44269504088896340736), magic) - magic;
  return {offset, magic - k, shifted - S(86)};
}

/// exp(x) 2^-K of the base.
template <class S>
FUSELAGE_HD S softmax_term(S x, const SoftmaxBase<S>& base) {
  return exp_scaled(x - base.offset, base.magic, base.low);
}

namespace detail {
/// K of a base, 0 for NaN: integers are taken from data by bits, and a NaN has none.
FUSELAGE_HD std::int64_t exponent_of(const SoftmaxBase<float>& base) {
  const float k = 12582912.0f - base.magic;
  return k == k ? static_cast<std::int64_t>(k) : 0;
}
FUSELAGE_HD double power_of_two(std::int64_t k) {
  if (k < -1000) return 0;
  return from_bits((k > 0 ? std::int64_t{1023} : 1023 + k) << 52);
}
}  // namespace detail

/// What a term relative to `from` must be multiplied by to be relative to `to`, which holds the row's maximum: at most
/// 1 and a rounding, but for a chunk of nothing but -inf, whose terms are 0 and stay so.
FUSELAGE_HD double softmax_rebase(const SoftmaxBase<float>& from, const SoftmaxBase<float>& to) {
  const std::int64_t k = detail::exponent_of(from) - detail::exponent_of(to);
  if (from.offset == to.offset) return detail::power_of_two(k);
  const double gap = static_cast<double>(from.offset) - static_cast<double>(to.offset);
  const double shift = gap + static_cast<double>(k) * kLn2;
  return shift < -700 ? 0.0 : exp(lesser_of(1.0, shift));  // NaN stays NaN
}

/// What a chunk of a row leaves behind.
struct SoftmaxChunk {
  float max = -__builtin_inff();  ///< NaN is passed over; it arrives through the sum
  float sum = 0;                  ///< terms of the elements below max, relative to softmax_base(max)
  std::int32_t ties = 0;          ///< elements equal to max
  float q = 0;                    ///< sum of the coefficients, where there are soft ones
  float q_gap = 0;                ///< sum of q_c (anchor - x_c)
};

/// A row's result, S = double from chunks, or a lane of a short row in float.
template <class S>
struct SoftmaxRow {
  S max, anchor;   ///< of the row
  S odds;          ///< u
  S scale;         ///< 1 / sum of terms, relative to `base`: p_c = term * scale
  S complement;    ///< 1 - p of a maximum: u/(1 + u)
  S q, q_gap;      ///< sum of the soft coefficients, and of q_c (anchor - x_c)
  S q_low = S(0);  ///< what the rounding of q lost: A - q_c keeps digits where one class holds nearly all
};

/// The sum of a short row's soft coefficients with what its roundings lose (Knuth's two-sum).
template <class S>
struct SoftmaxCoefficients {
  S sum = S(0), lost = S(0);
  FUSELAGE_HD void add(S q) {
    const S now = sum + q, added = now - sum;
    lost = lost + ((sum - (now - added)) + (q - added));
    sum = now;
  }
  FUSELAGE_HD S high() const { return select(lost == lost, sum + lost, sum); }  // of infinite targets nothing is lost
  FUSELAGE_HD S low() const { return select(lost == lost, (sum - high()) + lost, S(0)); }
};

/// Gathers a row from its chunks, in index order; chunk(c) gives SoftmaxChunk c. The base of the row is softmax_base of
/// its maximum.
template <class Chunks>
FUSELAGE_HD SoftmaxRow<double> softmax_row(std::int64_t chunks, Chunks&& chunk) {
  float max = -__builtin_inff();
  for (std::int64_t c = 0; c < chunks; ++c) max = greater_of(chunk(c).max, max);
  const SoftmaxBase<float> base = softmax_base(max);
  const float anchor = softmax_anchor(max);
  double rest = 0, ties = 0, q = 0, q_gap = 0;
  for (std::int64_t c = 0; c < chunks; ++c) {
    const SoftmaxChunk part = chunk(c);
    const SoftmaxBase<float> own = softmax_base(part.max);
    double sum = part.sum;
    if (part.max == max)
      ties += part.ties;
    else
      sum += part.ties * static_cast<double>(softmax_term(part.max, own));
    rest += sum * softmax_rebase(own, base);
    q += part.q;
    q_gap += part.q_gap + part.q * (static_cast<double>(anchor) - static_cast<double>(softmax_anchor(part.max)));
  }
  const double top = softmax_term(max, base), odds = rest / top + (ties - 1);
  return {max, anchor, odds, 1 / (top * (1 + odds)), odds / (1 + odds), q, q_gap};
}

/// How a row's target enters: value = weight of the label (m - x_y + log1p u) + the soft part. S as in SoftmaxRow.
template <class S>
struct SoftmaxTarget {
  S label_weight;  ///< (1 - s) w_y, 0 for dense targets
  S label_q;       ///< the soft coefficient s/C w_y of the label's own class
};

/// A soft coefficient q_c = w (keep t + even): class weight w, target t (0 for labels), keep = 1 - s and even = s/C.
template <class S>
FUSELAGE_HD S softmax_coefficient(S w, S t, S keep, S even) {
  return w * fma(keep, t, even);
}

/// What a soft coefficient adds to q_gap: q (anchor - x), and 0 for q = 0 even where x is -inf.
template <class S>
FUSELAGE_HD S softmax_gap(S q, S anchor, S x) {
  return select(q == S(0), S(0), q * (anchor - x));
}

/// A gradient term * factor, 0 where the product would be denormal: denormals slow an x86 down, and
/// nothing is lost that the rest of the row could feel. `least` is softmax_least(factor).
template <class S>
FUSELAGE_HD S softmax_scaled(S term, S factor, S least) {
  return select(term < least, S(0), term) * factor;
}
template <class S>
FUSELAGE_HD S softmax_least(S factor) {
  return S(0x1p-126) / abs(factor);
}

/// The value of a row; x_label is the label's logit (any finite number for dense targets).
template <class S>
FUSELAGE_HD S softmax_value(const SoftmaxRow<S>& row, const SoftmaxTarget<S>& target, S x_label) {
  const S zero = S(0), excess = log1p(row.odds);
  const S gap = select(target.label_weight == zero, zero, target.label_weight * (row.anchor - x_label));
  return fma(target.label_weight + row.q, excess, gap + row.q_gap);
}

/// The logit whose derivative is taken from 1 - p, as (A - q) - A (1 - p): the maximum, where its p is above 1/2. NaN,
/// which equals no logit, elsewhere: there A p - q is the form that does not cancel.
template <class S>
FUSELAGE_HD S softmax_peak(const SoftmaxRow<S>& row) {
  return select(row.complement < S(0.5), row.max, S(__builtin_nan("")));
}

/// The derivative by the label's logit: (A - a - b) - A (1 - p) for the peak, A p - (a + b) otherwise, with A the sum
/// of all coefficients, a + b those of the label; `p` is the label's probability.
template <class S>
FUSELAGE_HD S softmax_label_gradient(const SoftmaxRow<S>& row, const SoftmaxTarget<S>& target, S x_label, S p) {
  const S sum = target.label_weight + row.q;
  const S at_peak = fma(-sum, row.complement, (row.q - target.label_q) + row.q_low);
  return select(x_label == softmax_peak(row), at_peak, fma(sum, p, -(target.label_weight + target.label_q)));
}

/// The same where `extra` is added to the sum of all coefficients: z-loss, whose derivative is p_c 2 z lse.
template <class S>
FUSELAGE_HD S softmax_label_gradient(const SoftmaxRow<S>& row, const SoftmaxTarget<S>& target, S x_label, S p,
                                     S extra) {
  const S sum = target.label_weight + row.q + extra;
  const S at_peak = fma(-sum, row.complement, ((row.q - target.label_q) + row.q_low) + extra);
  return select(x_label == softmax_peak(row), at_peak, fma(sum, p, -(target.label_weight + target.label_q)));
}

/// z-loss of a row, z lse^2: what it adds to the value, and `extra`. `level` is what row.odds are relative to.
template <class S>
struct SoftmaxExtra {
  S value, slope;
};
template <class S>
FUSELAGE_HD SoftmaxExtra<S> softmax_extra(S z_loss, S level, S odds) {
  const S lse = level + log1p(odds), slope = z_loss * lse;
  return {slope * lse, slope + slope};
}

/// Where a row's confidence p, the probability of its maximum, belongs: one of `bins` of equal width, and p as an
/// integer of 2^-32, so that sums have no order.
struct Confidence {
  std::int64_t bin, fixed;
};
FUSELAGE_HD Confidence softmax_confidence(double p, std::int64_t bins) {
  const auto bin = static_cast<std::int64_t>(p * static_cast<double>(bins));
  return {bin < bins ? bin : bins - 1, static_cast<std::int64_t>(p * 0x1p32 + 0.5)};
}

/// Whether element c of a row stands before the label in the order by logit, larger first, then by index.
template <class S>
FUSELAGE_HD bool ranks_before(S x, std::int64_t c, S x_label, std::int64_t label) {
  return x > x_label || (x == x_label && c < label);
}

}  // namespace fuselage
