// Optimizer steps against the reference.
//
// Each step is judged alone: the reference starts from what the backend had before it. The term of a result comes from
// the same rule on the magnitudes of its inputs, where nothing cancels.
#include <fmt/format.h>

#include <cmath>

#include "host/validate/compare.h"

namespace fuselage::validate {
namespace {

using Doubles = std::vector<double>;

Doubles magnitudes(Doubles x) {
  for (double& v : x) v = std::abs(v);
  return x;
}

struct Stepper {
  std::string_view name;
  reference::Options options, plain_options;  // the second without maximize, which only turns signs
  double lr;

  /// State and parameter after step t; `size` receives the same for magnitudes.
  struct Result {
    Doubles p, size_p;
    std::vector<Doubles> state, size_state;
  };
  Result run(std::int64_t t, const Doubles& p, const Doubles& g, const std::vector<Doubles>& state) const {
    Result r{p, magnitudes(p), state, state};
    for (Doubles& s : r.size_state) s = magnitudes(s);
    reference::step(name, options, t, lr, r.p, g, r.state);
    reference::step(name, plain_options, t, lr, r.size_p, magnitudes(g), r.size_state);
    return r;
  }
};

}  // namespace

void compare(const StepProblem& p, const std::vector<StepSolution>& got, Findings& findings) {
  Stepper stepper{Optimizers::name_of(p.optimizer.rule), reference_options(p.optimizer), {}, p.optimizer.lr()};
  stepper.plain_options = stepper.options;
  stepper.plain_options.erase("maximize");
  const auto slots = static_cast<std::size_t>(reference::state_count(stepper.name));
  for (std::size_t k = 0; k < got.size(); ++k) {
    const std::int64_t t = p.steps_before + static_cast<std::int64_t>(k) + 1;
    if (got[k].counters.step != t)
      findings.note(p.text, "step", static_cast<double>(got[k].counters.step), static_cast<double>(t));
    if (got[k].counters.lr != stepper.lr) findings.note(p.text, "lr", got[k].counters.lr, stepper.lr);
    for (std::size_t tensor = 0; tensor < p.parameters.size(); ++tensor) {
      const Doubles old = to_doubles(k == 0 ? p.parameters[tensor] : got[k - 1].parameters[tensor]);
      std::vector<Doubles> state(slots, Doubles(old.size(), 0.0));
      for (std::size_t s = 0; s < slots; ++s) {
        if (k > 0) state[s] = to_doubles(got[k - 1].state[s][tensor]);
        if (k == 0 && !p.state.empty()) state[s] = to_doubles(p.state[s][tensor]);
      }
      const auto expected = stepper.run(t, old, to_doubles(p.gradients[k][tensor]), state);
      const Doubles is = to_doubles(got[k].parameters[tensor]);
      const std::string where = fmt::format("{}, step {}, tensor {}", p.text, k + 1, tensor);
      const DType type = p.parameters[tensor].dtype();
      for (std::size_t i = 0; i < is.size(); ++i) {
        const double moved = std::abs(expected.size_p[i] - std::abs(old[i]));
        const double error = error_in_ulp(type, is[i], expected.p[i], std::max(std::abs(old[i]), moved));
        findings.gradient.see(error, where, static_cast<std::int64_t>(i));
      }
      for (std::size_t s = 0; s < slots; ++s) {
        const Doubles now = to_doubles(got[k].state[s][tensor]);
        for (std::size_t i = 0; i < now.size(); ++i)
          findings.value.see(error_in_ulp(DType::f32, now[i], expected.state[s][i], expected.size_state[s][i]), where,
                             static_cast<std::int64_t>(i));
      }
    }
  }
}

}  // namespace fuselage::validate
