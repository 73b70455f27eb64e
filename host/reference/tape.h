// Numbers that remember how they came about: derivatives of a whole row by going backwards through its formula, in time
// that grows with the row and not with its square.
//
// Every number carries beside its value the size of the largest term that was added or subtracted on the way to it:
// rounding is measured by that where terms cancel. So do the derivatives.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace fuselage::reference {

/// A value, and the largest term behind it: at least |value|, or 0 for a number that is exact (an input, a constant).
struct Sized {
  double value = 0;
  double term = 0;
};

/// The product with the terms behind it; 0 times infinity is 0.
inline Sized operator*(const Sized& a, const Sized& b) {
  const auto times = [](double x, double y) {
    return (x == 0 && !std::isnan(y)) || (y == 0 && !std::isnan(x)) ? 0 : x * y;
  };
  const double value = times(a.value, b.value), crossed = times(a.term, std::abs(b.value));
  return {value, std::max({std::abs(value), crossed, times(std::abs(a.value), b.term)})};
}
inline Sized operator+(const Sized& a, const Sized& b) {
  const double value = a.value + b.value;
  if (a.term == 0 && b.term == 0) return {value, std::abs(value)};  // one rounding of exact numbers
  return {value, std::max({std::abs(value), a.term, b.term, std::abs(a.value), std::abs(b.value)})};
}

class Tape;

/// A number on a tape, or a constant, which is on none.
struct Var {
  Sized number;
  Tape* tape = nullptr;
  std::size_t index = 0;

  Var() = default;
  Var(double constant) : number{constant, 0} {}  // NOLINT: constants mix with numbers of a tape in the formulas
};

/// Owns what its numbers are made of; they must not outlive it.
class Tape {
 public:
  /// An independent variable.
  Var input(double value) { return push({value, 0}, {}, {}, {}, {}); }

  /// A number with the derivatives da and db by a and b.
  Var push(Sized number, const Var& a, Sized da, const Var& b, Sized db) {
    Node node;
    if (a.tape) node.a = a.index, node.da = da;
    if (b.tape) node.b = b.index, node.db = db;
    nodes_.push_back(node);
    Var result;
    result.number = number;
    result.tape = this;
    result.index = nodes_.size() - 1;
    return result;
  }

  /// log softmax(x)_c for every c, and log sum exp(x) after them. Their derivatives, [c = j] - p_j and p_j, are taken
  /// as an operation of its own, since the rules of its steps would cancel.
  std::vector<Var> softmax(const std::vector<Var>& x, const std::vector<double>& log_p, double log_sum) {
    Block block;
    for (const Var& v : x) block.inputs.push_back(v.index);
    block.log_p = log_p;
    std::vector<Var> outputs;
    for (const double l : log_p) outputs.push_back(push({l, std::abs(l)}, {}, {}, {}, {}));
    outputs.push_back(push({log_sum, std::abs(log_sum)}, {}, {}, {}, {}));
    nodes_[outputs.front().index].block = blocks_.size();
    blocks_.push_back(std::move(block));
    return outputs;
  }

  /// The derivatives of `result` by everything on the tape; at(v) reads them.
  void differentiate(const Var& result) {
    slopes_.assign(nodes_.size(), {});
    tail_ = 0;
    if (result.tape != this) return;
    slopes_[result.index] = {1, 0};
    for (std::size_t i = nodes_.size(); i-- > 0;) {
      const Node& node = nodes_[i];
      if (node.block != kNone) differentiate(blocks_[node.block], i);
      const Sized slope = slopes_[i];
      if (slope.value == 0 && slope.term == 0) continue;
      if (node.a != kNone) add(node.a, slope * node.da);
      if (node.b != kNone) add(node.b, slope * node.db);
    }
  }
  Sized at(const Var& v) const { return v.tape == this ? slopes_[v.index] : Sized{}; }
  /// How much of a probability may weigh in the result: the sum of |d(result)/d(log p_c)|. What a tail of the softmax
  /// is flushed to zero loses is measured by it.
  double tail() const { return tail_; }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  struct Node {
    std::size_t a = kNone, b = kNone, block = kNone;
    Sized da, db;
  };
  struct Block {
    std::vector<std::size_t> inputs;
    std::vector<double> log_p;
  };

  void add(std::size_t index, const Sized& part) {
    Sized& slope = slopes_[index];
    slope = slope.value == 0 && slope.term == 0 ? part : slope + part;
  }

  /// By x_j: a_j (1 - p_j) - p_j (sum of the other a_c) + p_j b, for the slopes a of the outputs and b of the last.
  void differentiate(const Block& block, std::size_t first) {
    const std::size_t n = block.inputs.size();
    Sized all;
    for (std::size_t c = 0; c < n; ++c) {
      all = all + slopes_[first + c];
      tail_ += std::abs(slopes_[first + c].value);
    }
    const Sized of_sum = slopes_[first + n];
    tail_ += std::abs(of_sum.value);
    for (std::size_t j = 0; j < n; ++j) {
      const Sized own = slopes_[first + j];
      const double p = std::exp(block.log_p[j]), rest = -std::expm1(block.log_p[j]);
      Sized others{all.value - own.value, 0};
      if (p > 0.5) {  // at most one: its own slope may be nearly all of the sum
        others = {};
        for (std::size_t c = 0; c < n; ++c)
          if (c != j) others = others + slopes_[first + c];
      }
      add(block.inputs[j], own * Sized{rest, rest} + others * Sized{-p, p} + of_sum * Sized{p, p});
    }
  }

  std::vector<Node> nodes_;
  std::vector<Block> blocks_;
  std::vector<Sized> slopes_;
  double tail_ = 0;
};

namespace tape_rules {
inline Var binary(const Var& a, const Var& b, Sized number, Sized da, Sized db) {
  if (Tape* const tape = a.tape ? a.tape : b.tape) return tape->push(number, a, da, b, db);
  Var constant;
  constant.number = number;
  return constant;
}
/// f(x): terms that cancelled before are carried on by the slope. `always`: so is the rounding of x itself, where f
/// makes more of it than of its own.
inline Var unary(const Var& x, double f, double slope, bool always = false) {
  const double size = std::abs(x.number.value), magnified = std::abs(slope) * x.number.term;
  const bool carry = x.number.term > (always ? 0 : size) && std::isfinite(magnified);
  const double ratio = x.number.term > size && size > 0 ? x.number.term / size : 1;
  return binary(x, {}, {f, carry ? std::max(std::abs(f), magnified) : std::abs(f)}, {slope, std::abs(slope) * ratio},
                {});
}
}  // namespace tape_rules

inline Var operator-(const Var& a) { return tape_rules::binary(a, {}, {-a.number.value, a.number.term}, {-1, 0}, {}); }
inline Var operator+(const Var& a, const Var& b) {
  return tape_rules::binary(a, b, a.number + b.number, {1, 0}, {1, 0});
}
inline Var operator-(const Var& a, const Var& b) {
  return tape_rules::binary(a, b, a.number + Sized{-b.number.value, b.number.term}, {1, 0}, {-1, 0});
}
inline Var operator*(const Var& a, const Var& b) {
  return tape_rules::binary(a, b, a.number * b.number, b.number, a.number);
}
inline Var operator/(const Var& a, const Var& b) {
  const double one = 1 / b.number.value, size = std::abs(b.number.value);
  const Sized inverse{one, std::abs(one) * (b.number.term > size ? b.number.term / size : 1)};
  const Sized quotient{a.number.value / b.number.value, (a.number * inverse).term};
  return tape_rules::binary(a, b, quotient, inverse, quotient * Sized{-inverse.value, inverse.term});
}

inline Var exp(const Var& x) {
  const double e = std::exp(x.number.value);
  return tape_rules::unary(x, e, e);
}
inline Var expm1(const Var& x) { return tape_rules::unary(x, std::expm1(x.number.value), std::exp(x.number.value)); }
/// Near 1 a logarithm is small, and the rounding of its argument is not.
inline Var log(const Var& x) { return tape_rules::unary(x, std::log(x.number.value), 1 / x.number.value, true); }
inline Var log1p(const Var& x) { return tape_rules::unary(x, std::log1p(x.number.value), 1 / (1 + x.number.value)); }
inline Var sqrt(const Var& x) {
  const double root = std::sqrt(x.number.value);
  return tape_rules::unary(x, root, 0.5 / root);
}
inline Var tanh(const Var& x) {
  const double sech = 1 / std::cosh(x.number.value);
  return tape_rules::unary(x, std::tanh(x.number.value), sech * sech);
}
inline Var pow(const Var& x, double power) {
  if (power == 0) return Var(1);
  return tape_rules::unary(x, std::pow(x.number.value, power), power * std::pow(x.number.value, power - 1));
}
/// Derivative 0 at the kink; NaN has NaN.
inline Var abs(const Var& x) {
  const double v = x.number.value, sign = v > 0 ? 1 : v < 0 ? -1 : v == 0 ? 0 : v;
  return tape_rules::binary(x, {}, {std::abs(v), x.number.term}, {sign, 0}, {});
}

inline double value_of(const Var& x) { return x.number.value; }

}  // namespace fuselage::reference
