// What an update rule is: a scalar recurrence on one parameter, its gradient and its state. The driver owns memory,
// tensors, regularisation, the schedule, the step counter and the skipped step.
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

#include "fuselage/core/hd.h"

namespace fuselage::optim {

/// The most state values that any rule keeps for a parameter.
inline constexpr int kMaxSlots = 2;

/// `at(t, lr)` gives the scalars of step t (1-based) at learning rate lr, computed in double and rounded once;
/// `update` is the recurrence: it moves p and the `slots` state values. State starts as +0.
template <class R>
concept Rule = requires(const R rule, float p, float g, float (&state)[kMaxSlots]) {
  { R::name } -> std::convertible_to<std::string_view>;
  { R::slots } -> std::convertible_to<int>;
  { rule.lr } -> std::convertible_to<double>;
  R::update(rule.at(std::int64_t{1}, 0.1), p, g, state);
};

}  // namespace fuselage::optim
