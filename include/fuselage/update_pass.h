// What the drivers of optimizers share: a group's numbers in plain memory, what a step makes of them, and what happens
// to a parameter and its gradient before the rule. Written once, so the bits are the same on every device.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "fuselage/core/math.h"
#include "fuselage/core/plain.h"
#include "fuselage/gradient_pass.h"
#include "fuselage/optimizers.h"
#include "fuselage/schedules.h"

namespace fuselage {

/// What the device keeps of a group of parameters between steps; device memory, 0 at first.
struct GroupState {
  double lr = 0;                          ///< of the last update
  double memory[optim::kMaxMemory] = {};  ///< what the group's rule keeps: see optim/concepts.h
  schedule::PlateauState plateau;         ///< what its schedule keeps, where observations move it
};

/// A group of parameters: the rule that moves them, its options and its schedule.
struct ParameterGroup {
  OptimizerSpec optimizer;
  ScheduleSpec schedule;
  bool frozen = false;  ///< nothing of its tensors is touched, and its state stays as it is
  double lr() const { return optimizer.lr(); }
};

/// A group's numbers.
struct UpdateGroup {
  Plain<Optimizers> rule;
  PlainSchedule schedule;
  UpdateOptions options;
  bool frozen = false;

  UpdateGroup() = default;
  explicit UpdateGroup(const ParameterGroup& g)
      : rule(g.optimizer.rule), schedule(g.schedule), options(g.optimizer.options), frozen(g.frozen) {}
};

namespace detail {
template <class... R>
constexpr std::size_t greatest_step(Catalogue<R...>) {
  return std::max({sizeof(typename R::Step)...});
}
template <class... R>
constexpr std::array<bool, sizeof...(R)> depends_on_norms(Catalogue<R...>) {
  return {optim::NormRule<R>...};
}
}  // namespace detail

/// Of each rule of the list.
inline constexpr auto kDependsOnNorms = detail::depends_on_norms(Optimizers{});

/// Memory for any rule's scalars.
struct alignas(8) StepBytes {
  unsigned char bytes[detail::greatest_step(Optimizers{})];

  template <class R>
  FUSELAGE_HD typename R::Step& of() {
    return *reinterpret_cast<typename R::Step*>(bytes);
  }
  template <class R>
  FUSELAGE_HD const typename R::Step& of() const {
    return *reinterpret_cast<const typename R::Step*>(bytes);
  }
};

/// What happens before the rule: see UpdateOptions.
struct Regularisation {
  float l1 = 0, l2 = 0;
  float shrink = 0;  ///< lr decay; 1 less it would round the same way in each step
  bool maximize = false;

  /// Each only where it is asked for.
  template <class S>
  FUSELAGE_HD void apply(S& p, S& g) const {
    if (maximize) g = -g;
    if (l2 != 0) g = fma(S(l2), p, g);
    if (l1 != 0) g = fma(S(l1), sign(p), g);
    if (shrink != 0) p = fma(-S(shrink), p, p);
  }
};

/// A group's scalars of one step.
struct PreparedGroup {
  bool apply = false;
  Regularisation regularisation;
  StepBytes step;
};

/// The scalars of step `step` (1-based) of a group, whose state moves on.
FUSELAGE_HD void prepare_group(const UpdateGroup& group, std::int64_t step, GroupState& state, PreparedGroup& out) {
  out.apply = !group.frozen;
  if (!out.apply) return;
  const double factor = group.schedule.factor(step - 1, state.plateau);
  group.rule.visit([&]<class R>(const R& rule) {
    state.lr = rule.lr * factor;
    out.step.template of<R>() = rule.at(step, state.lr, state.memory);
  });
  const UpdateOptions& o = group.options;
  out.regularisation = {static_cast<float>(o.l1), static_cast<float>(o.l2), static_cast<float>(state.lr * o.decay),
                        o.maximize};
}

/// What an observation makes of a group's state.
FUSELAGE_HD void observe_group(const UpdateGroup& group, double value, GroupState& state) {
  if (!group.frozen) group.schedule.observe(value, state.plateau);
}

}  // namespace fuselage
