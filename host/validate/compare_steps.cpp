// Optimizer steps against the reference.
//
// Each step is judged alone: the reference starts from what the backend had before it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/validate/compare.h"

namespace fuselage::validate {
namespace {

using Doubles = std::vector<double>;

constexpr double kOfFloats = 0x1p-22;  ///< of a number made of gradients that options have rounded to fp32

/// A tensor before or after a step.
struct Tensor {
  Doubles p, g;
  std::vector<Doubles> state;
  reference::Memory memory;
};

/// A step, and what an ulp more or less in each gradient and in each state makes of it: next to a change of sign one
/// of the two shows that the step jumps there.
struct Expected {
  Tensor result;
  Tensor of_nudged_p[2];
  std::vector<Tensor> nudged[2];

  Expected(std::string_view rule, const reference::Options& options, std::int64_t t, double lr, const Tensor& before)
      : result(before) {
    const auto move = [&](Tensor& x) { reference::step(rule, options, t, lr, x.p, x.g, x.state, x.memory); };
    move(result);
    for (const int way : {0, 1}) {
      const auto nudge = [&](Doubles& x) {
        for (double& v : x)
          if (v != 0) v += (way ? 1 : -1) * ulp_at(DType::f32, v);  // next to 0 a sign would turn
      };
      of_nudged_p[way] = before;
      nudge(of_nudged_p[way].p);
      nudged[way].assign(1 + before.state.size(), before);
      nudge(nudged[way][0].g);
      for (std::size_t s = 0; s < before.state.size(); ++s) nudge(nudged[way][1 + s].state[s]);
      move(of_nudged_p[way]);
      for (Tensor& x : nudged[way]) move(x);
    }
  }
  /// The unit of an error in pick(result)[i]: an ulp of the largest of its operands, and what an ulp in each input is
  /// worth, so that a formula that cancels is asked for no more than its inputs hold.
  /// The parameter itself is such an input of the state alone.
  template <class Pick>
  double unit(DType type, double old, std::size_t i, bool state, const Pick& pick) const {
    const double now = pick(result)[i];
    double unit = ulp_at(type, std::max({std::abs(old), std::abs(now), std::abs(now - old)}));
    const auto add = [&](const Tensor& less, const Tensor& more) {
      const double moved = std::max(std::abs(pick(less)[i] - now), std::abs(pick(more)[i] - now));
      if (std::isfinite(moved)) unit += moved;
    };
    if (state) add(of_nudged_p[0], of_nudged_p[1]);
    for (std::size_t k = 0; k < nudged[0].size(); ++k) add(nudged[0][k], nudged[1][k]);
    return unit;
  }
};

/// A number kept in double.
void see_kept(const StepProblem& p, const char* what, double got, double expected, double tolerance,
              Findings& findings) {
  if (!(std::abs(got - expected) <= tolerance * std::abs(expected))) findings.note(p.text, what, got, expected);
}

}  // namespace

void compare(const StepProblem& p, const std::vector<StepSolution>& got, Findings& findings) {
  const std::string_view rule = Optimizers::name_of(p.optimizer.rule);
  const reference::Options options = reference_options(p.optimizer);
  const auto slots = static_cast<std::size_t>(reference::state_count(rule));
  for (std::size_t k = 0; k < got.size(); ++k) {
    const std::int64_t t = p.steps_before + static_cast<std::int64_t>(k) + 1;
    if (got[k].counters.step != t)
      findings.note(p.text, "step", static_cast<double>(got[k].counters.step), static_cast<double>(t));
    const GroupState& group = k == 0 ? p.group : got[k - 1].group;
    const double lr = p.optimizer.lr() * reference_factor(p.schedule, t - 1, group.plateau);
    if (!(std::abs(got[k].counters.lr - lr) <= 0x1p-46 * std::max(p.optimizer.lr(), lr)))
      findings.note(p.text, "lr", got[k].counters.lr, lr);
    for (std::size_t tensor = 0; tensor < p.parameters.size(); ++tensor) {
      Tensor before{to_doubles(k == 0 ? p.parameters[tensor] : got[k - 1].parameters[tensor]),
                    to_doubles(p.gradients[k][tensor]),
                    {},
                    {}};
      for (std::size_t s = 0; s < slots; ++s) {
        if (k > 0)
          before.state.push_back(to_doubles(got[k - 1].state[s][tensor]));
        else
          before.state.push_back(p.state.empty() ? Doubles(before.p.size(), 0.0) : to_doubles(p.state[s][tensor]));
        // A state that the rule does not use is not kept.
        if (!(slots_used_by(p.optimizer.rule) >> s & 1)) before.state.back().assign(before.p.size(), 0.0);
      }
      std::copy(std::begin(group.memory), std::end(group.memory), before.memory.group);
      const bool keeps = keeps_a_number(p.optimizer.rule) && !before.p.empty();
      if (keeps) before.memory.tensor = k > 0 ? got[k - 1].kept[tensor] : p.kept.empty() ? 0 : p.kept[tensor];
      const Expected expected(rule, options, t, lr, before);
      const std::string where = fmt::format("{}, step {}, tensor {}", p.text, k + 1, tensor);
      const DType type = p.parameters[tensor].dtype();
      const auto judge = [&](Worst& worst, DType of, const Array& array, bool state, const auto& pick) {
        const Doubles now = to_doubles(array);
        for (std::size_t i = 0; i < now.size(); ++i) {
          const double wanted = pick(expected.result)[i], unit = expected.unit(of, pick(before)[i], i, state, pick);
          const bool finite = std::isfinite(now[i]) && std::isfinite(wanted);
          const double error = finite ? std::abs(now[i] - wanted) / unit : error_in_ulp(of, now[i], wanted);
          worst.see(error, where, static_cast<std::int64_t>(i));
        }
      };
      judge(findings.gradient, type, got[k].parameters[tensor], false,
            [](const Tensor& x) -> const Doubles& { return x.p; });
      for (std::size_t s = 0; s < slots; ++s)
        judge(findings.value, DType::f32, got[k].state[s][tensor], true,
              [s](const Tensor& x) -> const Doubles& { return x.state[s]; });
      if (keeps)
        see_kept(p, "the tensor's number", got[k].kept[tensor], expected.result.memory.tensor, kOfFloats, findings);
      if (tensor > 0) continue;
      for (std::size_t m = 0; m < optim::kMaxMemory; ++m)
        see_kept(p, "the group's number", got[k].group.memory[m], expected.result.memory.group[m], 0x1p-40, findings);
    }
  }
}

}  // namespace fuselage::validate
