// What every variant runs. It is compiled for several instruction sets, so it emits nothing that the linker could share
// between them: everything stands in an anonymous namespace and uses no library template.
#pragma once

#include "fuselage/core/math.h"
#include "tests/math_bits/variant.h"

namespace fuselage::math_bits {
namespace {

std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 29);
}
std::uint64_t mix(std::uint64_t hash, float y) {
  return mix(hash, static_cast<std::uint64_t>(static_cast<std::uint32_t>(y == y ? bits(y) : 0x7fc00000)));
}
std::uint64_t mix(std::uint64_t hash, double y) {
  return mix(hash, static_cast<std::uint64_t>(y == y ? bits(y) : 0x7ff8000000000000));
}

/// A vector type is read and written by Lanes<S>; the scalars are their own lane.
template <class S>
struct Lanes {
  static constexpr int kCount = 1;
  static S load(const S* p) { return *p; }
  static void store(S y, S* p) { *p = y; }
};

template <class S, class T, class F>
void unary(Hashes& all, const char* name, const T* x, std::int64_t n, F f) {
  std::uint64_t hash = 1;
  T y[kBlock];
  for (std::int64_t i = 0; i < n; i += kBlock) {
    for (int j = 0; j < kBlock; j += Lanes<S>::kCount) Lanes<S>::store(f(Lanes<S>::load(x + i + j)), y + j);
    for (int j = 0; j < kBlock; ++j) hash = mix(hash, y[j]);
  }
  all.of[all.count++] = {name, hash};
}

template <class S, class T, class F>
void binary(Hashes& all, const char* name, const T* a, const T* b, std::int64_t n, F f) {
  std::uint64_t hash = 1;
  T y[kBlock];
  for (std::int64_t i = 0; i < n; i += kBlock) {
    for (int j = 0; j < kBlock; j += Lanes<S>::kCount)
      Lanes<S>::store(f(Lanes<S>::load(a + i + j), Lanes<S>::load(b + i + j)), y + j);
    for (int j = 0; j < kBlock; ++j) hash = mix(hash, y[j]);
  }
  all.of[all.count++] = {name, hash};
}

/// The six comparisons as bits of a number; NaN differs from everything.
template <class S>
S compared(S x, S y) {
  const S zero = S(0);
  const S less = select(x < y, S(1), zero) + select(x <= y, S(2), zero);
  const S more = select(x > y, S(4), zero) + select(x >= y, S(8), zero);
  return (less + more) + (select(x == y, S(16), zero) + select(x != y, S(32), zero));
}

template <class S>
void run_floats(Hashes& all, const Inputs& in) {
  const auto one = [&](const char* name, auto f) { unary<S>(all, name, in.x, in.floats, f); };
  const auto two = [&](const char* name, auto f) { binary<S>(all, name, in.base, in.exponent, in.float_pairs, f); };
  one("exp", [](S x) { return exp(x); });
  one("exp2", [](S x) { return exp2(x); });
  one("expm1", [](S x) { return expm1(x); });
  one("exp_scaled", [](S x) { return exp_scaled(x, S(12582912.0 - 37), S(-60.0)); });
  one("log", [](S x) { return log(x); });
  one("log2", [](S x) { return log2(x); });
  one("log1p", [](S x) { return log1p(x); });
  one("sigmoid", [](S x) { return sigmoid(x); });
  one("softplus", [](S x) { return softplus(x); });
  one("logistic_tail.exp", [](S x) { return logistic_tail(x).exp; });
  one("logistic_tail.log1p_exp", [](S x) { return logistic_tail(x).log1p_exp; });
  one("logistic_tail.sigmoid", [](S x) { return logistic_tail(x).sigmoid; });
  one("tanh", [](S x) { return tanh(x); });
  one("erf", [](S x) { return erf(x); });
  one("sign", [](S x) { return sign(x); });
  one("relu", [](S x) { return relu(x); });
  one("sqrt", [](S x) { return sqrt(x); });
  two("pow", [](S x, S y) { return pow(x, y); });
  two("minimum", [](S x, S y) { return minimum(x, y); });
  two("maximum", [](S x, S y) { return maximum(x, y); });
  two("divide", [](S x, S y) { return x / y; });
  two("compare", [](S x, S y) { return compared(x, y); });
}

void run_doubles(Hashes& all, const Inputs& in) {
  const auto one = [&](const char* name, auto f) { unary<double>(all, name, in.a, in.doubles, f); };
  const auto two = [&](const char* name, auto f) {
    binary<double>(all, name, in.double_base, in.double_exponent, in.double_pairs, f);
  };
  one("double exp", [](double x) { return exp(x); });
  one("double exp2", [](double x) { return exp2(x); });
  one("double expm1", [](double x) { return expm1(x); });
  one("double exp_scaled", [](double x) { return exp_scaled(x, 12582912.0 - 37, -60.0); });
  one("double log", [](double x) { return log(x); });
  one("double log2", [](double x) { return log2(x); });
  one("double log1p", [](double x) { return log1p(x); });
  one("double sigmoid", [](double x) { return sigmoid(x); });
  one("double softplus", [](double x) { return softplus(x); });
  one("double tanh", [](double x) { return tanh(x); });
  one("double erf", [](double x) { return erf(x); });
  one("double cospi", [](double x) { return cospi(x); });
  one("double powi", [](double x) { return powi(x, 1 + (bits(x) & 1023)); });
  one("double sign", [](double x) { return sign(x); });
  one("double relu", [](double x) { return relu(x); });
  two("double pow", [](double x, double y) { return pow(x, y); });
  two("double minimum", [](double x, double y) { return minimum(x, y); });
  two("double maximum", [](double x, double y) { return maximum(x, y); });
}

template <class S>
Hashes run_all(const Inputs& in) {
  Hashes all = {};
  run_floats<S>(all, in);
  run_doubles(all, in);
  return all;
}

}  // namespace
}  // namespace fuselage::math_bits
