// A sum of losses: the terms' passes between the kernels that weigh and add them.
#include "fuselage/combination.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace fuselage {

namespace {

std::string_view name_of_loss(const LossTerm& term) {
  const auto* const own = std::get_if<CustomLoss>(&term.loss);
  return own ? own->name() : Losses::name_of(std::get<AnyLoss>(term.loss));
}

void check_term(const LossTerm& term, std::size_t i) {
  const auto refuse = [&](Errc code, std::string_view what) {
    throw Error(code, fmt::format("term {} ({}): {}", i, name_of_loss(term), what));
  };
  if (!std::isfinite(term.weight) || term.weight < 0)
    refuse(Errc::bad_argument, fmt::format("the weight is {}, expected a finite number of at least 0", term.weight));
  if (term.batch.upstream) refuse(Errc::bad_argument, "upstream belongs to the sum, which has none");
  if (term.batch.scale != 1) refuse(Errc::bad_argument, "scale belongs to the sum: give it to run()");
  if (term.batch.reduction == Reduction::none) refuse(Errc::bad_argument, "reduction none leaves no value to be added");
}

}  // namespace

CombinedLoss::CombinedLoss(Backend& backend, std::size_t terms)
    : backend_(&backend),
      count_(terms),
      reports_(backend, terms * sizeof(LossReport)),
      factors_(backend, terms * sizeof(float)) {
  if (terms == 0 || terms > static_cast<std::size_t>(kMaxTerms))
    throw Error(Errc::bad_argument, fmt::format("a sum of {} losses; expected 1 to {}", terms, kMaxTerms));
}

void CombinedLoss::run(std::span<const LossTerm> terms, LossReport* total, float scale, const float* log_variances,
                       float* log_variance_gradient) {
  require(total != nullptr, Errc::bad_argument, "the total report is missing");
  if (terms.size() != count_)
    throw Error(Errc::bad_shape, fmt::format("{} terms, but the sum was made for {}", terms.size(), count_));
  require((log_variances == nullptr) == (log_variance_gradient == nullptr), Errc::bad_argument,
          "log variances and their gradient are given together or not at all");
  TermWeights weights;
  weights.count = static_cast<std::int32_t>(count_);
  std::size_t shared_bytes = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    check_term(terms[i], i);
    weights.weight[i] = terms[i].weight;
    const View& g = terms[i].batch.gradient;
    const bool shared = std::any_of(terms.begin(), terms.begin() + static_cast<std::ptrdiff_t>(i),
                                    [&](const LossTerm& t) { return g && t.batch.gradient.data == g.data; });
    if (shared) shared_bytes = std::max(shared_bytes, static_cast<std::size_t>(g.size()) * size_of(g.dtype));
  }
  if (shared_bytes > shared_gradient_.bytes()) shared_gradient_ = Buffer(*backend_, shared_bytes);

  const auto run_term = [&](const LossTerm& term, const LossBatch& batch, LossReport* report) {
    std::visit([&](const auto& loss) { backend_->loss(loss, batch, report); }, term.loss);
  };
  auto* const reports = reports_.as<LossReport>();
  float* const factors = factors_.as<float>();
  backend_->weigh_terms(weights, log_variances, factors);
  for (std::size_t i = 0; i < count_; ++i) {
    LossBatch batch = terms[i].batch;
    batch.upstream = ConstView(factors + i, 1);
    batch.scale = scale;
    const View target = batch.gradient;
    const auto* const first = terms.data();
    const auto* const earlier = std::find_if(
        first, first + i, [&](const LossTerm& t) { return target && t.batch.gradient.data == target.data; });
    if (earlier == first + i) {
      run_term(terms[i], batch, reports + i);
      continue;
    }
    const View& other = earlier->batch.gradient;
    if (other.rows != target.rows || other.cols != target.cols || other.dtype != target.dtype ||
        other.row_stride != target.row_stride || other.col_stride != target.col_stride)
      throw Error(Errc::bad_shape,
                  fmt::format("terms {} and {} share a gradient in different shapes", earlier - first, i));
    if (earlier->batch.prediction.data == target.data)
      throw Error(
          Errc::bad_argument,
          fmt::format("term {} needs the prediction, which term {} overwrites with its gradient", i, earlier - first));
    batch.gradient = View(shared_gradient_.data(), target.dtype, target.rows, target.cols, target.cols);
    run_term(terms[i], batch, reports + i);
    backend_->add(target, batch.gradient, reports + i);
  }
  backend_->add_terms(weights, reports, log_variances, log_variance_gradient, scale, total);
}

}  // namespace fuselage
