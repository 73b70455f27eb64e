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
  std::vector<double> prediction;     ///< [rows, cols]
  std::vector<double> second, third;  ///< of losses that take them: [rows, cols], or [rows] (a constant of each row)
  std::vector<double> target;        ///< [rows, cols]; [rows] (a number for each row); empty with labels or without any
  std::vector<std::int64_t> labels;  ///< [rows], or empty
  std::vector<double> weight;        ///< empty, [rows], or [rows, cols] (pointwise losses)
  std::vector<unsigned char> mask;   ///< likewise; 1 counts, 0 is left out altogether
  std::vector<double> class_weight;  ///< empty or [cols], losses of classes
  std::vector<std::int64_t> lengths;  ///< empty, or of sequences of as many rows each: how many rows of each count
  std::string reduction = "mean";     ///< none sum mean mean_over_batch mean_over_outputs
  double divisor = 0;                 ///< of the means, where it is not 0
  std::vector<double> upstream;       ///< empty (1), one value, or with `none` one for each output
  std::int64_t bins = 0;              ///< of the calibration, losses of classes on logits
};

inline constexpr std::int64_t kMostConfused = 4096;

/// Rows whose greatest probability lies within a bin.
struct CalibrationBin {
  double rows = 0, right = 0, confidence = 0;  ///< how many, how many of them are right, the sum of the probability
};

/// What a loss gives. "Counts": neither masked, nor ignored, nor bad.
struct LossOutput {
  double value = 0;                 ///< the reduced value; 0 with `none`
  double magnitude = 0;             ///< the terms behind the value, all taken as positive and reduced as it is
  double weight_sum = 0;            ///< sum of the weights of what counts (hard labels: times class_weight[label])
  double divisor = 0;               ///< what the sum was divided by
  std::int64_t count = 0;           ///< elements (pointwise) or rows (row losses) that count
  std::int64_t bad_labels = 0;      ///< targets that the loss does not take (row losses: rows that have one)
  std::int64_t first_bad_row = -1;  ///< row of the first of them, or -1
  double first_bad_label = 0;       ///< and that target
  std::int64_t bad_weights = 0;     ///< outputs whose weight is negative or not finite: left out
  std::int64_t first_bad_weight_row = -1;
  std::int64_t nonfinite = 0;  ///< gradient elements that are NaN or infinite
  std::vector<double> values;  ///< with `none`: [rows, cols] (pointwise) or [rows]; else empty
  /// d(reduced value)/d(input) times upstream; the second and third are empty where the loss has none.
  std::vector<double> gradient, second_gradient, third_gradient;
  std::vector<double> gradient_terms[3];  ///< the largest term behind each of these elements, scaled as it is
  std::vector<double> value_terms;        ///< the largest term behind each output
  /// [rows], of losses on logits: how much a probability may weigh in a value and in a gradient (weights included).
  std::vector<double> value_tails, gradient_tails;
  double accuracy_correct = 0;    ///< how many count and are right (see loss())
  double top_k_correct = 0;       ///< losses of classes: how many have the label among the top k
  double abs_error_sum = 0;       ///< pointwise: sum of |y - t| over what counts, unweighted
  double squared_error_sum = 0;   ///< pointwise: sum of (y - t)^2 likewise
  double target_shift = 0;        ///< pointwise: the first target of all, where it is finite
  double target_sum = 0;          ///< pointwise: sum of t - target_shift over what counts
  double target_squared_sum = 0;  ///< pointwise: sum of (t - target_shift)^2 likewise
  /// Losses of at most kMostConfused classes: [cols, cols], rows by label and argmax.
  std::vector<double> confusion;
  std::vector<CalibrationBin> calibration;
};

/// Evaluates a loss and its gradient.
///
/// Pointwise, for every element (d = y - t):
///   mse               d^2
///   rmse              the root of the reduced d^2, derivative 0 at 0
///   mae               |d|, derivative 0 at 0
///   huber             delta=1 (> 0): d^2/2 where |d| <= delta, else delta (|d| - delta/2)
///   smooth_l1         beta=1 (>= 0): d^2/(2 beta) where |d| < beta, else |d| - beta/2
///   log_cosh          log cosh d
///   quantile          q=0.5 in (0, 1): max(-q d, (1-q) d)
///   expectile         tau=0.5 in (0, 1): tau d^2 where d < 0, else (1-tau) d^2
///   cauchy            c=1: c^2/2 log(1 + (d/c)^2)
///   tukey             c=4.685: c^2/6 (1 - (1 - u)^3), u = (d/c)^2, c^2/6 where u > 1
///   mape              eps=1e-7: 100 |d|/max(|t|, eps)
///   smape             eps=0.02: 2 |d|/(|y| + |t| + eps)
///   msle              floor=1e-7: (log(1+y) - log(1+t))^2, both at least floor (derivative 0 where y is below)
///   relative_l1       eps=0.01, frozen=0: |d|/(|y| + eps); frozen: the derivative takes |y| + eps as constant
///   relative_l2       eps=0.01, frozen=0: d^2/(y^2 + eps), likewise
///   poisson_nll       log_input=1, full=0, eps=1e-8: e^y - t y, or y - t log(y + eps); full: + Stirling for t > 1
///   gamma_nll         y + t e^-y
///   tweedie           power=1.5 in (1, 2): -t e^((1-power) y)/(1-power) + e^((2-power) y)/(2-power)
///   gaussian_nll      full=0, eps=1e-6; y mean, z variance: (log v + d^2/v)/2, v = max(z, eps); full: + log(2 pi)/2
///   bce               clip=0 in [0, 0.5), pos_weight=1, label_smoothing=0 (t <- t (1-s) + s/2):
///                     -(w t L(p) + (1-t) L(1-p)), p = y, for clip > 0 clipped to [clip, 1-clip] (derivative 0
///                     strictly outside), L = log floored at -100 (derivative 0 where the floor acts);
///                     without clipping, y outside [0, 1] gives NaN
///   bce_with_logits   pos_weight=1, label_smoothing=0: w t log(1 + e^-y) + (1-t) log(1 + e^y)
///   focal             alpha=none in [0, 1], gamma=2: alpha t (1-p)^gamma (-log p) + (1-alpha) (1-t) p^gamma
///   (-log(1-p)),
///                     p = sigmoid(y); without alpha both factors are 1
///   asymmetric        gamma_pos=1, gamma_neg=4, clip=0.05 in [0, 1): t (1-p)^gamma_pos (-log p) + (1-t) m^gamma_neg
///                     (-log(1-m)), p = sigmoid(y), m = max(0, p - clip)
///   hinge             max(0, 1 - t y), derivative 0 at the kink
///   squared_hinge     max(0, 1 - t y)^2
///   soft_margin       log(1 + e^(-t y))
///   perceptron        max(0, -t y), derivative 0 at the kink
///   kl                log_target=0, prediction=0 (log; 1: probability), order=0 (t (log t - log q); 1: q (log q - log
///                     t)), eps=0 (> 0: probabilities held within [eps, 1])
///   generalized_kl    t log(t/y) - t + y
///   js                beta=0.5 in [0, 1]: beta t log(t/m) + (1-beta) y log(y/m), m = beta t + (1-beta) y; beta 0 is
///                     t log(t/y), beta 1 is y log(y/t)
///   total_variation   |d|/2
///   margin_ranking    margin=0; y, z: max(0, margin - t (y - z)), derivatives 0 at the kink
///   hinge_embedding   margin=1: y where t = 1, max(0, margin - y) where t = -1
///   ppo_clip          clip=0.2; y, z log-probabilities: -min(r t, clamp(r, 1-clip, 1+clip) t), r = e^(y - z); z is a
///                     constant
/// Row, of classes; all take ignore_index=none (labels). k_c = w_c ((1-s) t_c + s/C) with class weights w, the label or
/// coefficients t, and s = label_smoothing=0 in [0, 1] where that is named. A row of labels weighs w_y, one of
/// coefficients 1. Those on logits (p = softmax(x)): a class with k_c = 0 and x_c = -inf adds 0, one with k_c > 0 and
/// x_c = -inf gives +inf; a row that has NaN or +inf, or only -inf, gives NaN.
///   softmax_cross_entropy      label_smoothing, z_loss=0, softcap=0, temperature=1: sum_c k_c (-log p_c) + z_loss
///                              lse^2, of logits x/temperature, then softcap tanh(x/softcap) where softcap > 0
///   categorical_focal          label_smoothing, gamma=2, alpha=0.25: sum_c k_c alpha (1-p_c)^gamma (-log p_c)
///   poly1                      label_smoothing, epsilon=1: sum_c k_c (-log p_c + epsilon (1-p_c))
///   generalized_cross_entropy  q=0.5 in (0, 1]: sum_c k_c (1 - p_c^q)/q
///   nll                        label_smoothing: sum_c k_c (-x_c)
///   cross_entropy              label_smoothing, clip=1e-7, normalise=1: sum_c k_c (-log x_c)
///   multi_margin               p=1 or 2, margin=1: w_y/C sum over c other than y of max(0, margin - x_y + x_c)^p
///   categorical_hinge          zero=0: w_y max(0, 1 + (greatest other x) - x_y); zero: the greatest is at least 0
///   policy_gradient            form=0 (logits, log-probabilities, scores), entropy=0: -R log p_a - entropy H(p), the
///                              second input holds the returns R
/// Row, of vectors a, b, c (prediction, second, third):
///   cosine_similarity  form=0 (1 - cos; 1: -cos), eps=1e-8 (least norm); b is the target
///   cosine_embedding   margin=0, eps=1e-12 (added to squared norms): t = 1: 1 - cos, t = -1: max(0, cos - margin)
///   contrastive        margin=1, eps=1e-6 (added to differences), labels=0 (similar rows have s = t = 1; 1: s = 1 -
///   t),
///                      half=1: (s d^2 + (1 - s) max(0, margin - d)^2)/2; without half not halved
///   triplet            margin=1, p=2, eps=1e-6, swap=0: max(0, d(a, b) - d(a, c) + margin)
///
/// Weights multiply value and gradient. `mean` divides by weight_sum (0, gradients 0, where that is 0),
/// `mean_over_batch` by rows, `mean_over_outputs` by elements or rows, all of them by `divisor` where that is given.
/// What does not count has value 0 and gradient 0, whatever its prediction.
///
/// accuracy_correct: rows whose argmax (first of equals) is the label, or the argmax of the target; bce (y > 0.5),
/// bce_with_logits and focal (y > 0) against t > 0.5; those of a margin (y > 0) against t > 0. top_k_correct: fewer
/// than top_k classes stand before the label (greater, or equal with a smaller index). A row whose value is NaN for its
/// logits is neither.
LossOutput loss(std::string_view name, const Options& options, const LossInput& input, int top_k = 5);

std::vector<std::string> loss_names();
bool has_loss(std::string_view name);

/// (f(x + step) - f(x - step)) / (2 step).
double central_difference(const std::function<double(double)>& f, double x, double step);

/// d/d(input[index]) of the reduced value (with `none`: of the sum of the values) times upstream, by central
/// differences of the whole loss in double; `which` of prediction, second and third. `step` is absolute. Meaningless
/// within `step` of a kink.
double finite_difference(std::string_view name, const Options& options, const LossInput& input, std::int64_t index,
                         double step = 1e-5, int which = 0);

/// The whole gradients by central differences of each element or row alone, in long double.
std::vector<double> finite_difference_gradient(std::string_view name, const Options& options, const LossInput& input,
                                               double step = 1e-6, int which = 0);

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
