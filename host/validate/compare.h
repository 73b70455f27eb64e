// Comparison with the reference, and of backends with each other.
#pragma once

#include <string>

#include "host/validate/problem.h"

namespace fuselage::validate {

/// One unit in the last place of `type` at x: the distance of neighbours around |x|, that of denormals near 0.
double ulp_at(DType type, double x);

/// |got - expected| in ulp of `type` at max(|expected|, term). NaN for NaN, and infinity for what is too large for the
/// type, are right; otherwise a result or expectation that is not finite is infinitely wrong.
double error_in_ulp(DType type, double got, double expected, double term = 0);

/// The worst error of a kind, and where.
struct Worst {
  double ulp = 0;
  std::string where;
  void see(double error, const std::string& text, std::int64_t index = -1);
};

/// What comparisons have found so far.
struct Findings {
  Worst value, gradient;
  std::int64_t gradients = 0;          ///< elements whose derivative is neither 0 nor flushed to it
  std::int64_t rounded_gradients = 0;  ///< those that are the reference's, correctly rounded to their type
  std::string mismatch;
  void add(const Findings& other) {
    if (!(other.value.ulp <= value.ulp)) value = other.value;  // NaN passes on
    if (!(other.gradient.ulp <= gradient.ulp)) gradient = other.gradient;
    gradients += other.gradients;
    rounded_gradients += other.rounded_gradients;
    if (mismatch.empty()) mismatch = other.mismatch;
  }
  void note(const std::string& text, std::string_view what, double got, double expected);
};

/// Judges a solution by the reference's.
void compare(const LossProblem& problem, const reference::LossOutput& expected, const LossSolution& got,
             Findings& findings);

/// Judges each step by the reference, which is given what stood before that step.
void compare(const StepProblem& problem, const std::vector<StepSolution>& got, Findings& findings);

/// What differs between two solutions of the same problem, by bits; empty: nothing.
std::string difference(const LossSolution& a, const LossSolution& b);
std::string difference(const std::vector<StepSolution>& a, const std::vector<StepSolution>& b);

}  // namespace fuselage::validate
