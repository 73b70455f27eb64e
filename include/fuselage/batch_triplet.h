// Triplets among the rows of a batch: every row with its like and with strangers, by distances of all pairs.
#pragma once

#include <array>
#include <cstdint>

#include "fuselage/batch.h"
#include "fuselage/core/field.h"
#include "fuselage/core/scalar.h"
#include "fuselage/loss/concepts.h"

namespace fuselage {

namespace triplets {

/// Which triplets of a batch count.
enum class Mining : std::uint8_t {
  hard,  ///< of each anchor its farthest positive and its nearest negative, the first of equals
  all,   ///< every anchor with every positive and every negative
};
constexpr std::array<std::string_view, 2> names_of(Mining) { return {"hard", "all"}; }

/// What the sum of the triplets' losses is divided by.
enum class Average : std::uint8_t {
  all,      ///< their number
  nonzero,  ///< the number of those whose loss is not 0
};
constexpr std::array<std::string_view, 2> names_of(Average) { return {"all", "nonzero"}; }

}  // namespace triplets

/// max(0, D(anchor, positive) - D(anchor, negative) + margin) with D(a, b) = sqrt(sum (a - b)^2 + eps), or sum (a -
/// b)^2 where `squared`. Derivative of D by a: (a - b)/D, 0 where D = 0 (identical rows, eps = 0), or 2 (a - b); that
/// of a triplet is 0 at its kink. Which triplet is the hardest is a constant. For n rows of c columns time grows as n^2
/// c and, with `all`, as the number of triplets, up to n^3/4; memory as n^2: 4 bytes for each pair, 8 with a gradient.
/// Schroff et al., CVPR 2015 (FaceNet);
/// Hermans et al., 2017 (batch hard).
struct BatchTriplet {
  static constexpr std::string_view name = "batch_triplet";
  static constexpr std::string_view formula = "max(0, D(anchor, positive) - D(anchor, negative) + margin)";
  static constexpr std::string_view summary = "triplets of a batch, mined by labels: the hardest of each row, or all";
  static constexpr Budget budget{4, 16, "gradients are added in fp32 in runs of 32 rows"};
  triplets::Mining mining = triplets::Mining::hard;
  triplets::Average average = triplets::Average::all;
  double margin = 1;
  bool squared = false;
  double eps = 0;
  static void fields(auto&& field) {
    field("mining", &BatchTriplet::mining, Range{}, "which triplets of the batch count");
    field("average", &BatchTriplet::average, Range{}, "divides by all triplets, or by those that cost");
    field("margin", &BatchTriplet::margin, kNonNegative, "how much nearer");
    field("squared", &BatchTriplet::squared, Range{}, "squared distances");
    field("eps", &BatchTriplet::eps, kNonNegative, "added under the root");
  }
};

/// Rows and the labels that say which are alike. All views are borrowed and live where the backend's memory is.
struct TripletBatch {
  ConstView x;         ///< [rows, cols], fp32, bf16 or fp16
  ConstView label;     ///< [rows, 1] of an integer type; any value is a class
  ConstView mask;      ///< optional u8 [rows, 1]; 0 leaves the row out of all triplets
  ConstView upstream;  ///< optional fp32 [1, 1]
  View gradient;       ///< optional, x's shape and type; may be its memory exactly, not in part
  float scale = 1;     ///< multiplies the gradient (a loss scale)
};

namespace triplets {

/// Elements of a row, or rows of a matrix, that are added in fp32, in order from +0; their sums are added in double, in
/// order. The canonical order of distances and of their gradient.
inline constexpr int kRun = 32;

/// A distance, of the sum of squared differences.
FUSELAGE_HD float distance(const BatchTriplet& t, double sum) {
  const float d = static_cast<float>(t.squared ? sum : sqrt(sum + t.eps));
  return canonical_nan(d);
}

/// The loss of a triplet before it is cut at 0, `base` being D(anchor, positive) + margin; NaN counts as active.
FUSELAGE_HD double excess(double base, float negative) { return base - static_cast<double>(negative); }
FUSELAGE_HD bool active(double excess) { return !(excess <= 0); }

/// What multiplies a - b in the derivative, `weight` being how often the pair's distance counts. A distance that is
/// infinite, or too great to be stored, has none.
FUSELAGE_HD float slope(const BatchTriplet& t, float weight, float d) {
  if (weight == 0.0f) return 0.0f;
  if (!(d < __builtin_inff())) return __builtin_nanf("");
  if (t.squared) return 2.0f * weight;
  return d == 0.0f ? 0.0f : weight / d;
}

/// Keys by which the greatest is the farthest row, or the nearest, and among equals the first; NaN comes before all
/// numbers. Distances are not negative, so their bits are in order. 0 stands for none.
FUSELAGE_HD unsigned long long far_key(float d, std::int64_t j) {
  const auto order = static_cast<unsigned long long>(static_cast<std::uint32_t>(bits(d)));
  return order << 32 | static_cast<std::uint32_t>(~static_cast<std::uint32_t>(j));
}
FUSELAGE_HD unsigned long long near_key(float d, std::int64_t j) {
  const std::uint32_t order = d != d ? 0 : static_cast<std::uint32_t>(bits(d)) + 1;
  return static_cast<unsigned long long>(~order) << 32 | static_cast<std::uint32_t>(~static_cast<std::uint32_t>(j));
}
FUSELAGE_HD std::int64_t row_of_key(unsigned long long key) {
  return static_cast<std::int64_t>(~static_cast<std::uint32_t>(key));
}

/// What was found of one anchor, or of all.
struct Tally {
  std::int64_t triplets = 0, active = 0;
};

FUSELAGE_HD double divisor(const BatchTriplet& t, const Tally& tally) {
  return static_cast<double>(t.average == Average::all ? tally.triplets : tally.active);
}

}  // namespace triplets
}  // namespace fuselage
