// Temperature and softcap: what becomes of a logit x before the softmax. With k = 1/T and a cap c,
//   x' = k x, and then x' = c tanh(x'/c) where there is a cap; dx'/dx = k, times 1 - (x'/c)^2.
//
// exp(x') is only as good as x' is in absolute terms, and a float near 30 is good to 1e-6. So differences to the
// maximum are kept as pairs of floats. Without a cap they are taken before the factor k, exactly; with one, tanh is a
// pair too, to 1e-9, from E = exp(-2 |k x|/c): tanh = (1 - E)/(1 + E), and its slope 4 E/(1 + E)^2 does not cancel.
// Maxima, ties and ranks are those of the logits as given, which the transform does not reorder.
#pragma once

#include "fuselage/core/softmax.h"

namespace fuselage {

/// A number as the sum of two floats.
struct SoftmaxNumber {
  float high = 0, low = 0;
  SoftmaxNumber() = default;
  explicit SoftmaxNumber(double x)
      : high(static_cast<float>(x)), low(static_cast<float>(x - static_cast<double>(high))) {}
};

/// The transform, prepared on the host. Without one, factor is 1 and there is no cap.
struct SoftmaxShape {
  bool given = false, capped = false;
  SoftmaxNumber factor;  ///< of differences: k, or 1 where there is a cap
  SoftmaxNumber cap;
  SoftmaxNumber bend;  ///< 2 k / c
  float reach = 0;     ///< from |x| = reach on tanh is 1 and its slope 0: exp(-86) is
  double k = 1;

  SoftmaxShape() = default;
  /// Both within [1e-9, 1e9], or softcap 0: none.
  SoftmaxShape(double temperature, double softcap)
      : given(temperature != 1 || softcap > 0),
        capped(softcap > 0),
        factor(capped ? 1 : 1 / temperature),
        cap(softcap),
        k(1 / temperature) {
    if (!capped) return;
    bend = SoftmaxNumber(2 / (temperature * softcap));
    reach = static_cast<float>(43 * temperature * softcap);
  }
  /// A scale of gradients with the factor k of every derivative in it.
  float scale_of(float scale) const { return static_cast<float>(static_cast<double>(scale) * k); }
};

/// What a driver has to do beside a plain label; each form holds the one before.
enum class SoftmaxForm : std::uint8_t {
  hard,    ///< labels
  soft,    ///< coefficients of classes (dense targets, label smoothing), z-loss
  shaped,  ///< transformed logits
};
constexpr SoftmaxForm softmax_form(bool coefficients, double z_loss, const SoftmaxShape& shape) {
  return shape.given ? SoftmaxForm::shaped : coefficients || z_loss > 0 ? SoftmaxForm::soft : SoftmaxForm::hard;
}

namespace detail {
/// exp(r) - 1 for |r.high| <= 0.35, to 1e-9 of 1.
template <class S>
FUSELAGE_HD TwoPart<S> exp_rest(TwoPart<S> r) {
  const S x = r.high, square = x * x, square_low = fma(x, x, -square);
  const S rest = x * horner(x, 0x1.555556p-3, 0x1.555556p-5, 0x1.111112p-7, 0x1.6c16c2p-10, 0x1.a01a02p-13,
                            0x1.a01a02p-16, 0x1.71de3ap-19);  // (e^x - 1 - x - x^2/2)/x^2, by Taylor
  const TwoPart<S> head = ordered_sum(x, S(0.5) * square);
  const S low = head.low + fma(square, rest, fma(x, r.low, fma(S(0.5), square_low, r.low)));
  return ordered_sum(head.high, low);
}
}  // namespace detail

/// x' of a logit where there is a cap, and x itself elsewhere (softmax_distance has the factor); and 1 - (x'/c)^2.
template <class S>
struct SoftmaxImage {
  TwoPart<S> at;
  S slope;
};
template <class S>
FUSELAGE_HD SoftmaxImage<S> softmax_image(const SoftmaxShape& shape, S x) {
  const S one = S(1.0), zero = S(0.0);
  if (!shape.capped) return {{x, zero}, one};
  const S size = abs(x), a = lesser_of(S(shape.reach), size), bend = S(shape.bend.high);  // NaN stays
  const S y = a * bend, y_low = fma(a, S(shape.bend.low), fma(a, bend, -y));
  // E = 2^n e^r with r = -y - n ln 2
  const S base = S(detail::kRound + 127), biased = fma(-y, S(detail::kLog2e), base), n = biased - base;
  const S r = fma(n, S(-detail::kLn2High), -y);
  const TwoPart<S> m = detail::exp_rest(detail::ordered_sum(r, fma(n, S(-detail::kLn2Rest), -y_low)));
  const TwoPart<S> p = detail::ordered_sum(one, m.high);
  const S scale = detail::exponent_scale(biased);
  const S e = p.high * scale, e_low = select(n < S(-60.0), zero, (p.low + m.low) * scale);  // no denormals
  const TwoPart<S> above = detail::ordered_sum(one, -e), below = detail::ordered_sum(one, e);
  const S above_low = above.low - e_low, below_low = below.low + e_low;
  const S t = above.high / below.high;
  const S t_low = (fma(-t, below.high, above.high) + fma(-t, below_low, above_low)) / below.high;
  const S cap = S(shape.cap.high), sign = copysign(one, x), high = cap * t;
  const S low = fma(cap, t, -high) + fma(t, S(shape.cap.low), cap * t_low);
  const TwoPart<S> image = detail::ordered_sum(high, low);
  const S slope = select(size < S(shape.reach), S(4.0) * e / (below.high * below.high), zero);
  return {{sign * image.high, sign * image.low}, slope};
}

/// What the terms of a chunk or row with the maximum `max` are relative to.
template <class S>
FUSELAGE_HD TwoPart<S> softmax_origin(const SoftmaxShape& shape, S max) {
  return softmax_image(shape, shape.capped ? max : softmax_anchor(max)).at;
}

/// x' - m' of an image and an origin.
template <class S>
FUSELAGE_HD TwoPart<S> softmax_distance(const SoftmaxShape& shape, TwoPart<S> x, TwoPart<S> from) {
  const S d = x.high - from.high, back = d - x.high;
  const S d_low = ((x.high - (d - back)) - (from.high + back)) + (x.low - from.low);
  const S y = d * S(shape.factor.high);
  const S y_low = fma(d, S(shape.factor.high), -y) + fma(d, S(shape.factor.low), d_low * S(shape.factor.high));
  const auto finite = y > S(-1e30);
  const S low = select(finite, y_low, S(0.0)), high = y + low;
  return {high, select(finite, low - (high - y), S(0.0))};
}
/// The same, once for a row.
FUSELAGE_HD double softmax_distance_double(const SoftmaxShape& shape, TwoPart<float> x, TwoPart<float> from) {
  const double d = static_cast<double>(x.high) - static_cast<double>(from.high);
  const double low = static_cast<double>(x.low) - static_cast<double>(from.low);
  return shape.capped ? d + low : d * shape.k;
}
/// m' itself.
FUSELAGE_HD double softmax_level(const SoftmaxShape& shape, TwoPart<float> origin) {
  return softmax_distance_double(shape, origin, {0, 0});
}

/// exp(x' - m'), 0 below e^-86.
template <class S>
FUSELAGE_HD S softmax_term(TwoPart<S> distance) {
  const S y = exp_scaled(distance.high, S(detail::kRound), S(-86.0));
  return fma(y, distance.low, y);
}

/// A derivative by x' times the slope of the transform: 0 where that would be denormal.
template <class S>
FUSELAGE_HD S softmax_bent(S gradient, S slope) {
  const S bent = gradient * slope;
  return select(abs(bent) < S(0x1p-126), S(0.0), bent);
}

/// What a term relative to the origin of a chunk with the maximum `max` must be multiplied by to be relative to the
/// row's. A chunk of nothing but -inf may stand above the row: its terms are 0.
FUSELAGE_HD double softmax_rebase(const SoftmaxShape& shape, float max, TwoPart<float> row) {
  const double below = softmax_distance_double(shape, softmax_origin(shape, max), row);
  return below < -700 ? 0.0 : exp(lesser_of(0.0, below));
}

/// softmax_row() of transformed logits: `anchor` is 0, and what is asked for relative to it are distances. Terms are
/// relative to softmax_origin of the chunk's maximum.
template <class Chunks>
FUSELAGE_HD SoftmaxRow<double> softmax_row(const SoftmaxShape& shape, std::int64_t chunks, Chunks&& chunk) {
  float max = -__builtin_inff();
  for (std::int64_t c = 0; c < chunks; ++c) max = greater_of(chunk(c).max, max);
  const TwoPart<float> origin = softmax_origin(shape, max);
  double rest = 0, ties = 0, q = 0, q_gap = 0;
  for (std::int64_t c = 0; c < chunks; ++c) {
    const SoftmaxChunk part = chunk(c);
    const TwoPart<float> own = softmax_origin(shape, part.max);
    const double below = softmax_distance_double(shape, own, origin);
    double sum = part.sum;
    if (part.max == max)
      ties += part.ties;
    else  // the chunk's own maxima, whose term is 1 unless they are -inf
      sum += part.ties *
             static_cast<double>(softmax_term(softmax_distance(shape, softmax_image(shape, part.max).at, own)));
    rest += sum * softmax_rebase(shape, part.max, origin);
    q += part.q;
    q_gap += part.q_gap - part.q * below;
  }
  const double top = softmax_term(softmax_distance(shape, softmax_image(shape, max).at, origin));
  const double odds = rest / top + (ties - 1);
  return {max, 0, odds, 1 / (top * (1 + odds)), odds / (1 + odds), q, q_gap};
}

}  // namespace fuselage
