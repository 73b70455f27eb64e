// A loss of the user's own as the drivers want it: what it leaves out has defaults, and its derivative comes from dual
// numbers where it gives the value alone. See custom_loss.h.
#pragma once

#include <type_traits>

#include "fuselage/core/dual.h"
#include "fuselage/core/lanes.h"
#include "fuselage/loss/traits.h"

namespace fuselage {

namespace detail {

/// What the call of L gives for predictions and targets that are scalars of class type. A float would do, but for one
/// that is passed by a name like exp, which outside of namespace fuselage could be the C library's.
template <class L, class S>
concept GivesValue = requires(const L l, S s) {
  { l(s, s) } -> std::same_as<S>;
};
template <class L, class S>
concept GivesGradient = requires(const L l, S s) {
  { l(s, s) } -> std::same_as<ValueGrad<S>>;
};
template <class L, class S>
concept GivesValueOfPair = requires(const L l, S s) {
  { l(s, s, s) } -> std::same_as<S>;
};
template <class L, class S>
concept GivesGradientsOfPair = requires(const L l, S s) {
  { l(s, s, s) } -> std::same_as<ValueGrads<S>>;
};
template <class L>
concept OwnOfPair = GivesValueOfPair<L, Lanes<1>> || GivesGradientsOfPair<L, Lanes<1>>;
template <class L>
concept OwnElementwise = OwnOfPair<L> || GivesValue<L, Lanes<1>> || GivesGradient<L, Lanes<1>>;

/// Whether a member of type M states a T: a field of that name says nothing.
template <class M, class T>
concept Constant = std::is_same_v<M, const T>;

/// `L::member` where L has it as a constant.
template <class L>
constexpr std::string_view own_name() {
  if constexpr (requires { requires Constant<decltype(L::name), std::string_view>; })
    return L::name;
  else
    return "custom";
}
template <class L>
constexpr Decision own_decision() {
  if constexpr (requires { requires Constant<decltype(L::decision), Decision>; })
    return L::decision;
  else
    return Decision::none;
}
template <class L>
constexpr Domain own_prediction() {
  if constexpr (requires { requires Constant<decltype(L::prediction), Domain>; })
    return L::prediction;
  else
    return Domain::real;
}
template <class L>
constexpr Domain own_target() {
  if constexpr (requires { requires Constant<decltype(L::target), Domain>; })
    return L::target;
  else
    return Domain::real;
}
template <class L>
constexpr bool own_root() {
  if constexpr (requires { requires Constant<decltype(L::root), bool>; })
    return L::root;
  else
    return false;
}
template <class L>
constexpr Inputs own_inputs() {
  if constexpr (requires { requires Constant<decltype(L::inputs), Inputs>; })
    return L::inputs;
  else if constexpr (OwnOfPair<L>)
    return {"prediction", "second"};
  else
    return {};
}

/// A name for L without an object of it.
template <class L>
struct Type {};

}  // namespace detail

/// L with everything that a pointwise loss states.
template <class L>
struct OwnLoss {
  L loss;

  static constexpr std::string_view name = detail::own_name<L>();
  static constexpr Decision decision = detail::own_decision<L>();
  static constexpr Domain prediction = detail::own_prediction<L>(), second = Domain::real,
                          target = detail::own_target<L>();
  static constexpr Inputs inputs = detail::own_inputs<L>();
  static constexpr bool root = detail::own_root<L>();

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const requires(!detail::OwnOfPair<L>) {
    if constexpr (detail::GivesValue<L, Lanes<1>>) {
      const Dual<S> out = loss(variable(y), constant(t));
      return {out.value, out.slope};
    } else if constexpr (std::is_same_v<S, float>) {
      const ValueGrad<Lanes<1>> out = loss(Lanes<1>(y), Lanes<1>(t));
      return {out.value.raw, out.grad.raw};
    } else {
      return loss(y, t);
    }
  }

  template <class S>
  FUSELAGE_HD ValueGrads<S> operator()(S y, S z, S t) const requires(detail::OwnOfPair<L>) {
    if constexpr (detail::GivesValueOfPair<L, Lanes<1>>) {
      const Dual<S> by_y = loss(variable(y), constant(z), constant(t));
      const Dual<S> by_z = loss(constant(y), variable(z), constant(t));
      return {by_y.value, by_y.slope, by_z.slope};
    } else if constexpr (std::is_same_v<S, float>) {
      const ValueGrads<Lanes<1>> out = loss(Lanes<1>(y), Lanes<1>(z), Lanes<1>(t));
      return {out.value.raw, out.grad.raw, out.second.raw};
    } else {
      return loss(y, z, t);
    }
  }
};

}  // namespace fuselage
