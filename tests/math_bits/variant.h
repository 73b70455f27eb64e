// The elementary functions compiled in several ways, all of which must give the same bits.
#pragma once

#include <cstdint>

namespace fuselage::math_bits {

/// Borrowed arrays: `floats` arguments x, `float_pairs` bases and exponents, and the same for double. The counts of
/// floats are multiples of kBlock.
struct Inputs {
  const float* x;
  std::int64_t floats;
  const float *base, *exponent;
  std::int64_t float_pairs;
  const double* a;
  std::int64_t doubles;
  const double *double_base, *double_exponent;
  std::int64_t double_pairs;
};
inline constexpr int kBlock = 64;

/// One hash for each function, over the bits of its results in order; all NaN count as one.
struct Hash {
  const char* name;
  std::uint64_t value;
};
inline constexpr int kMaxHashes = 64;
struct Hashes {
  Hash of[kMaxHashes];
  int count;
};

struct Variant {
  const char* name;
  Hashes (*run)(const Inputs& inputs);
  bool (*runs_here)();  ///< whether this machine has the instructions
};

/// The variants of this build, the plain one first.
const Variant* variants();
int variant_count();

}  // namespace fuselage::math_bits
