// InfoNCE and NT-Xent: every row finds its partner among all rows of a batch.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "fuselage/backend.h"
#include "fuselage/core/field.h"
#include "fuselage/memory.h"

namespace fuselage {

/// Whom a row is compared to.
enum class PairSets : std::uint8_t {
  two_sets,  ///< rows of a to all rows of b (CLIP, InfoNCE)
  one_set,   ///< rows of a and b to all others of both (NT-Xent, SimCLR); always symmetric
};
constexpr std::array<std::string_view, 2> names_of(PairSets) { return {"two_sets", "one_set"}; }

/// The mean over pairs (a_i, b_i) of -log softmax_j(a_i.b_j/T) at j = i and, where symmetric, of the same with a and b
/// exchanged, the mean of both. With `normalise` rows are divided by max(|x|, eps), and products are cosines; a length
/// at or below eps is a constant. Oord et al., 2018; Chen et al., ICML 2020; Radford et al., ICML 2021.
struct InfoNce {
  static constexpr std::string_view name = "info_nce";
  static constexpr std::string_view formula = "-log(exp(a_i.b_i/T) / sum_j exp(a_i.b_j/T))";
  static constexpr std::string_view summary = "each row finds its partner among all rows of the other set, or of both";
  static constexpr Budget budget{4, 16, "similarities and gradients are sums of products in fp32, in their order"};
  double temperature = 0.07;
  bool symmetric = true;
  bool normalise = true;
  PairSets pairs = PairSets::two_sets;
  double eps = 1e-8;
  static void fields(auto&& field) {
    field("temperature", &InfoNce::temperature, Range{1e-9, 1e9}, "what similarities are divided by");
    field("symmetric", &InfoNce::symmetric, Range{}, "rows of b look for theirs in a as well");
    field("normalise", &InfoNce::normalise, Range{}, "rows are divided by their lengths");
    field("pairs", &InfoNce::pairs, Range{}, "one_set: among all other rows of a and b");
    field("eps", &InfoNce::eps, kNonNegative, "lengths are at least this");
  }
};

/// Rows i of `a` and `b` belong together. All views are borrowed and live where the backend's memory is.
struct InfoNceBatch {
  ConstView a, b;               ///< [rows, cols], fp32, bf16 or fp16, both of one type
  ConstView weight;             ///< optional fp32 [rows, 1]; finite, >= 0; of both outputs of a pair
  ConstView mask;               ///< optional u8 [rows, 1]; 0 leaves the pair out altogether, also as others' negatives
  ConstView upstream;           ///< optional fp32 [1, 1]
  View gradient_a, gradient_b;  ///< optional, of a's and b's shape and type; may be their memory exactly, not in part
  float scale = 1;              ///< multiplies the gradients (a loss scale)
};

/// Runs InfoNce on a backend, by matrix products and Backend::loss on blocks of rows of the matrix of similarities.
/// Matrix products are outside the promise of equal bits across devices; all else is in canonical order.
///
/// Owns the memory that its passes need; borrows the backend. After the first run with given shapes nothing allocates.
class InfoNceLoss {
 public:
  /// The block of similarities takes at most `budget_bytes`, or one row; what is beside it grows with rows * cols.
  explicit InfoNceLoss(Backend& backend, std::size_t budget_bytes = std::size_t{256} << 20)
      : backend_(&backend), budget_(budget_bytes) {}

  /// Queues value and gradients. `report` (device memory): the outputs of a pair are one for each of its rows that is
  /// an anchor; `nonfinite` counts elements of both gradients.
  void run(const InfoNce& spec, const InfoNceBatch& batch, LossReport* report);

  /// Bytes of device memory that this owns now, and how many of them are the block of similarities.
  std::size_t bytes() const { return rows_.bytes() + block_.bytes(); }
  std::size_t block_bytes() const { return block_.bytes(); }

 private:
  struct Memory;
  struct Direction;
  void compare(const Direction& direction, const Memory& memory);

  Backend* backend_;
  std::size_t budget_;
  Buffer rows_;   ///< everything that grows with the rows
  Buffer block_;  ///< similarities, and then their gradient
};

}  // namespace fuselage
