// Validation: every loss and optimizer, on every backend of this machine, against the reference in double.
//
// Three things are judged. Accuracy: the distance from the reference, which is fed with the inputs as they are stored,
// in units in the last place (ulp) of the type that the result is stored in, taken at max(|result|, largest term); a
// term is what the last subtraction of a formula works on, so cancellation is not held against a result. Values, sums
// of weights and error sums are measured in ulp of fp32, the type of the arithmetic. Sameness: all backends give the
// same bits for values, gradients, reports, parameters and state. And where PyTorch has a loss, its worst error on the
// same inputs is stored: ours may not be larger by more than half an ulp, but where a reason stands.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fuselage/core/dtype.h"

namespace fuselage {

struct ValidateOptions {
  /// "cpu": every instruction set of this build and machine, with one and with two threads; "cuda", "cuda:1";
  /// "auto": cpu, and cuda where it is usable.
  std::string device = "auto";
  bool quick = false;                ///< fewer shapes
  std::uint64_t seed = 0;            ///< of the inputs
  std::vector<std::string> names{};  ///< of the losses, penalties and optimizers to look at; empty: all
};

/// The largest errors allowed, in ulp.
struct ErrorBudget {
  double value, gradient;
  std::string_view reason;  ///< why it is wider than usual; empty where it is not
};

/// The budget of a loss whose predictions and gradients are stored as `type`.
ErrorBudget loss_budget(std::string_view loss, DType type);
/// The same for an optimizer: `value` is the state's, `gradient` the parameter's.
ErrorBudget optimizer_budget(std::string_view optimizer, DType type);

/// The same for a loss over pairs of rows, and for a penalty on groups: `value` is the value's, `gradient` theirs.
ErrorBudget pair_budget(std::string_view loss, DType type);
ErrorBudget penalty_budget(std::string_view penalty, DType type);

/// What inputs are like.
enum class Regime : std::uint8_t {
  ordinary,      ///< moderate numbers, with kinks, ends of ranges and wide rows among them
  confident,     ///< predictions that are right but for little: tiny losses
  large_offset,  ///< numbers far from zero: logits of 1e8
  masked_inf,    ///< a third of the logits is -inf
  one_class,     ///< rows of one class
  many_classes,  ///< rows of 2^20 classes
};
inline constexpr Regime kRegimes[] = {Regime::ordinary,   Regime::confident, Regime::large_offset,
                                      Regime::masked_inf, Regime::one_class, Regime::many_classes};
constexpr std::string_view name_of(Regime regime) {
  constexpr std::string_view names[] = {"ordinary",   "confident", "large_offset",
                                        "masked_inf", "one_class", "many_classes"};
  return names[static_cast<int>(regime)];
}

/// The worst errors of a loss in one regime, in ulp.
struct RegimeErrors {
  std::int64_t cases = 0;
  double value_ulp = 0, gradient_ulp = 0;
  /// Those of problems without any option, each output by itself; and of PyTorch on the same inputs, measured once for
  /// seed 0 and stored to three digits. Negative: there are none.
  double plain_value_ulp = -1, plain_gradient_ulp = -1, torch_value_ulp = -1, torch_gradient_ulp = -1;

  /// How much larger ours may be. Of two results that are equally good before it, the last rounding takes one up to
  /// half an ulp further off by chance; what is correctly rounded is never worse.
  static constexpr double kTorchAllowance = 0.5;
  double torch_allowance = kTorchAllowance;
  std::string_view torch_reason{};  ///< why it is more than that
  bool is_worse(double ulp, double torch_ulp) const {
    return torch_ulp >= 0 && !(ulp <= 1.005 * torch_ulp + torch_allowance);  // NaN is worse
  }
  bool is_value_worse() const { return is_worse(plain_value_ulp, torch_value_ulp); }
  bool is_gradient_worse() const { return is_worse(plain_gradient_ulp, torch_gradient_ulp); }
};

/// What was found for one entry of a list with one storage type.
struct ValidationRow {
  std::string family;  ///< "loss", "pairs" (over all pairs of rows), "penalty" or "optimizer"
  std::string name;    ///< of the entry
  DType dtype = DType::f32;
  std::int64_t cases = 0;                       ///< problems that every backend solved
  double value_ulp = 0;                         ///< worst error of values, sums (optimizers: of the state)
  double gradient_ulp = 0;                      ///< worst error of gradients (optimizers: of the parameters)
  std::string worst_value{}, worst_gradient{};  ///< where these were seen
  /// Of losses: the share of gradients (those that are not 0) that are the reference's, correctly rounded to their
  /// type.
  double rounded_share = 1;
  static constexpr double kRoundedShare = 0.999;            ///< the least that is allowed of gradients in bf16 and fp16
  std::array<RegimeErrors, std::size(kRegimes)> regimes{};  ///< of losses, in the order of kRegimes
  ErrorBudget budget{};
  std::string mismatch{};      ///< the first count or non-finite value that is not the reference's; empty: none
  bool same_bits = true;       ///< backends are held to the same bits; else, where vendors multiply matrices, each to
                               ///< the budget
  std::string disagreement{};  ///< the first case in which two backends differ, and in what; empty: none

  bool agrees() const { return disagreement.empty(); }
  bool is_rounded() const { return family != "loss" || dtype == DType::f32 || rounded_share >= kRoundedShare; }
  /// In no regime worse than PyTorch, where something is stored of it.
  bool is_no_worse_than_torch() const {
    return std::none_of(regimes.begin(), regimes.end(),
                        [](const RegimeErrors& e) { return e.is_value_worse() || e.is_gradient_worse(); });
  }
  /// NaN is a failure, not a small error.
  bool passed() const {
    return value_ulp <= budget.value && gradient_ulp <= budget.gradient && is_rounded() && mismatch.empty() &&
           agrees() && is_no_worse_than_torch();
  }
};

struct ValidationReport {
  std::vector<std::string> backends;  ///< as "cpu avx2 x2", "cuda"
  std::vector<ValidationRow> rows;
  double seconds = 0;

  bool passed() const;
};

/// Throws Error(no_device) for a device that is not there, Error(unknown_name) for a name that neither list has.
ValidationReport run_validation(const ValidateOptions& options = {});

/// A definition's derivative compared with differences of its own value, both in double.
struct DerivativeCheck {
  std::string loss;         ///< its text form
  std::int64_t points = 0;  ///< where it was compared
  std::int64_t wrong = 0;   ///< points whose derivative lies outside the two one-sided differences
  std::string first_wrong{};
  bool passed() const { return points > 0 && wrong == 0; }
};

/// Every loss, with its defaults and with each field changed.
std::vector<DerivativeCheck> check_derivatives();

}  // namespace fuselage
