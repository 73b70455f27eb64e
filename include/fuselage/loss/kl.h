// The Kullback-Leibler divergence, element by element.
#pragma once

#include <array>

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// What a prediction of kl is.
enum class KlPrediction { log, probability };
constexpr std::array<std::string_view, 2> names_of(KlPrediction) { return {"log", "probability"}; }

/// Which of the two distributions weighs.
enum class KlOrder { target_prediction, prediction_target };
constexpr std::array<std::string_view, 2> names_of(KlOrder) { return {"target_prediction", "prediction_target"}; }

/// Of a predicted probability q and a target p: p (log p - log q), or in the order prediction_target q (log q - log p).
/// The prediction is log q, as in PyTorch and Optax, or q itself, as in Keras; with log_target the target is log p.
/// What weighs 0 adds 0, whatever the other is. eps > 0 holds what is a probability, not a logarithm, within [eps, 1],
/// with derivative 0 strictly outside (Keras: 1e-7 of both). The divergence of rows of classes is their sum:
/// Reduction::mean_over_batch is PyTorch's "batchmean".
struct Kl {
  static constexpr std::string_view name = "kl";
  static constexpr std::string_view formula = "p (log p - log q), or q (log q - log p): prediction q, target p";
  static constexpr std::string_view summary = "how far a distribution is from another, both orders";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::log_probability, target = Domain::probability;
  bool log_target = false;
  KlPrediction form = KlPrediction::log;
  KlOrder order = KlOrder::target_prediction;
  double eps = 0;
  static void fields(auto&& field) {
    field("log_target", &Kl::log_target, Range{}, "the target is the logarithm of a probability");
    field("prediction", &Kl::form, Range{}, "what the prediction is: the log of a probability, or itself");
    field("order", &Kl::order, Range{}, "whose probability weighs: the first's");
    field("eps", &Kl::eps, Range{0, 1, false, true}, "holds probabilities, not logarithms, within [eps, 1]");
  }
  FUSELAGE_HD Domain target_domain() const { return log_target ? Domain::real : Domain::non_negative; }
  FUSELAGE_HD Domain prediction_domain() const {
    return form == KlPrediction::log ? Domain::log_probability : Domain::probability;
  }

  /// A probability as a product of two: of a small one's logarithm the halves', which are no denormals.
  template <class S>
  struct Weight {
    S first, second;
  };
  template <class S>
  static FUSELAGE_HD Weight<S> exp_of(S x) {
    const auto small = x < S(-60);
    const S e = exp(select(small, x * S(0.5), x));
    return {e, select(small, e, S(1))};
  }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S zero = S(0), one = S(1), low = S(eps);
    const bool logs = form == KlPrediction::log, holds = eps > 0;
    const S held_t = holds ? select(t < low, low, select(t > one, one, t)) : t;
    const S log_p = log_target ? t : log(held_t);
    const auto under = y<low, over = y> one;
    const S held = holds && !logs ? select(under, low, select(over, one, y)) : y;
    const S log_q = logs ? y : log(held), nothing = select(y == y, zero, y);
    S value = nothing, grad = nothing;
    if (order == KlOrder::target_prediction) {
      const Weight<S> p = log_target ? exp_of(t) : Weight<S>{held_t, one};
      const auto weighs = !(p.first == zero);
      value = select(weighs, p.first * (log_p - log_q) * p.second, nothing);
      grad = select(weighs, -((logs ? p.first : p.first / held) * p.second), nothing);
    } else {
      const Weight<S> q = logs ? exp_of(y) : Weight<S>{held, one};
      const S gap = log_q - log_p;
      const auto weighs = !(q.first == zero);
      value = select(weighs, q.first * gap * q.second, nothing);
      grad = select(weighs, logs ? fma(q.first, gap, q.first) * q.second : gap + one, nothing);
    }
    if (holds && !logs) grad = select(under | over, zero, grad);
    return {value, select(value == value, grad, value)};
  }
};

}  // namespace fuselage::loss
