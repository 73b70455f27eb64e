// The reference: every loss, update rule, schedule and activation straight from its textbook formula, in double, with
// derivatives by dual numbers. It knows nothing of the code that it judges: the standard library and its own files
// only.
//
// All errors are std::invalid_argument and leave the arguments as they were.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace fuselage::reference {

/// Hyperparameters by name. A missing key takes its default, an unknown key is an error. Flags are 0 or 1.
using Options = std::map<std::string, double>;

/// The arguments of a loss. Arrays are row-major; y is the prediction and t the target.
struct LossInput {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::vector<double> prediction;    ///< [rows, cols]
  std::vector<double> target;        ///< [rows, cols], or empty (a row loss with labels)
  std::vector<std::int64_t> labels;  ///< [rows], or empty
  std::vector<double> weight;        ///< empty, [rows], or [rows, cols] (pointwise losses)
  std::vector<unsigned char> mask;   ///< likewise; 1 counts, 0 is left out altogether
  std::vector<double> class_weight;  ///< empty or [cols], row losses
  std::string reduction = "mean";    ///< none sum mean mean_over_batch
  std::vector<double> upstream;      ///< empty (1), one value, or with `none` one for each output
};

/// What a loss gives. "Counts": neither masked, nor ignored, nor bad.
struct LossOutput {
  double value = 0;                 ///< the reduced value; 0 with `none`
  double weight_sum = 0;            ///< sum of the weights of what counts (hard labels: times class_weight[label])
  std::int64_t count = 0;           ///< elements (pointwise) or rows (row losses) that count
  std::int64_t bad_labels = 0;      ///< labels outside [0, cols), NaN targets (row losses: rows that have one)
  std::int64_t first_bad_row = -1;  ///< row of the first of them, or -1
  std::int64_t nonfinite = 0;       ///< gradient elements that are NaN or infinite
  std::vector<double> values;       ///< with `none`: [rows, cols] (pointwise) or [rows]; else empty
  std::vector<double> gradient;     ///< [rows, cols]: d(reduced value)/d(prediction) times upstream
  double accuracy_correct = 0;      ///< how many count and are right (see loss())
  double top_k_correct = 0;         ///< row losses: how many have the label among the top k
  double abs_error_sum = 0;         ///< pointwise: sum of |y - t| over what counts, unweighted
  double squared_error_sum = 0;     ///< pointwise: sum of (y - t)^2 likewise
};

/// Evaluates a loss and its gradient.
///
/// Pointwise, for every element (d = y - t):
///   mse               d^2
///   mae               |d|, derivative 0 at 0
///   huber             delta=1 (> 0): d^2/2 where |d| <= delta, else delta (|d| - delta/2)
///   smooth_l1         beta=1 (>= 0): d^2/(2 beta) where |d| < beta, else |d| - beta/2
///   bce               clip=0 in [0, 0.5): -(t L(p) + (1-t) L(1-p)), p = y, for clip > 0 clipped to [clip, 1-clip]
///                     (derivative 0 strictly outside), L = log floored at -100 (derivative 0 where the floor acts);
///                     without clipping, y outside [0, 1] gives NaN
///   bce_with_logits   log(1 + e^y) - t y
///   hinge             max(0, 1 - t y), derivative 0 at the kink
/// Row:
///   softmax_cross_entropy  label_smoothing=0 in [0, 1] (e), ignore_index=none (labels only). With lse = log sum e^x:
///     labels:  (1-e) w[y] (lse - x_y) + e/C sum_c w_c (lse - x_c), row weight w[y]
///     targets: sum_c w_c q_c (lse - x_c), q_c = (1-e) t_c + e/C, row weight 1
///     A class with w_c q_c = 0 and x_c = -inf adds 0, one with w_c q_c > 0 and x_c = -inf gives +inf. A row that has
///     NaN or +inf, or only -inf, gives NaN.
///
/// Weights multiply value and gradient. `mean` divides by weight_sum (0, gradients 0, where that is 0) and
/// `mean_over_batch` by rows. What does not count has value 0 and gradient 0, whatever its prediction.
///
/// accuracy_correct: rows whose argmax (first of equals) is the label, or the argmax of the target; bce (y > 0.5),
/// bce_with_logits (y > 0) against t > 0.5; hinge (y > 0) against t > 0. top_k_correct: fewer than top_k classes stand
/// before the label (greater, or equal with a smaller index). A row whose value is NaN for its logits is neither.
LossOutput loss(std::string_view name, const Options& options, const LossInput& input, int top_k = 5);

std::vector<std::string> loss_names();
bool has_loss(std::string_view name);

/// (f(x + step) - f(x - step)) / (2 step).
double central_difference(const std::function<double(double)>& f, double x, double step);

/// d/d(prediction[index]) of the reduced value (with `none`: of the sum of the values) times upstream, by central
/// differences of the whole loss in double. `step` is absolute. Meaningless within `step` of a kink.
double finite_difference(std::string_view name, const Options& options, const LossInput& input, std::int64_t index,
                         double step = 1e-5);

/// The whole gradient by central differences of each element or row alone, in long double.
std::vector<double> finite_difference_gradient(std::string_view name, const Options& options, const LossInput& input,
                                               double step = 1e-6);

/// One step of an update rule on one tensor, in place: p and state change, g does not.
///
/// Options of every rule: maximize=0 (g <- -g, first), l2=0 and l1=0 (then g <- g + l2 p + l1 sign(p), sign(0) = 0).
///   sgd    momentum=0 (mu), dampening=0, nesterov=0: v = mu v + (1 - dampening) g, on step 1 v = g; p -= lr v, or with
///          nesterov p -= lr (g + mu v). Without momentum p -= lr g, and the state is left alone.
///   adam   beta1=0.9, beta2=0.999 in [0, 1), eps=1e-8 >= 0: m = beta1 m + (1-beta1) g, v = beta2 v + (1-beta2) g^2,
///          p -= lr (m / (1-beta1^t)) / (sqrt(v / (1-beta2^t)) + eps)
///   adamw  as adam, weight_decay=0.01: p <- p (1 - lr weight_decay) before the step
/// t counts from 1. `state` holds state_count(name) arrays of p's size; an empty one is filled with zeros.
void step(std::string_view name, const Options& options, std::int64_t t, double lr, std::vector<double>& p,
          const std::vector<double>& g, std::vector<std::vector<double>>& state);

/// Arrays of state for each parameter: sgd 1 (v), adam and adamw 2 (m, v).
std::int64_t state_count(std::string_view name);
std::vector<std::string> optimizer_names();

/// The factor on the learning rate at a step counted from 0.
///   constant  1
///   step      every (required, >= 1), gamma=0.1: gamma^floor(step / every)
///   cosine    total (required, >= 1), warmup=0, floor=0: (step+1)/warmup while step < warmup, then
///             floor + (1-floor) (1 + cos(pi (step-warmup)/(total-warmup))) / 2, and floor from step `total` on
double schedule(std::string_view name, const Options& options, std::int64_t step);
std::vector<std::string> schedule_names();

struct ActivationOutput {
  double value = 0;
  double derivative = 0;
};

/// relu (derivative 0 at 0), gelu (x Phi(x); tanh=1: x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2), tanh, sigmoid.
ActivationOutput activation(std::string_view name, const Options& options, double x);
std::vector<std::string> activation_names();

}  // namespace fuselage::reference
