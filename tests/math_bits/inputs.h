// Stratified inputs for the elementary functions: every exponent, the neighbourhood of every switch, all specials.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace fuselage::math_bits {

/// splitmix64: inputs that are the same everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t word() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// In [0, 1).
  double unit() { return static_cast<double>(word() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

/// Zeros, infinities, NaN with several payloads (an integer taken from one shows), the ends of the formats.
inline std::vector<float> special_floats() {
  std::vector<float> v;
  for (std::uint32_t u : {0x00000000u, 0x00000001u, 0x00000002u, 0x007fffffu, 0x00800000u, 0x00800001u, 0x3f7fffffu,
                          0x3f800000u, 0x3f800001u, 0x40000000u, 0x4b000000u, 0x4b7fffffu, 0x4b800000u, 0x4b800001u,
                          0x7f7fffffu, 0x7f800000u, 0x7fc00000u, 0x7fc00001u, 0x7fffffffu, 0x7fc0007fu, 0x7f800001u})
    for (std::uint32_t s : {0u, 0x80000000u}) v.push_back(std::bit_cast<float>(u | s));
  return v;
}

/// Where a function changes its method, or its result its binade or kind.
inline std::vector<double> switches() {
  std::vector<double> v = {0.25,  0.5,   0.55,  0.59,  0.62, 0.7,    0.75,   0.925, 1,    1.5,  2,    2.15, 3,
                           4,     6,     8.3,   9.01,  16,   17.33,  25,     33,    37,   40,   54,   60,   64,
                           87.33, 88.03, 88.37, 88.73, 89,   103.28, 103.98, 104,   126,  127,  128,  129,  149,
                           150,   151,   708.4, 709.8, 710,  745.2,  746,    1022,  1024, 1074, 1075, 4096};
  for (int n = 0; n <= 150; ++n) v.push_back((n + 0.5) * 0.69314718055994530942);
  for (int n = 1; n <= 30; ++n) v.push_back(0.75 * std::ldexp(1.0, n - 15));
  double power = 1;  // e^(-n/2)
  for (int n = 1; n <= 30; ++n) v.push_back(power *= 0.60653065971263342), v.push_back(1 - std::ldexp(1.0, -n));
  return v;
}

/// About 512 * per_binade + 80 * (number of switches) floats.
inline std::vector<float> stratified_floats(int per_binade, int around = 20) {
  std::vector<float> v = special_floats();
  Random random(7);
  for (std::uint32_t top = 0; top < 512; ++top)
    for (int i = 0; i < per_binade; ++i) {
      const std::uint32_t low = static_cast<std::uint32_t>(random.word()) & 0x7fffffu;
      const std::uint32_t rest = i == 0 ? 0 : i == 1 ? 0x7fffffu : i < per_binade / 16 ? low & ~0xffffu : low;
      v.push_back(std::bit_cast<float>((top << 23) | rest));
    }
  for (double s : switches()) {
    const std::uint32_t centre = std::bit_cast<std::uint32_t>(static_cast<float>(s));
    for (int d = -around; d < around; ++d)
      for (std::uint32_t sign : {0u, 0x80000000u})
        v.push_back(std::bit_cast<float>((centre + static_cast<std::uint32_t>(d)) | sign));
  }
  return v;
}

/// The same for double: all exponents, dense where the functions live.
inline std::vector<double> stratified_doubles(int per_binade, int dense, int around = 8) {
  std::vector<double> v;
  for (float x : special_floats()) v.push_back(x);
  for (std::uint64_t u : {std::uint64_t{1}, 0x000fffffffffffffu, 0x0010000000000000u, 0x3fefffffffffffffu,
                          0x7fefffffffffffffu, 0x7fffffffffffffffu})
    for (std::uint64_t s : {std::uint64_t{0}, std::uint64_t{1} << 63}) v.push_back(std::bit_cast<double>(u | s));
  Random random(11);
  for (std::uint64_t top = 0; top < 4096; ++top)
    for (int i = 0; i < per_binade; ++i) v.push_back(std::bit_cast<double>((top << 52) | (random.word() >> 12)));
  for (int i = 0; i < dense; ++i) {
    v.push_back((random.unit() - 0.5) * 1500);
    v.push_back((random.unit() - 0.5) * 16);
    v.push_back(random.unit() * 2);
    v.push_back(-random.unit());
  }
  for (double s : switches()) {
    const std::uint64_t centre = std::bit_cast<std::uint64_t>(s);
    for (int d = -around; d < around; ++d) {
      const double x = std::bit_cast<double>(centre + static_cast<std::uint64_t>(std::int64_t{d}));
      v.push_back(x), v.push_back(-x);
    }
  }
  return v;
}

/// The binary logarithm to a few bits, from exact operations: the inputs must not depend on a C library.
inline double rough_log2(double x) {
  int exponent = 0;
  const double m = std::frexp(x, &exponent);
  const double log = exponent - 1 + (2 * m - 1);
  return log != 0 ? log : 1;
}

/// Bases and exponents of powers: specials against specials, integers, results across the range, bases near 1.
template <class T>
std::vector<std::pair<T, T>> power_pairs(int random_pairs) {
  std::vector<std::pair<T, T>> v;
  std::vector<T> few;
  for (float x : special_floats()) few.push_back(x);
  for (double x : {0.5, 1.5, 2.0, 2.5, 3.0, 4.0, 7.0, 16777217.0, 8388607.5, 9007199254740991.0, 9007199254740992.0,
                   4503599627370495.5, 1e-3, 0.1, 1e30})
    few.push_back(static_cast<T>(x)), few.push_back(static_cast<T>(-x));
  for (T x : few)
    for (T y : few) v.push_back({x, y});
  Random random(13);
  const double span = sizeof(T) == 4 ? 160 : 1100;
  for (int i = 0; i < random_pairs; ++i) {
    // x spread over the binades or near 1, y so that y log2(x) spreads over the range of the exponent.
    const int binade = static_cast<int>((random.unit() - 0.5) * (i % 3 ? span : 4));
    const double near_one = 1 + std::ldexp(random.unit() - 0.5, -static_cast<int>(20 * random.unit()));
    const double x = i % 7 ? std::ldexp(1 + random.unit(), binade) : near_one;
    const double target = (random.unit() - 0.5) * 2.5 * span;
    v.push_back({static_cast<T>(x), static_cast<T>(target / rough_log2(x))});
    v.push_back({static_cast<T>(random.unit() * 10), static_cast<T>(random.unit() * 5)});
    v.push_back({static_cast<T>(-random.unit() * 10), static_cast<T>(static_cast<int>(random.word() % 60) - 30)});
  }
  return v;
}

}  // namespace fuselage::math_bits
