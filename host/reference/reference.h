// The reference: every loss, update rule, schedule and activation straight from its textbook formula, in double, with
// derivatives by dual numbers. It knows nothing of the code that it judges: the standard library and its own files
// only.
//
// All errors are std::invalid_argument and leave the arguments as they were.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
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
  std::optional<std::int64_t> ignore_index;  ///< losses of classes: rows of this label are left out
  std::vector<double> weight;                ///< empty, [rows], or [rows, cols] (pointwise losses)
  std::vector<unsigned char> mask;           ///< likewise; 1 counts, 0 is left out altogether
  std::vector<double> class_weight;          ///< empty or [cols], losses of classes
  std::vector<std::int64_t> lengths;  ///< empty, or of sequences of as many rows each: how many rows of each count
  std::string reduction = "mean";     ///< none sum mean mean_over_batch mean_over_outputs mean_over_counted
  double divisor = 0;                 ///< of the means, where it is not 0
  std::vector<double> upstream;       ///< empty (1), one value, or with `none` one for each output
  std::int64_t bins = 0;              ///< of the calibration, losses whose rows have probabilities
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
  double weight_sum = 0;            ///< sum of the weights of what counts (hard labels: times class_weight[label]);
                                    ///< mean_over_counted: their number
  double divisor = 0;               ///< what the sum was divided by
  std::int64_t count = 0;           ///< elements (pointwise) or rows (row losses) that count
  std::int64_t bad_labels = 0;      ///< targets that the loss does not take (row losses: rows that have one)
  std::int64_t first_bad_row = -1;  ///< row of the first of them, or -1
  double first_bad_label = 0;       ///< and that target
  std::int64_t bad_weights = 0;     ///< outputs whose weight is negative or not finite: left out
  std::int64_t first_bad_weight_row = -1;
  double first_bad_weight = 0;  ///< and that weight: the output's own, or where that is good its label's
  std::int64_t nonfinite = 0;   ///< gradient elements that are NaN or infinite
  std::vector<double> values;   ///< with `none`: [rows, cols] (pointwise) or [rows]; else empty
  /// d(reduced value)/d(input) times upstream; the second and third are empty where the loss has none.
  std::vector<double> gradient, second_gradient, third_gradient;
  std::vector<double> gradient_terms[3];  ///< the largest term behind each of these elements, scaled as it is
  std::vector<double> value_terms;        ///< the largest term behind each output
  /// [rows], of losses on logits: how much a probability may weigh in a value and in a gradient (weights included).
  std::vector<double> value_tails, gradient_tails;
  double accuracy_correct = 0;  ///< how many count and are right (see loss())
  /// Losses that decide on elements: targets and predictions that are a yes, and both.
  double positives = 0, chosen = 0, hits = 0;
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
/// Row, of classes. k_c = w_c ((1-s) t_c + s/C) with class weights w, the label or
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
///   triplet            margin=1, p=2, eps=1e-6, swap=0: max(0, d(a, b) - d(a, c) + margin); 2: d(b, c) in the place of
///                      d(a, c), 1: the smaller of both
///
/// Weights multiply value and gradient. `mean` divides by weight_sum (0, gradients 0, where that is 0),
/// `mean_over_batch` by rows, `mean_over_outputs` by elements or rows, `mean_over_counted` by those of them that count,
/// all of them by `divisor` where that is given.
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

/// What a rule keeps from step to step beside its arrays; 0 at first.
struct Memory {
  double group[2] = {0, 0};  ///< nadam: the product of mu; schedule_free_*: the sum of the weights, the greatest rate
  double tensor = 0;         ///< novograd: v
};

/// One step of an update rule on one tensor, in place: p, state and memory change, g does not.
///
/// Options of every rule, in the order in which they act: maximize=0 (g <- -g), l2=0 and l1=0 (g <- g + l2 p + l1
/// sign(p), sign(0) = 0), decay=0 (p <- p (1 - lr decay)). Then the rule; betas, rho and momentum are in [0, 1), what
/// is not named is at least 0; mhat = m/(1-beta1^t), vhat = v/(1-beta2^t); 0 divided by 0 is 0 in adagrad, rmsprop and
/// novograd. State arrays are in the order of the letters on the left of "<-".
///   sgd        momentum=0 (mu), dampening=0, nesterov=0, velocity=0: v <- mu v + (1 - dampening) g, on step 1 v = g;
///              p -= lr v, or with nesterov lr (g + mu v). velocity 1: lr g in place of g, and lr nowhere else.
///              Without momentum p -= lr g, and the state is left alone.
///   signsgd    momentum=0: m <- momentum m + (1-momentum) g; p -= lr sign(m). Without momentum sign(g), likewise.
///   lion       beta1=0.9, beta2=0.99, weight_decay=0: p -= lr (sign(beta1 m + (1-beta1) g) + weight_decay p);
///              m <- beta2 m + (1-beta2) g
///   adam       beta1=0.9, beta2=0.999, eps=1e-8, eps_root=0, eps_form=0: m <- beta1 m + (1-beta1) g,
///              v <- beta2 v + (1-beta2) g^2; p -= lr mhat/(sqrt(vhat + eps_root) + eps).
///              eps_form 1: eps/sqrt(1-beta2^t) in place of eps
///   adamw      as adam, weight_decay=0.01: p -= lr weight_decay p besides
///   amsgrad    as adam, maximum_of=0: w <- max(w, v), w/(1-beta2^t) in place of vhat; 1: w <- max(w, vhat), w in place
///   adamax     beta1=0.9, beta2=0.999, eps=1e-8, eps_place=1: m as adam, u <- max(beta2 u, |g| + eps); p -= lr mhat/u;
///              eps_place 0: u <- max(beta2 u, |g|); p -= lr mhat/(u + eps)
///   nadam      beta1=0.9, beta2=0.999, eps=1e-8, eps_root=0, momentum_decay=0.004, constant_momentum=0: m, v as adam,
///              mu_t = beta1 (1 - 0.96^(t momentum_decay)/2) or beta1, M = mu_1 ... mu_t;
///              p -= lr ((1-mu_t) g/(1-M) + mu_(t+1) m/(1-M mu_(t+1)))/(sqrt(vhat + eps_root) + eps)
///   radam      as adam, eps_form=1, threshold=5 (>= 4): R = 2/(1-beta2) - 1, r = R - 2 t beta2^t/(1-beta2^t); where
///              r > threshold, adam's step times sqrt((r-4)(r-2)R/((R-4)(R-2)r)); else p -= lr mhat
///   adabelief  beta1=0.9, beta2=0.999, eps=1e-16, eps_root=1e-16: m as adam, s <- beta2 s + (1-beta2)(g-m)^2 +
///              eps_root; p -= lr mhat/(sqrt(shat) + eps)
///   yogi       beta1=0.9, beta2=0.999, eps=1e-3, eps_root=0, initial=1e-6 (of both): m as adam,
///              v <- v - (1-beta2) sign(v - g^2) g^2; p as adam
///   adan       beta1=0.98, beta2=0.92, beta3=0.99, eps=1e-8, weight_decay=0, eps_root=0, difference=0 (w = beta2;
///              1: 1-beta2): d = g - b, 0 on step 1; m <- beta1 m + (1-beta1) g, v <- beta2 v + (1-beta2) d,
///              n <- beta3 n + (1-beta3)(g + w d)^2, b <- g;
///              p <- (p - lr (mhat + w vhat)/(sqrt(nhat + eps_root) + eps))/(1 + lr weight_decay)
///   ademamix   beta1=0.9 and beta3=0.9999 in (0, 1), beta2=0.999, alpha=5, eps=1e-8, weight_decay=0, eps_root=0,
///              warmup=0: m as adam, n <- b n + (1-b) g, v as adam; p -= lr ((mhat + a n)/(sqrt(vhat + eps_root) + eps)
///              + weight_decay p), a = alpha min(t/warmup, 1), 1/log b from 1/log beta1 to 1/log beta3 likewise
///   adagrad    lr_decay=0, eps=1e-10, initial=0, eps_place=0: s <- s + g^2 from initial on; p -= lr/(1 + (t-1)
///              lr_decay) g/(sqrt(s) + eps); eps_place 1: g/sqrt(s + eps)
///   adadelta   rho=0.9, eps=1e-6 (>= 1e-30): s <- rho s + (1-rho) g^2, d = g sqrt(u + eps)/sqrt(s + eps),
///              u <- rho u + (1-rho) d^2; p -= lr d
///   rmsprop    rho=0.99, eps=1e-8, momentum=0, initial=0, centered=0, nesterov=0, bias_correction=0, eps_place=0,
///              velocity=0: v <- rho v + (1-rho) g^2 from initial on, a <- rho a + (1-rho) g, w = v, or centred
///              max(0, v - a^2), of v and a divided by 1-rho^t with bias_correction; x = g/(sqrt(w) + eps), eps_place
///              1: g/sqrt(w + eps); b <- momentum b + x; p -= lr b, or with nesterov lr (x + momentum b). velocity as
///              sgd. a and b are left alone where they are not used
///   rprop      shrink=0.5 in (0, 1), grow=1.2 > 1, smallest=1e-6, largest=50: h <- g, 0 where g has turned against h;
///              s <- s grow, s shrink or s by the sign of g h, within the bounds, lr at first; p -= sign(h) s
///   lamb       beta1=0.9, beta2=0.999, eps=1e-6, weight_decay=0, eps_root=0, lowest=0, highest=inf: m, v, u as adam
///              + weight_decay p, r = |p|/|u| within [lowest, highest], 1 where a norm is 0; p -= lr r u
///   lars       momentum=0.9, weight_decay=0, trust=1e-3, eps=0, nesterov=0, norm=0: x = g + weight_decay p,
///              r = trust |p|/(|g| + weight_decay |p| + eps), norm 1: trust |p|/(|x| + eps), 1 where |p| or |g| (|x|)
///              is 0; v <- momentum v + lr r x; p -= v, or with nesterov lr r x + momentum v
///   novograd   beta1=0.95, beta2=0.98, eps=1e-8, weight_decay=0, eps_root=0, averaging=0: v <- beta2 v + (1-beta2)
///              |g|^2, on step 1 |g|^2; u = g/(sqrt(v + eps_root) + eps) + weight_decay p; m <- beta1 m + u, or with
///              averaging beta1 m + (1-beta1) u, on step 1 u; p -= lr m
///   schedule_free_sgd    beta1=0.9 in (0, 1), weight_decay=0, power=0, lr_power=2: p is y, z = y at first,
///              x = (y - (1-beta1) z)/beta1, z <- z - lr (g + weight_decay y), x <- (1-c) x + c z,
///              y <- (1-beta1) z + beta1 x, c = w/(sum of w), w = t^power (greatest lr so far)^lr_power
///   schedule_free_adamw  likewise, beta2=0.999, eps=1e-8: z <- z - lr (g/(sqrt(vhat) + eps) + weight_decay y), v as
///              adam
/// t counts from 1. `state` holds state_count(name) arrays of p's size; an empty one is filled with zeros.
void step(std::string_view name, const Options& options, std::int64_t t, double lr, std::vector<double>& p,
          const std::vector<double>& g, std::vector<std::vector<double>>& state, Memory& memory);

/// What all gradients of a step hold.
struct GradientNorms {
  std::int64_t nonfinite = 0;  ///< elements, after unscaling
  double norm = 0;             ///< of all, as clip_norm sees it
};

/// What happens to the gradients of a step before any rule, in place; 0 leaves a step out. loss_scale > 0: g <-
/// g/scale. clip_value=0: g <- max(-clip_value, min(clip_value, g)). clip_tensor=0: g <- g min(1, clip_tensor/|g|), the
/// norm that of the tensor. clip_norm=0: likewise, the norm that of all tensors. The other options are those of
/// scale_after().
GradientNorms prepare_gradients(const Options& options, double scale, std::vector<std::vector<double>>& gradients);

/// A loss scale, and how many steps in a row were made since it changed.
struct LossScale {
  double scale = 1;
  std::int64_t good = 0;
};

/// The loss scale after a step: growth=2, backoff=0.5, interval=2000, least_scale=2^-100, greatest_scale=2^100. After
/// an overflow scale backoff, not below the least; after `interval` good steps in a row scale growth, not above the
/// greatest; interval 0: never.
LossScale scale_after(const Options& options, bool overflow, LossScale before);

std::int64_t state_count(std::string_view name);
std::vector<std::string> optimizer_names();

/// The factor on the learning rate at a step counted from 0. What is required is named without a value; numbers of
/// steps are whole; a total of 0 has no end, and its decay never begins.
///   constant      1
///   step          every >= 1, gamma=0.1: gamma^floor(step/every)
///   multistep     at.0 < at.1 < ... (>= 1), gamma=0.1: gamma^(how many of them are at most step)
///   exponential   gamma, every=1, begin=0, staircase=0, limit=0: gamma^(max(0, step - begin)/every), with staircase
///   the
///                 floor of the exponent; at least limit for gamma < 1, at most limit, if it is not 0, for gamma > 1
///   polynomial    total, begin=0, power=1, end=0, cycle=0: end + (1-end) (1 - min(d, n)/n)^power, d = max(0, step -
///                 begin), n = total, or with cycle total ceil(d/total)
///   linear        total, begin=0, start=1, end=0: (1-x) start + x end, x = (step - begin)/total in [0, 1]
///   cosine        total, warmup=0, floor=0, power=1, first=0, growth=1, shrink=1, swing=0: (step+1)/warmup while
///                 step < warmup, then floor + (1-floor) ((1 + cos(pi (step-warmup)/(total-warmup)))/2)^power; floor
///                 from step total on, unless swing=1. first: periods of first, first growth, first growth^2 ... steps
///                 follow each other, (step - begin of the period)/its length under the cosine, (1-floor) shrink^n in
///                 the n-th
///   one_cycle     total, pct_start=0.3, div_factor=25, final_div_factor=1e4, anneal=0 (half a cosine; 1: a line),
///                 three_phase=0: a = 1/div_factor at step 0, 1 at pct_start total - 1, with three_phase a at 2
///                 pct_start total - 2, a/final_div_factor from total - 1 on
///   warmup        steps, start=0, offset=1: start + (1-start) min(1, (step + offset)/steps)
///   wsd           total, warmup=0, decay=0 (floor(total/10)), floor=0, shape=0: (step+1)/warmup while step < warmup, 1
///                 until total - decay, then floor + (1-floor) d(x), x = (step - total + decay)/decay; floor from total
///                 on. d = 1 - x, (1 + cos(pi x))/2, 1 - sqrt(x)
///   piecewise     at.0 ..., values.0 ... (one more), interpolate=0: values.i for i of at <= step; interpolate=1, 2:
///   from
///                 there to values.(i+1) at at.i along a line, half a cosine
///   inverse_time  rate, every, staircase=0: 1/(1 + rate step/every), with staircase floor(step/every)
///   inverse_sqrt  timescale: 1/sqrt(1 + step/timescale)
///   plateau       1: see plateau()
double schedule(std::string_view name, const Options& options, std::int64_t step);
std::vector<std::string> schedule_names();

/// The factors after each observation. gamma=0.1, patience=10, threshold=1e-4, threshold_mode=0, cooldown=0, floor=0,
/// eps=0, mode=0: an observation is better than the best so far when it is below best (1 - threshold), with
/// threshold_mode=1 below best - threshold, with mode=1 above best (1 + threshold) or best + threshold; one that is NaN
/// never is. When more than `patience` in a row were not, the factor is multiplied by gamma, but not below floor and
/// only if it loses more than eps, and the next `cooldown` ones do not count.
std::vector<double> plateau(const Options& options, const std::vector<double>& observed);

struct ActivationOutput {
  double value = 0;
  double derivative = 0;
};

/// relu (derivative 0 at 0), gelu (x Phi(x); tanh=1: x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2), tanh, sigmoid.
ActivationOutput activation(std::string_view name, const Options& options, double x);
std::vector<std::string> activation_names();

}  // namespace fuselage::reference
