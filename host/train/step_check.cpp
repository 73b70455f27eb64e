// A step judged by the reference; see the header.
#include "host/train/step_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "fuselage/loss_pass.h"
#include "host/reference/definition.h"
#include "host/reference/reference.h"
#include "host/train/judge.h"
#include "host/train/tolerances.h"
#include "host/validate/problem.h"

namespace fuselage::train {
namespace {

std::vector<double> widen(const float* from, std::int64_t count) { return {from, from + count}; }

std::vector<float> download_floats(Backend& backend, const float* from, std::int64_t count) {
  std::vector<float> to(static_cast<std::size_t>(count));
  backend.copy(to.data(), from, to.size() * sizeof(float));
  backend.synchronize();
  return to;
}

reference::LossInput loss_input(const HostBatch& batch, const std::vector<float>& prediction, std::int64_t cols,
                                Reduction reduction) {
  reference::LossInput input;
  input.reduction = std::string(name_of(reduction));
  input.rows = batch.rows;
  input.cols = cols;
  input.prediction = {prediction.begin(), prediction.end()};
  if (batch.data.labels)
    input.labels = {batch.data.labels, batch.data.labels + batch.rows};
  else
    input.target = widen(batch.data.targets, batch.rows * cols);
  if (batch.data.weights) input.weight = widen(batch.data.weights, batch.rows);
  return input;
}

}  // namespace

StepCheck::StepCheck(StepEngine& engine, const TrainSpec& spec) : engine_(engine), spec_(spec), before_(download()) {}

StepCheck::Arenas StepCheck::download() const {
  Sequential& model = engine_.model();
  Backend& backend = engine_.backend();
  Arenas result;
  result.values = download_floats(backend, model.values(), model.arena_size());
  for (const Parameter& p : engine_.optimizer().parameters()) {
    auto& slots = result.states.emplace_back();
    for (const float* state : p.state) {
      slots.emplace_back();
      if (state) slots.back() = download_floats(backend, state, p.size);
    }
    if (p.kept) backend.copy(&result.kept.emplace_back(), p.kept, sizeof(double));
    backend.synchronize();
  }
  backend.copy(&result.step, engine_.optimizer().steps(), sizeof(StepState));
  backend.copy(&result.group, engine_.optimizer().group_states(), sizeof(GroupState));
  backend.synchronize();
  return result;
}

void StepCheck::after_loss(const HostBatch& batch, const float* prediction, const LossReport* report) {
  Backend& backend = engine_.backend();
  const std::int64_t cols = spec_.model.outputs(), step = before_.step.step + 1;
  const std::vector<float> gradient = download_floats(backend, engine_.model().output_gradient(), batch.rows * cols);
  backend.copy(&report_, report, sizeof(LossReport));
  backend.synchronize();

  const reference::Options options = validate::reference_options(spec_.loss);
  reference::LossInput input =
      loss_input(batch, download_floats(backend, prediction, batch.rows * cols), cols, spec_.reduction);
  input.ignore_index = ignored_label(spec_.loss);
  const reference::LossOutput want = reference::loss(Losses::name_of(spec_.loss), options, input);
  if (report_.count != want.count || report_.bad_labels != want.bad_labels)
    throw Error(Errc::mismatch, fmt::format("validation of step {}: the loss counts {} outputs and {} bad labels, the "
                                            "reference {} and {}",
                                            step, report_.count, report_.bad_labels, want.count, want.bad_labels));
  if (report_.bad_labels > 0) return;  // an error of the caller's; what such a pass gives is bound by no formula
  Judge value("the loss", kLossUlp);
  value.see(report_.value, want.value, ulp_at(std::max(std::fabs(want.value), want.magnitude)),
            [] { return std::string("value"); });
  value.conclude(step);
  Judge judge("the gradient of the loss", kLossUlp);
  const double upstream = spec_.gradient.loss_scale > 0 ? before_.step.loss_scale : 1;
  for (std::int64_t r = 0; r < batch.rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c) {
      const std::size_t i = static_cast<std::size_t>(r * cols + c);
      const double scale = upstream * std::max(std::fabs(want.gradient[i]), want.gradient_terms[0][i]);
      judge.see(gradient[i], upstream * want.gradient[i], ulp_at(scale),
                [&] { return fmt::format("at row {}, column {}", r, c); });
    }
  }
  judge.conclude(step);
}

void StepCheck::after_update() {
  const Arenas after = download();
  if (report_.rejected || !prepare_gradients()) return judge_untouched(after);

  const double factor = validate::reference_factor(engine_.schedule(), before_.step.step, before_.group.plateau);
  const double whole = spec_.optimizer.lr(), lr = whole * factor;
  Judge rate("the learning rate", kRateUlp);
  rate.see(after.step.lr, lr, std::max({whole, lr, 1e-300}) * 0x1p-52, [] { return std::string(); });
  rate.conclude(before_.step.step + 1);
  if (after.step.step != before_.step.step + 1 || after.step.skipped != before_.step.skipped)
    throw Error(Errc::mismatch, fmt::format("validation of step {}: the step counter went from {} to {}",
                                            before_.step.step + 1, before_.step.step, after.step.step));
  for (std::size_t t = 0; t < engine_.model().tensors().size(); ++t) judge_tensor(t, after);
}

/// What is left of the gradients when the rules see them; false where the step is to be skipped.
bool StepCheck::prepare_gradients() {
  const Sequential& model = engine_.model();
  const std::vector<float> arena = download_floats(engine_.backend(), model.gradients(), model.arena_size());
  for (const TensorPlace& tensor : model.tensors())
    gradients_.push_back(widen(arena.data() + tensor.offset, tensor.size));
  const reference::GradientNorms found =
      reference::prepare_gradients(validate::reference_options(spec_.gradient), before_.step.loss_scale, gradients_);
  return !spec_.gradient.passes() || found.nonfinite == 0;
}

void StepCheck::judge_untouched(const Arenas& after) const {
  const auto same = [](const std::vector<float>& a, const std::vector<float>& b) {
    return a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
  };
  bool untouched = same(after.values, before_.values) && after.step.step == before_.step.step &&
                   after.kept == before_.kept && std::memcmp(&after.group, &before_.group, sizeof(GroupState)) == 0;
  for (std::size_t t = 0; t < after.states.size(); ++t)
    for (std::size_t s = 0; s < after.states[t].size(); ++s)
      untouched &= same(after.states[t][s], before_.states[t][s]);
  if (!untouched || after.step.skipped != before_.step.skipped + 1)
    throw Error(Errc::mismatch, fmt::format("validation of step {}: the step was to be skipped, and parameters, states "
                                            "or the step counter changed",
                                            before_.step.step + 1));
}

void StepCheck::judge_tensor(std::size_t t, const Arenas& after) const {
  const TensorPlace& tensor = engine_.model().tensors()[t];
  const std::string_view rule = Optimizers::name_of(spec_.optimizer.rule);
  const reference::Options options = validate::reference_options(spec_.optimizer);
  const std::int64_t step = before_.step.step + 1;
  const auto part = [&](const std::vector<float>& arena) { return widen(arena.data() + tensor.offset, tensor.size); };
  const std::size_t slots = static_cast<std::size_t>(reference::state_count(rule)),
                    n = static_cast<std::size_t>(tensor.size);

  struct Step {
    std::vector<double> p, g;
    std::vector<std::vector<double>> state;
    reference::Memory memory;
  };
  Step start{part(before_.values), gradients_[t], {}, {}};
  for (std::size_t s = 0; s < slots; ++s) {
    const std::vector<float>& state = before_.states[t][s];
    start.state.push_back(state.empty() ? std::vector<double>(n, 0.0) : widen(state.data(), tensor.size));
  }
  std::copy(std::begin(before_.group.memory), std::end(before_.group.memory), start.memory.group);
  if (!before_.kept.empty()) start.memory.tensor = before_.kept[t];
  const auto replay = [&](Step from) {
    reference::step(rule, options, step, after.step.lr, from.p, from.g, from.state, from.memory);
    return from;
  };
  const Step want = replay(start);

  // What one ulp in the gradient or in a state does to the result.
  std::vector<Step> nudged(1 + slots, start);
  const UpdateOptions& update = spec_.optimizer.options;
  for (std::size_t i = 0; i < n; ++i) {
    nudged[0].g[i] += ulp_at(std::max({std::fabs(start.g[i]), update.l2 * std::fabs(start.p[i]), update.l1}));
    for (std::size_t s = 0; s < slots; ++s) nudged[1 + s].state[s][i] += ulp_at(start.state[s][i]);
  }
  for (Step& step_from : nudged) step_from = replay(std::move(step_from));

  const auto judge = [&](const std::string& what, const float* got, auto&& pick) {
    Judge worst(what, kUpdateUlp);
    for (std::size_t i = 0; i < n; ++i) {
      const double wanted = pick(want)[i];
      double unit = ulp_at(std::max(std::fabs(wanted), std::fabs(pick(start)[i])));
      for (const Step& other : nudged) unit += std::fabs(pick(other)[i] - wanted);
      worst.see(got[i], wanted, unit, [&] { return fmt::format("{}[{}]", tensor.name, i); });
    }
    worst.conclude(step);
  };
  judge("parameter", after.values.data() + tensor.offset,
        [](const Step& s) -> const std::vector<double>& { return s.p; });
  for (std::size_t s = 0; s < slots; ++s)
    if (!after.states[t][s].empty())
      judge(fmt::format("state {} of", s), after.states[t][s].data(),
            [s](const Step& x) -> const std::vector<double>& { return x.state[s]; });
}

}  // namespace fuselage::train
