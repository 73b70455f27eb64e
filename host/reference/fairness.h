// The reference of penalties on groups: means of groups and what is made of them, in double, derivatives by duals.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/reference/reference.h"

namespace fuselage::reference {

/// Arrays are row-major; those that are empty are not given.
struct GroupInput {
  std::int64_t rows = 0, cols = 1, groups = 0;
  std::vector<double> prediction;   ///< [rows, cols]: predictions, or the weighted values of rows
  std::vector<std::int64_t> group;  ///< [rows]; rows of others take no part
  std::vector<double> target;       ///< [rows]: labels, or numbers
  std::vector<double> weight;       ///< [rows]
  std::vector<unsigned char> mask;  ///< [rows]
  std::string score = "raw";        ///< logit, probability, softmax or raw
  std::string form = "squared";     ///< or range
  bool class_labels = false;        ///< a target is positive where it is `positive`; else where it is above 1/2
  bool residual = false;            ///< mean_difference
  std::int64_t positive = 1;
  std::vector<double> q;  ///< group_dro
  double upstream = 1;
};

struct GroupOutput {
  double value = 0, term = 0;          ///< and the largest term behind it
  std::vector<double> gradient;        ///< [rows, cols]; for values of rows: the coefficients
  std::vector<double> gradient_terms;  ///< the largest term behind each: in place of m_g - m the greatest score
  std::vector<double> q;               ///< group_dro: the weights after the step
};

/// demographic_parity, equal_opportunity, equalized_odds, mean_difference: strength=1. bounded_group_loss: strength=1,
/// bound=0, mean=0. group_dro: strength=1, step=0.01, worst=0. Formulas: include/fuselage/fairness.h says them in
/// words.
GroupOutput penalty(std::string_view name, const Options& options, const GroupInput& input);

std::vector<std::string> penalty_names();

}  // namespace fuselage::reference
