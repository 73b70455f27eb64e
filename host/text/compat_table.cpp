// The losses of peers, one entry each.
#include "fuselage/compat.h"

namespace fuselage {
namespace {

constexpr Peer kTorch = Peer::torch, kKeras = Peer::keras, kOptax = Peer::optax;
constexpr Reduction kMean = Reduction::mean, kOutputs = Reduction::mean_over_outputs,
                    kBatch = Reduction::mean_over_batch;
constexpr std::string_view kInput = "(input, target)", kTrue = "(y_true, y_pred)", kLogits = "(logits, labels)",
                           kPredictions = "(predictions, targets)";
constexpr std::string_view kSame = "as the prediction", kOneHot = "rows [rows, classes]", kLabel = "integer labels",
                           kSign = "-1 or 1", kShare = "in [0, 1]";
constexpr std::string_view kKerasSign = "-1 or 1, or zeros and ones alone, which become these";
constexpr std::string_view kClass = "0 and 1, as the prediction";

constexpr PeerLoss kLosses[] = {
    {kTorch, "mse_loss", "MSELoss", "", "mse", "", kMean, kInput, kSame, ""},
    {kTorch, "l1_loss", "L1Loss", "", "mae", "", kMean, kInput, kSame, ""},
    {kTorch, "huber_loss", "HuberLoss", "", "huber", "delta", kOutputs, kInput, kSame, ""},
    {kTorch, "smooth_l1_loss", "SmoothL1Loss", "", "smooth_l1", "beta", kMean, kInput, kSame, ""},
    {kTorch, "poisson_nll_loss", "PoissonNLLLoss", "", "poisson_nll", "log_input,full,eps", kMean, kInput, kSame, ""},
    {kTorch, "gaussian_nll_loss", "GaussianNLLLoss", "", "gaussian_nll", "full,eps", kMean, "(input, target, var)",
     kSame, "below eps the derivative by the variance is 0 here; there it is that of the clamped variance"},
    {kTorch, "binary_cross_entropy", "BCELoss", "", "bce", "", kOutputs, kInput, kShare,
     "where a logarithm is floored at -100 the derivative is 0, that of the value; there it is up to 1e12"},
    {kTorch, "binary_cross_entropy_with_logits", "BCEWithLogitsLoss", "", "bce_with_logits", "pos_weight", kOutputs,
     kInput, kShare, "pos_weight is one number"},
    {kTorch, "soft_margin_loss", "SoftMarginLoss", "", "soft_margin", "", kMean, kInput, kSign,
     "does not overflow from -t y = 88 on"},
    {kTorch, "hinge_embedding_loss", "HingeEmbeddingLoss", "", "hinge_embedding", "margin", kMean, kInput, kSign, ""},
    {kTorch, "margin_ranking_loss", "MarginRankingLoss", "", "margin_ranking", "margin", kMean,
     "(input1, input2, target)", kSign, ""},
    {kTorch, "cosine_embedding_loss", "CosineEmbeddingLoss", "", "cosine_embedding", "margin", kMean,
     "(input1, input2, target)", "-1 or 1, one for each row", ""},
    {kTorch, "triplet_margin_loss", "TripletMarginLoss", "", "triplet", "margin,p,eps,swap", kMean,
     "(anchor, positive, negative)", "none", ""},
    {kTorch, "cross_entropy", "CrossEntropyLoss", "", "softmax_cross_entropy:ignore_index=-100",
     "ignore_index,label_smoothing", kMean, kInput, "integer labels, or rows [rows, classes]",
     "ignore_index is of labels alone; dense rows weigh 1 in the divisor, whatever their class weights"},
    {kTorch, "nll_loss", "NLLLoss", "", "nll:ignore_index=-100", "ignore_index", kMean, kInput, kLabel, ""},
    {kTorch, "multi_margin_loss", "MultiMarginLoss", "", "multi_margin", "p,margin", kOutputs, kInput, kLabel, ""},
    {kTorch, "kl_div", "KLDivLoss", "", "kl", "log_target", kMean, kInput, "in [0, 1], or their logarithms",
     "reduction=batchmean is mean_over_batch; mean divides by all elements"},

    {kKeras, "mean_squared_error", "MeanSquaredError", "", "mse", "", kOutputs, kTrue, kSame, ""},
    {kKeras, "mean_absolute_error", "MeanAbsoluteError", "", "mae", "", kOutputs, kTrue, kSame, ""},
    {kKeras, "mean_absolute_percentage_error", "MeanAbsolutePercentageError", "", "mape:eps=1e-07", "", kOutputs, kTrue,
     kSame, ""},
    {kKeras, "mean_squared_logarithmic_error", "MeanSquaredLogarithmicError", "", "msle:floor=1e-07", "", kOutputs,
     kTrue, kSame, "Keras takes a negative target as 1e-7; here it is a bad label"},
    {kKeras, "huber", "Huber", "", "huber", "delta", kOutputs, kTrue, kSame, ""},
    {kKeras, "log_cosh", "LogCosh", "", "log_cosh", "", kOutputs, kTrue, kSame, ""},
    {kKeras, "poisson", "Poisson", "", "poisson_nll:log_input=false,eps=1e-07", "", kOutputs, kTrue, kSame, ""},
    {kKeras, "kl_divergence", "KLDivergence", "", "kl:prediction=probability,eps=1e-07", "", kBatch, kTrue,
     "probabilities", "both are clipped to [1e-7, 1]"},
    {kKeras, "cosine_similarity", "CosineSimilarity", "", "cosine_similarity:form=negative,eps=1e-07", "", kOutputs,
     kTrue, "rows [rows, columns]", "minus the cosine"},
    {kKeras, "binary_crossentropy", "BinaryCrossentropy", "", "bce:clip=1e-07",
     "label_smoothing,from_logits=", kOutputs, kTrue, kShare, ""},
    {kKeras, "binary_crossentropy", "BinaryCrossentropy", "from_logits=true", "bce_with_logits", "label_smoothing",
     kOutputs, kTrue, kShare, "Keras's NumPy backend clips probabilities here, too"},
    {kKeras, "binary_focal_crossentropy", "BinaryFocalCrossentropy", "from_logits=true", "focal",
     "gamma,alpha=,apply_class_balancing=", kOutputs, kTrue, kClass,
     "Keras clips the probability to [1e-7, 1 - 1e-7]; nothing is clipped here"},
    {kKeras, "binary_focal_crossentropy", "BinaryFocalCrossentropy", "from_logits=true,apply_class_balancing=true",
     "focal:alpha=0.25", "gamma,alpha", kOutputs, kTrue, kClass, "as above"},
    {kKeras, "categorical_crossentropy", "CategoricalCrossentropy", "", "cross_entropy", "label_smoothing,from_logits=",
     kOutputs, kTrue, kOneHot, "rows are divided by their sums, then clipped to [1e-7, 1 - 1e-7]"},
    {kKeras, "categorical_crossentropy", "CategoricalCrossentropy", "from_logits=true", "softmax_cross_entropy",
     "label_smoothing", kOutputs, kTrue, kOneHot, ""},
    {kKeras, "sparse_categorical_crossentropy", "SparseCategoricalCrossentropy", "", "cross_entropy",
     "from_logits=", kOutputs, kTrue, kLabel, "as categorical_crossentropy"},
    {kKeras, "sparse_categorical_crossentropy", "SparseCategoricalCrossentropy", "from_logits=true",
     "softmax_cross_entropy", "ignore_class=ignore_index", kOutputs, kTrue, kLabel,
     "with ignore_class the reduction is mean_over_counted"},
    {kKeras, "categorical_focal_crossentropy", "CategoricalFocalCrossentropy", "from_logits=true", "categorical_focal",
     "alpha,gamma,label_smoothing", kOutputs, kTrue, kOneHot,
     "Keras clips probabilities to [1e-7, 1 - 1e-7]; nothing is clipped here"},
    {kKeras, "categorical_generalized_cross_entropy", "CategoricalGeneralizedCrossEntropy", "",
     "generalized_cross_entropy", "q", kOutputs, kTrue, kLabel, "takes probabilities there, logits here"},
    {kKeras, "hinge", "Hinge", "", "hinge", "", kOutputs, kTrue, kKerasSign, "", TargetForm::signs},
    {kKeras, "squared_hinge", "SquaredHinge", "", "squared_hinge", "", kOutputs, kTrue, kKerasSign, "",
     TargetForm::signs},
    {kKeras, "categorical_hinge", "CategoricalHinge", "", "categorical_hinge:zero=true", "", kOutputs, kTrue,
     "rows of zeros and a one, which become labels", "the label's place counts as a 0 among the others",
     TargetForm::one_hot},

    {kOptax, "squared_error", "", "", "mse", "", kOutputs, kPredictions, kSame, ""},
    {kOptax, "l2_loss", "", "", "expectile", "", kOutputs, kPredictions, kSame, "half of the square"},
    {kOptax, "huber_loss", "", "", "huber", "delta", kOutputs, kPredictions, kSame, ""},
    {kOptax, "log_cosh", "", "", "log_cosh", "", kOutputs, kPredictions, kSame, ""},
    {kOptax, "cosine_distance", "", "", "cosine_similarity:eps=0", "", kOutputs, kPredictions, "rows [rows, columns]",
     ""},
    {kOptax, "sigmoid_binary_cross_entropy", "", "", "bce_with_logits", "", kOutputs, kLogits, kShare, ""},
    {kOptax, "sigmoid_focal_loss", "", "", "focal", "alpha,gamma", kOutputs, kLogits, kClass, ""},
    {kOptax, "hinge_loss", "", "", "hinge", "", kOutputs, "(predictor_outputs, targets)", kSign, ""},
    {kOptax, "perceptron_loss", "", "", "perceptron", "", kOutputs, "(predictor_outputs, targets)", kSign,
     "at y = 0 the derivative is 0"},
    {kOptax, "softmax_cross_entropy", "", "", "softmax_cross_entropy", "", kOutputs, kLogits, kOneHot, ""},
    {kOptax, "safe_softmax_cross_entropy", "", "", "softmax_cross_entropy", "", kOutputs, kLogits, kOneHot,
     "a share of 0 for a logit of -inf adds 0, always"},
    {kOptax, "softmax_cross_entropy_with_integer_labels", "", "", "softmax_cross_entropy", "", kOutputs, kLogits,
     kLabel, "a label outside the classes is a bad label, not the nearest class"},
    {kOptax, "poly_loss_cross_entropy", "", "", "poly1:epsilon=2", "epsilon", kOutputs, kLogits, kOneHot, ""},
    {kOptax, "multiclass_hinge_loss", "", "", "categorical_hinge", "", kOutputs, "(scores, labels)", kLabel, ""},
    {kOptax, "kl_divergence", "", "", "kl", "", kBatch, "(log_predictions, targets)", "probabilities", ""},
    {kOptax, "kl_divergence_with_log_targets", "", "", "kl:log_target=true", "", kBatch,
     "(log_predictions, log_targets)", "logarithms of probabilities", ""},
    {kOptax, "generalized_kl_divergence", "", "", "generalized_kl", "", kBatch, "(log_predictions, targets)",
     "probabilities", "takes the logarithm of the prediction there, the prediction here"},
};

}  // namespace

std::span<const PeerLoss> peer_losses() { return kLosses; }

}  // namespace fuselage
