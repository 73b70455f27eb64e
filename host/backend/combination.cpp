// A sum of losses: the terms' passes between the kernels that weigh and add them.
#include "fuselage/combination.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/backend/loss_checks.h"
#include "host/backend/view_checks.h"

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
  try {
    if (const auto* const listed = std::get_if<AnyLoss>(&term.loss)) {
      Losses::check(*listed);
      check_loss(traits_of(*listed), Losses::name_of(*listed), term.batch);
    } else {
      const auto& own = std::get<CustomLoss>(term.loss);
      check_loss(own.traits(), own.name(), term.batch);
    }
  } catch (const Error& error) {
    refuse(error.code(), error.what());
  }
}

std::size_t checked_count(std::size_t terms) {
  if (terms == 0 || terms > static_cast<std::size_t>(kMaxTerms))
    throw Error(Errc::bad_argument, fmt::format("a sum of {} losses; expected 1 to {}", terms, kMaxTerms));
  return terms;
}

/// The first term whose gradient begins where that of term i does; i where none is before it.
std::size_t first_with_gradient(std::span<const LossTerm> terms, std::size_t i) {
  const View& g = terms[i].batch.gradient;
  std::size_t first = 0;
  while (first < i && !(g && terms[first].batch.gradient.data == g.data)) ++first;
  return first;
}

bool same_layout(const View& a, const View& b) {
  return a.rows == b.rows && a.cols == b.cols && a.dtype == b.dtype && a.row_stride == b.row_stride &&
         a.col_stride == b.col_stride && a.block == b.block && a.block_stride == b.block_stride;
}

LossTraits traits_of_term(const LossTerm& term) {
  const auto* const own = std::get_if<CustomLoss>(&term.loss);
  return own ? own->traits() : traits_of(std::get<AnyLoss>(term.loss));
}

/// Terms run one after another: what one has written, a later one neither reads nor writes, but for a shared gradient
/// and for counts, which add up.
void check_between(const LossTerm& before, std::size_t first, const LossTerm& after, std::size_t i) {
  const auto refuse = [&](std::string_view what, const BatchView& out) {
    throw Error(Errc::bad_argument, fmt::format("term {} ({}): {} overlaps the {} of term {}", i, name_of_loss(after),
                                                what, out.name, first));
  };
  const std::vector<BatchView> written = outputs_of(traits_of_term(before), before.batch),
                               read = inputs_of(traits_of_term(after), after.batch),
                               writes = outputs_of(traits_of_term(after), after.batch);
  for (std::size_t o = 0; o < written.size(); ++o) {
    const BatchView& out = written[o];
    if (!out.view) continue;
    for (const BatchView& in : read)
      if (in.view && meet(out.view, in.view)) refuse(in.name, out);
    for (std::size_t w = 0; w < writes.size(); ++w) {
      const bool adds = o == w && (o == 0 || o > 3) && same_places(out.view, writes[w].view);
      if (writes[w].view && !adds && meet(out.view, writes[w].view)) refuse(writes[w].name, out);
    }
  }
}

/// Term i adds its gradient to that of term `first`.
void check_shared(std::span<const LossTerm> terms, std::size_t first, std::size_t i) {
  const View &own = terms[i].batch.gradient, &other = terms[first].batch.gradient;
  if (!same_layout(own, other))
    throw Error(Errc::bad_shape, fmt::format("terms {} and {} share a gradient in different shapes", first, i));
  if (terms[first].batch.prediction.data == own.data)
    throw Error(Errc::bad_argument,
                fmt::format("term {} needs the prediction, which term {} overwrites with its gradient", i, first));
}

/// What the sum itself reads and writes, by name; empty where it is not given.
void check_own_memory(std::span<const LossTerm> terms, const LossReport* total, const float* log_variances,
                      const float* log_variance_gradient) {
  require_report(total);
  const auto count = static_cast<std::int64_t>(terms.size());
  const BatchView sum{bytes_of(total), "total report"},
      logs{{log_variances, DType::f32, 1, count, count}, "log variances", true},
      slopes{{log_variance_gradient, DType::f32, 1, count, count}, "log variances' gradient"};
  const auto apart = [](const BatchView& a, const BatchView& b) {
    if (a.view && b.view && overlap(a.view, b.view))
      throw Error(Errc::bad_argument,
                  fmt::format("the {} {} the {}", a.name, a.plural ? "overlap" : "overlaps", b.name));
  };
  apart(logs, slopes);
  apart(logs, sum);
  apart(slopes, sum);
  for (const LossTerm& term : terms) {
    for (const BatchView& out : outputs_of(traits_of_term(term), term.batch))
      for (const BatchView& own : {sum, logs, slopes}) apart(own, out);
    for (const BatchView& in : inputs_of(traits_of_term(term), term.batch))
      for (const BatchView& own : {sum, slopes}) apart(own, in);
  }
}

}  // namespace

CombinedLoss::CombinedLoss(Backend& backend, std::size_t terms)
    : backend_(&backend),
      count_(checked_count(terms)),
      reports_(backend, terms * sizeof(LossReport)),
      factors_(backend, terms * sizeof(float)) {}

void CombinedLoss::run(std::span<const LossTerm> terms, LossReport* total, float scale, const float* log_variances,
                       float* log_variance_gradient) {
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
    const std::size_t first = first_with_gradient(terms, i);
    if (first < i) check_shared(terms, first, i);
    for (std::size_t before = 0; before < i; ++before) check_between(terms[before], before, terms[i], i);
    if (first == i) continue;
    const View& g = terms[i].batch.gradient;
    shared_bytes = std::max(shared_bytes, static_cast<std::size_t>(g.size()) * size_of(g.dtype));
  }
  check_own_memory(terms, total, log_variances, log_variance_gradient);
  if (shared_bytes > shared_gradient_.bytes()) shared_gradient_ = Buffer(*backend_, shared_bytes);

  // Nothing has been queued so far, and nothing is refused from here on.
  auto* const reports = reports_.as<LossReport>();
  float* const factors = factors_.as<float>();
  backend_->weigh_terms(weights, log_variances, factors);
  for (std::size_t i = 0; i < count_; ++i) {
    LossBatch batch = terms[i].batch;
    batch.upstream = ConstView(factors + i, 1);
    batch.scale = scale;
    const View target = batch.gradient;
    const bool shared = first_with_gradient(terms, i) < i;
    if (shared) batch.gradient = View(shared_gradient_.data(), target.dtype, target.rows, target.cols, target.cols);
    std::visit([&](const auto& loss) { backend_->loss(loss, batch, reports + i); }, terms[i].loss);
    if (shared) backend_->add(target, batch.gradient, reports + i);
  }
  backend_->add_terms(weights, reports, log_variances, log_variance_gradient, scale, total);
}

}  // namespace fuselage
