// The reference of losses over all pairs of rows of a batch: every pair by itself, in double, derivatives by a tape.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/reference/reference.h"

namespace fuselage::reference {

/// Arrays are row-major; those that are empty are not given.
struct PairInput {
  std::int64_t rows = 0, cols = 0;
  std::vector<double> a, b;          ///< [rows, cols]; batch_triplet takes a alone
  std::vector<std::int64_t> labels;  ///< [rows], batch_triplet: rows of one label are alike
  std::vector<double> weight;        ///< [rows], info_nce: of a pair; another than a finite number >= 0 leaves it out
  std::vector<unsigned char> mask;   ///< [rows]; 0 leaves the row, or the pair, out
  double upstream = 1;
};

struct PairOutput {
  double value = 0;
  double term = 0;           ///< the largest term behind the value
  double weight_sum = 0;     ///< what the sum was divided by
  std::int64_t count = 0;    ///< outputs, or triplets
  std::int64_t correct = 0;  ///< triplets that cost nothing
  std::int64_t bad_weights = 0, first_bad_weight_row = -1;
  double logit =
      0;  ///< info_nce: the largest |similarity/T|: so many roundings of itself a logit makes in a probability
  std::vector<double> gradient[2];        ///< by a and b, times upstream
  std::vector<double> gradient_terms[2];  ///< the largest term behind each of their elements
};

/// info_nce: temperature=0.07, symmetric=1, normalise=1, pairs=0 (0 two_sets, 1 one_set), eps=1e-8.
/// batch_triplet: mining=0 (0 hard, 1 all), average=0 (0 all, 1 nonzero), margin=1, squared=0, eps=0.
/// Formulas: include/fuselage/info_nce.h and batch_triplet.h say them in words. std::invalid_argument.
PairOutput pair_loss(std::string_view name, const Options& options, const PairInput& input);

std::vector<std::string> pair_loss_names();

}  // namespace fuselage::reference
