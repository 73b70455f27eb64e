// What an update rule is: a scalar recurrence on one parameter, its gradient and its state. The driver owns memory,
// tensors, regularisation, the schedule, the step counter and the skipped step.
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

#include "fuselage/core/hd.h"

namespace fuselage::optim {

/// The most state values that any rule keeps for a parameter.
inline constexpr int kMaxSlots = 4;

/// The most numbers that a rule keeps from step to step for a whole group: products or sums over the steps.
inline constexpr int kMaxMemory = 2;

/// `at(t, lr, memory)` gives the scalars of step t (1-based) at learning rate lr, computed in double and rounded once;
/// `memory` is what the rule keeps for the group, 0 at first. `update` is the recurrence: it moves p and the `slots`
/// state values, which start as +0.
template <class R>
concept Rule = requires(const R rule, float p, float g, float (&state)[kMaxSlots], double (&memory)[kMaxMemory]) {
  { R::name } -> std::convertible_to<std::string_view>;
  { R::slots } -> std::convertible_to<int>;
  { rule.lr } -> std::convertible_to<double>;
  R::update(rule.at(std::int64_t{1}, 0.1, memory), p, g, state);
};

/// A rule whose step depends on norms of the whole tensor. `measured` is what is measured beside p, before anything is
/// moved; `fit` puts the sums of squares of both into a tensor's own copy of the step; a rule with keeps_a_number also
/// moves the number that it keeps for the tensor, 0 at first.
template <class R>
concept NormRule = Rule<R> &&
    requires(typename R::Step step, float p, float g, const float (&state)[kMaxSlots], double kept) {
  { R::measured(step, p, g, state) } -> std::same_as<float>;
  R::fit(step, 1.0, 1.0, kept);
};

/// Whether a rule keeps a number for each tensor.
template <class R>
inline constexpr bool kKeepsANumber = requires {
  R::keeps_a_number;
};

/// Whether a rule keeps numbers for a group.
template <class R>
inline constexpr bool kHasMemory = requires {
  R::has_memory;
};

/// Which of its state values a rule moves with the fields as they are: bit k for value k. The others stay 0, and need
/// no memory.
template <class R>
FUSELAGE_HD unsigned slots_in_use(const R& rule) {
  if constexpr (requires { rule.in_use(); })
    return rule.in_use();
  else
    return (1u << R::slots) - 1;
}

}  // namespace fuselage::optim
