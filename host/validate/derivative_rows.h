// A loss of rows in double, straight from its own steps: what its derivative is compared with differences of.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "fuselage/loss/traits.h"
#include "fuselage/row_pass.h"
#include "host/validate/derivative.h"

namespace fuselage::validate {

/// The inputs of one row.
struct PlainRow {
  std::vector<double> x[kRowInputs];
  std::vector<double> target;  ///< of labels: 1 for the label's class
  RowFacts facts;              ///< label, single and second are set
};

/// Value and derivatives of a row, as loss/row.h has it but for the order of its sums.
template <class L>
class RowInDouble {
 public:
  explicit RowInDouble(const L& loss) : loss_(loss) {}

  double operator()(PlainRow& row, std::vector<double>* gradients = nullptr) {
    const std::size_t n = row.x[0].size();
    facts_ = row.facts;
    facts_.cols = static_cast<std::int64_t>(n);
    if (facts_.label >= 0) facts_.label_x = row.x[0][static_cast<std::size_t>(facts_.label)];
    elements_.assign(n, {});
    for (std::size_t c = 0; c < n; ++c) {
      for (int k = 0; k < kRowInputs; ++k) elements_[c].x[k] = row.x[k].empty() ? 0 : row.x[k][c];
      elements_[c].t = row.target.empty() ? 0 : row.target[c];
      elements_[c].w = 1;
    }
    if constexpr (L::row.softmax) set_probabilities();
    if constexpr (L::row.most) set_most();
    std::fill(std::begin(k_), std::end(k_), 0);
    row_start(loss_, facts_, k_);
    sweep<0>();
    sweep<1>();
    if (gradients) {
      for (int k = 0; k < kRowInputs; ++k) gradients[k].assign(n, 0);
      for (std::size_t c = 0; c < n; ++c) {
        double g[kRowInputs] = {};
        loss_.gradient(elements_[c], k_, g);
        for (int k = 0; k < kRowInputs; ++k) gradients[k][c] = g[k];
      }
    }
    return loss_.value(facts_, k_);
  }

 private:
  void set_probabilities() {
    double max = -std::numeric_limits<double>::infinity(), sum = 0;
    for (const auto& e : elements_) max = std::max(max, e.x[0]);
    for (const auto& e : elements_) sum += std::exp(e.x[0] - max);
    facts_.log_sum = max + std::log(sum);
    for (auto& e : elements_) {
      e.log_p = (e.x[0] - max) - std::log(sum);
      e.p = std::exp(e.log_p);
      e.rest = -std::expm1(e.log_p);
    }
  }
  void set_most() {
    facts_.most = -std::numeric_limits<double>::infinity();
    for (std::size_t c = 0; c < elements_.size(); ++c) {
      const double ranked = loss_.ranked(elements_[c]);
      if (!(ranked > facts_.most)) continue;
      facts_.most = ranked;
      facts_.most_at = static_cast<std::int64_t>(c);
    }
    if (facts_.most_at >= 0) elements_[static_cast<std::size_t>(facts_.most_at)].most = 1;
  }
  template <int kSweep>
  void sweep() {
    if constexpr (kSweep < L::row.sweeps) {
      double sums[kRowSums] = {};
      for (const auto& e : elements_) {
        double terms[kRowSums] = {};
        loss_.template terms<kSweep>(e, k_, terms);
        for (int i = 0; i < L::row.sums[kSweep]; ++i) sums[i] += terms[i];
      }
      row_gather<kSweep>(loss_, facts_, sums, k_);
    }
  }

  L loss_;
  RowFacts facts_;
  std::vector<RowElement<double>> elements_;
  double k_[kRowCoefficients] = {};
};

/// Checks rows of five columns: of labels each label, of targets some, moved along each input in turn. `evaluate` gives
/// a row's value and, where they are asked for, its derivatives.
DerivativeCheck check_rows(const std::string& text, const LossTraits& traits,
                           const std::function<double(PlainRow&, std::vector<double>* gradients)>& evaluate);

template <class L>
DerivativeCheck check_rows(const L& loss, const std::string& text) {
  RowInDouble<L> evaluate(loss);
  return check_rows(text, traits_of<L>(),
                    [&](PlainRow& row, std::vector<double>* gradients) { return evaluate(row, gradients); });
}

}  // namespace fuselage::validate
