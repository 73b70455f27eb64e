// The update rules one by one, each as its paper or the library named in reference.h has it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "host/reference/options.h"
#include "host/reference/reference.h"

namespace fuselage::reference {

/// A tensor and what a rule keeps for it, at a step.
struct Tensor {
  double t, lr;  ///< the step, from 1
  std::vector<double>& p;
  const std::vector<double>& g;
  std::vector<std::vector<double>>& state;
  Memory& memory;
};

/// Moves a tensor by one step.
using UpdateRule = std::function<void(const Tensor&)>;

/// A parameter, its gradient, and its state values.
struct Element {
  double t, lr;
  double& p;
  double g;
  std::vector<std::vector<double>>& state;
  std::size_t at;

  double& slot(std::size_t k) const { return state[k][at]; }
};

/// The rule that does f(Element) to every parameter.
template <class F>
UpdateRule for_each_element(F f) {
  return [f](const Tensor& x) {
    for (std::size_t i = 0; i < x.p.size(); ++i) f(Element{x.t, x.lr, x.p[i], x.g[i], x.state, i});
  };
}

/// -1, 0 or 1.
inline double sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

// Each reads its options and gives the rule.
UpdateRule make_sgd(OptionReader& reader);
UpdateRule make_signsgd(OptionReader& reader);
UpdateRule make_lion(OptionReader& reader);
UpdateRule make_schedule_free_sgd(OptionReader& reader);
UpdateRule make_schedule_free_adamw(OptionReader& reader);
UpdateRule make_adam(OptionReader& reader);
UpdateRule make_adamw(OptionReader& reader);
UpdateRule make_amsgrad(OptionReader& reader);
UpdateRule make_adamax(OptionReader& reader);
UpdateRule make_nadam(OptionReader& reader);
UpdateRule make_radam(OptionReader& reader);
UpdateRule make_adabelief(OptionReader& reader);
UpdateRule make_yogi(OptionReader& reader);
UpdateRule make_adan(OptionReader& reader);
UpdateRule make_ademamix(OptionReader& reader);
UpdateRule make_adagrad(OptionReader& reader);
UpdateRule make_adadelta(OptionReader& reader);
UpdateRule make_rmsprop(OptionReader& reader);
UpdateRule make_rprop(OptionReader& reader);
UpdateRule make_lamb(OptionReader& reader);
UpdateRule make_lars(OptionReader& reader);
UpdateRule make_novograd(OptionReader& reader);

}  // namespace fuselage::reference
