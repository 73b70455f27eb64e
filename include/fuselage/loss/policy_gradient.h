// The policy gradient loss of actions and their returns.
#pragma once

#include <array>
#include <optional>

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/row.h"

namespace fuselage::loss {

enum class PolicyForm : std::uint8_t { logits, log_probabilities, scores };
constexpr std::array<std::string_view, 3> names_of(PolicyForm) { return {"logits", "log_probabilities", "scores"}; }

/// For a row x with the action a (a label) and its return R (`returns`, a constant): -R log p_a - entropy H(p), where
/// log p is log softmax(x) (logits), x itself (log_probabilities), or, of the action alone, x_a (scores: whatever
/// stands for log p_a, without an entropy). H = -sum p log p, p = e^x for log-probabilities, which nothing normalises.
/// The class weight of the action multiplies R. Derivatives: logits R (p_c - [c = a]) + entropy p_c (log p_c + H);
/// log_probabilities -R [c = a] + entropy p_c (log p_c + 1); scores -R [c = a]. p = 0 has no part in H. With R > 0 the
/// action becomes more likely. Williams, Machine Learning 8 (1992).
struct PolicyGradient {
  static constexpr std::string_view name = "policy_gradient";
  static constexpr std::string_view formula = "-R log p_a - entropy H(p)";
  static constexpr std::string_view summary = "REINFORCE: actions and the returns that followed them";
  static constexpr Domain prediction = Domain::logit, target = Domain::real;
  static constexpr Inputs inputs{.second = "returns", .second_has_gradient = false};
  static constexpr Budget budget{6, 8, "p, log p and the entropy are rounded before they are multiplied"};
  static constexpr RowShape row{.target = RowTarget::labels, .softmax = true, .sums = {2, 0}, .row_second = true};
  PolicyForm form = PolicyForm::logits;
  double entropy = 0;
  std::optional<std::int64_t> ignore_index;
  static void fields(auto&& field) {
    field("form", &PolicyGradient::form, Range{}, "what a row holds");
    field("entropy", &PolicyGradient::entropy, kNonNegative, "reward of a policy that tries everything");
    field("ignore_index", &PolicyGradient::ignore_index, Range{}, "rows with this label are left out");
  }
  void check() const {
    require(form != PolicyForm::scores || entropy == 0, Errc::bad_argument,
            "policy_gradient: scores have no entropy; entropy must be 0");
  }

  template <class S>
  FUSELAGE_HD S log_p(const RowElement<S>& e) const {
    return form == PolicyForm::logits ? e.log_p : e.x[0];
  }
  template <class S>
  FUSELAGE_HD S p(const RowElement<S>& e) const {
    return form == PolicyForm::logits ? e.p : form == PolicyForm::scores ? S(0) : exp(e.x[0]);
  }

  /// k: w_a R, entropy, H of a softmax or 1, value
  FUSELAGE_HD void start(const RowFacts& facts, double* k) const {
    k[0] = facts.label_weight * facts.second;
    k[1] = entropy;
  }
  template <int sweep, class S>
  FUSELAGE_HD void terms(const RowElement<S>& e, const S*, S* out) const {
    const S l = log_p(e), q = p(e), zero = S(0);
    out[0] = select(e.t > zero, l, zero);
    out[1] = select(q == zero, zero, q * l);
  }
  template <int sweep>
  FUSELAGE_HD void gather(const RowFacts&, const double* sums, double* k) const {
    k[2] = form == PolicyForm::logits ? -sums[1] : 1;
    k[3] = -k[0] * sums[0];
    if (entropy > 0) k[3] = k[3] + entropy * sums[1];
  }
  FUSELAGE_HD double value(const RowFacts&, const double* k) const { return k[3]; }
  FUSELAGE_HD double confidence(const RowFacts& facts, const double*, double x) const {
    return form == PolicyForm::logits ? 1 / (1 + facts.odds) : exp(x);
  }
  bool has_probabilities() const { return form != PolicyForm::scores; }
  template <class S>
  FUSELAGE_HD void gradient(const RowElement<S>& e, const S* k, S* g) const {
    const S q = p(e), zero = S(0);
    const S others = form == PolicyForm::logits ? k[0] * q : zero;
    const S action = form == PolicyForm::logits ? -(k[0] * e.rest) : -k[0];
    const S pull = select(e.t > zero, action, others);
    g[0] = entropy > 0 ? pull + select(q == zero, zero, k[1] * (q * (log_p(e) + k[2]))) : pull;
  }
};

}  // namespace fuselage::loss
