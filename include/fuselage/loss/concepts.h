// What a loss is. A pointwise loss maps a prediction and a target to a value and its derivative, or two predictions and
// a target to a value and two derivatives; a row loss looks at a whole row of predictions (row.h, and
// softmax_cross_entropy.h). Everything that all losses share (weights, masks, reductions ...) is done by the drivers.
#pragma once

#include <concepts>
#include <string_view>

#include "fuselage/core/hd.h"

namespace fuselage {

/// A loss and its derivative by the prediction.
template <class S>
struct ValueGrad {
  S value, grad;
};

/// A loss of two predictions and its derivatives by them.
template <class S>
struct ValueGrads {
  S value, grad, second;
};

/// How a prediction is read as a decision, for accuracy.
enum class Decision {
  none,         ///< the loss has no classes
  probability,  ///< yes above 1/2; targets yes above 1/2
  logit,        ///< yes above 0; targets yes above 1/2
  sign,         ///< yes above 0; targets yes above 0
};

/// What else of a batch a loss looks at beside prediction and target.
struct Inputs {
  /// What messages call the prediction, and LossBatch::second and third; empty: the loss has none.
  std::string_view prediction = "prediction", second = {}, third = {};
  bool second_has_gradient = true;  ///< a constant otherwise, such as the return of an action
  constexpr int count() const { return 1 + !second.empty() + !third.empty(); }
};

/// The largest errors of a loss in ulp of fp32, at max(|result|, largest term); bf16 and fp16 gradients are within 1
/// ulp of theirs. A definition whose budget is wider than this says so: `static constexpr Budget budget`.
struct Budget {
  double value = 4, gradient = 4;
  std::string_view reason = {};  ///< why it is wider
};

/// What numbers a loss is made for. Nothing is refused: outside its domain a loss gives what its formula gives there,
/// which may be NaN.
enum class Domain {
  real,
  non_negative,     ///< 0 and more
  positive,         ///< more than 0
  probability,      ///< 0 to 1
  logit,            ///< any real: log-odds
  log_mean,         ///< any real: the logarithm of a mean
  log_probability,  ///< 0 and less
  score,            ///< any real, whose sign decides
  sign,             ///< -1 or 1
  count,            ///< 0, 1, 2 ...
};

/// "non_negative" and so on.
constexpr std::string_view name_of(Domain domain) {
  switch (domain) {
    case Domain::real: return "real";
    case Domain::non_negative: return "non_negative";
    case Domain::positive: return "positive";
    case Domain::probability: return "probability";
    case Domain::logit: return "logit";
    case Domain::log_mean: return "log_mean";
    case Domain::log_probability: return "log_probability";
    case Domain::score: return "score";
    case Domain::sign: return "sign";
    case Domain::count: return "count";
  }
  return "";
}

namespace loss {

/// `l(y, t)` gives {value, derivative by y}, for every scalar of core/scalar.h.
template <class L>
concept Pointwise = requires(const L l, float f) {
  { l(f, f) } -> std::same_as<ValueGrad<float>>;
  { L::decision } -> std::convertible_to<Decision>;
  { L::prediction } -> std::convertible_to<Domain>;
  { L::target } -> std::convertible_to<Domain>;
  { L::name } -> std::convertible_to<std::string_view>;
};

/// `l(y, z, t)` gives {value, derivative by y, derivative by z}: z is LossBatch::second, of the prediction's shape;
/// `L::inputs` names both.
template <class L>
concept PointwisePair = requires(const L l, float f) {
  { l(f, f, f) } -> std::same_as<ValueGrads<float>>;
  { L::decision } -> std::convertible_to<Decision>;
  { L::prediction } -> std::convertible_to<Domain>;
  { L::second } -> std::convertible_to<Domain>;
  { L::target } -> std::convertible_to<Domain>;
  { L::inputs } -> std::convertible_to<Inputs>;
  { L::name } -> std::convertible_to<std::string_view>;
};

/// One of the two: outputs are elements.
template <class L>
concept Elementwise = Pointwise<L> || PointwisePair<L>;

/// Softmax cross-entropy, which has a driver of its own; see softmax_cross_entropy.h.
template <class L>
concept SoftmaxRow = requires {
  typename L::is_row_loss;
};

/// Whether the value is the square root of the reduced sum, as in rmse.
template <class L>
constexpr bool takes_root() {
  if constexpr (requires { L::root; })
    return L::root;
  else
    return false;
}

/// The budget that L states, or the common one.
template <class L>
constexpr Budget budget_of() {
  if constexpr (requires { L::budget; })
    return L::budget;
  else
    return {};
}

/// The inputs that L names, one prediction where it names none.
template <class L>
constexpr Inputs inputs_of() {
  if constexpr (requires { L::inputs; })
    return L::inputs;
  else
    return {};
}

}  // namespace loss
}  // namespace fuselage
