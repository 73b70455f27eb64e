// The list of losses. An entry here is everything that a loss needs to be known: the backends, the command line, the
// tests, the benchmarks and the documentation iterate over it.
#pragma once

#include <optional>

#include "fuselage/core/catalogue.h"
#include "fuselage/loss/asymmetric.h"
#include "fuselage/loss/bce.h"
#include "fuselage/loss/bce_with_logits.h"
#include "fuselage/loss/categorical_focal.h"
#include "fuselage/loss/categorical_hinge.h"
#include "fuselage/loss/cauchy.h"
#include "fuselage/loss/contrastive.h"
#include "fuselage/loss/cosine_embedding.h"
#include "fuselage/loss/cosine_similarity.h"
#include "fuselage/loss/cross_entropy.h"
#include "fuselage/loss/expectile.h"
#include "fuselage/loss/focal.h"
#include "fuselage/loss/gamma_nll.h"
#include "fuselage/loss/gaussian_nll.h"
#include "fuselage/loss/generalized_cross_entropy.h"
#include "fuselage/loss/generalized_kl.h"
#include "fuselage/loss/hinge.h"
#include "fuselage/loss/hinge_embedding.h"
#include "fuselage/loss/huber.h"
#include "fuselage/loss/js.h"
#include "fuselage/loss/kl.h"
#include "fuselage/loss/log_cosh.h"
#include "fuselage/loss/mae.h"
#include "fuselage/loss/mape.h"
#include "fuselage/loss/margin_ranking.h"
#include "fuselage/loss/mse.h"
#include "fuselage/loss/msle.h"
#include "fuselage/loss/multi_margin.h"
#include "fuselage/loss/nll.h"
#include "fuselage/loss/perceptron.h"
#include "fuselage/loss/poisson_nll.h"
#include "fuselage/loss/policy_gradient.h"
#include "fuselage/loss/poly1.h"
#include "fuselage/loss/ppo_clip.h"
#include "fuselage/loss/quantile.h"
#include "fuselage/loss/relative_l1.h"
#include "fuselage/loss/relative_l2.h"
#include "fuselage/loss/rmse.h"
#include "fuselage/loss/smape.h"
#include "fuselage/loss/smooth_l1.h"
#include "fuselage/loss/soft_margin.h"
#include "fuselage/loss/softmax_cross_entropy.h"
#include "fuselage/loss/squared_hinge.h"
#include "fuselage/loss/total_variation.h"
#include "fuselage/loss/traits.h"
#include "fuselage/loss/triplet.h"
#include "fuselage/loss/tukey.h"
#include "fuselage/loss/tweedie.h"

namespace fuselage {

using Losses =
    Catalogue<loss::Mse, loss::Rmse, loss::Mae, loss::Huber, loss::SmoothL1, loss::LogCosh, loss::Quantile,
              loss::Expectile, loss::Cauchy, loss::Tukey, loss::Mape, loss::Smape, loss::Msle, loss::RelativeL1,
              loss::RelativeL2, loss::GaussianNll, loss::PoissonNll, loss::GammaNll, loss::Tweedie, loss::Bce,
              loss::BceWithLogits, loss::Focal, loss::Asymmetric, loss::Hinge, loss::SquaredHinge, loss::SoftMargin,
              loss::Perceptron, loss::HingeEmbedding, loss::MarginRanking, loss::Kl, loss::GeneralizedKl, loss::Js,
              loss::TotalVariation, loss::PpoClip, loss::SoftmaxCrossEntropy, loss::Nll, loss::CrossEntropy,
              loss::CategoricalFocal, loss::Poly1, loss::GeneralizedCrossEntropy, loss::MultiMargin,
              loss::CategoricalHinge, loss::PolicyGradient, loss::CosineSimilarity, loss::CosineEmbedding,
              loss::Contrastive, loss::Triplet>;

/// Any loss of the list, by value.
using AnyLoss = Losses::Any;

LossTraits traits_of(const AnyLoss& loss);

extern template struct detail::ListEntries<Losses>;

/// The label whose rows the loss leaves out, where it has such a field.
inline std::optional<std::int64_t> ignored_label(const AnyLoss& loss) {
  return std::visit(
      [](const auto& l) -> std::optional<std::int64_t> {
        if constexpr (requires { l.ignore_index; })
          return l.ignore_index;
        else
          return {};
      },
      loss);
}

}  // namespace fuselage
