// The trainer's construction, its step, evaluation and prediction.
#include <fmt/format.h>

#include "host/train/step_check.h"
#include "host/train/trainer_impl.h"

namespace fuselage {
namespace {

/// Whether a metric can be measured beside a loss.
void check_metric(const AnyMetric& metric, const AnyLoss& loss) {
  MetricRequest request;
  std::visit([&](const auto& m) { m.request(request); }, metric);
  const LossTraits traits = traits_of(loss);
  const bool fits = (!request.accuracy || traits.decides()) && (request.top_k == 0 || traits.has_classes()) &&
                    (!request.errors || traits.elementwise) && (!request.decisions || traits.binary());
  if (!fits)
    throw Error(Errc::bad_argument, fmt::format("metric {} cannot be measured with loss {}", Metrics::name_of(metric),
                                                Losses::name_of(loss)));
}

/// Whether a model with one output can be trained with a loss.
void check_loss(const AnyLoss& loss) {
  const LossTraits traits = traits_of(loss);
  const auto refuse = [&](std::string_view why) {
    throw Error(Errc::bad_argument, fmt::format("loss {} {}", Losses::name_of(loss), why));
  };
  if (traits.inputs.count() > 1)
    refuse(fmt::format("takes {} and {}{}{}; the model has one output", traits.inputs.prediction, traits.inputs.second,
                       traits.inputs.third.empty() ? "" : " and ", traits.inputs.third));
  if (!traits.elementwise && traits.target == RowTarget::single)
    refuse("takes one number for each row as its target, which data sets do not have");
}

TrainSpec checked(TrainSpec spec) {
  spec.model.check();
  Losses::check(spec.loss);
  check_loss(spec.loss);
  spec.optimizer.check();
  spec.schedule.check();
  detail::check_fields(spec.gradient);
  require(spec.gradient.loss_scale == 0 || spec.non_finite == NonFinite::skip, Errc::bad_argument,
          "a loss scale skips steps whose gradient is not finite: non_finite must be skip");
  require(spec.gradient.nonfinite != BadGradient::stop || spec.non_finite != NonFinite::skip, Errc::bad_argument,
          "nonfinite=stop of the gradients holds every later step: non_finite must be raise or stop");
  std::int64_t top_k = 0;
  for (const AnyMetric& metric : spec.metrics) {
    Metrics::check(metric);
    check_metric(metric, spec.loss);
    if (const auto* m = std::get_if<metric::TopK>(&metric)) {
      require(top_k == 0 || top_k == m->k, Errc::bad_argument, "metric top_k can be measured for one k only");
      top_k = m->k;
    }
  }
  require(spec.reduction != Reduction::none, Errc::bad_argument, "a training loss has one value: reduction is none");
  require(spec.validate_every >= 0, Errc::bad_argument, "validate_every is negative");
  return spec;
}

std::string place_of(const train::QueuedReport& queued, std::int64_t row) {
  std::string text = fmt::format("row {} of the batch at epoch {}, position {}", row, queued.report.at.epoch + 1,
                                 queued.report.at.position);
  if (row >= 0 && row < static_cast<std::int64_t>(queued.indices.size()))
    text = fmt::format("sample {} ({})", queued.indices[static_cast<std::size_t>(row)], text);
  return text;
}

}  // namespace

TrainSpec TrainSpec::parse(ModelSpec model, std::string_view loss, std::string_view optimizer,
                           std::string_view schedule, const std::vector<std::string>& metrics) {
  TrainSpec spec;
  spec.model = std::move(model);
  spec.loss = Losses::parse(loss, "loss");
  spec.optimizer = OptimizerSpec::parse(optimizer);
  spec.schedule = ScheduleSpec::parse(schedule);
  for (const std::string& metric : metrics) spec.metrics.push_back(Metrics::parse(metric, "metric"));
  return spec;
}

Trainer::Trainer(Backend& backend, TrainSpec spec) : impl_(std::make_unique<Impl>(backend, checked(std::move(spec)))) {}
Trainer::~Trainer() = default;
Trainer::Trainer(Trainer&&) noexcept = default;
Trainer& Trainer::operator=(Trainer&&) noexcept = default;

const TrainSpec& Trainer::spec() const { return impl_->spec; }
Sequential& Trainer::model() { return impl_->engine.model(); }
const History& Trainer::history() const { return impl_->history; }

std::int64_t nonfinite_of(const StepReport& step) {
  return step.loss.nonfinite > 0 ? step.loss.nonfinite : step.state.nonfinite;
}

std::optional<StepReport> Trainer::Impl::judge(const train::QueuedReport& queued) {
  const StepReport& report = queued.report;
  last = report.state;
  if (report.loss.bad_labels > 0)
    throw Error(Errc::bad_label,
                fmt::format("label {} of {} is outside [0, {}); {} bad labels in this batch, which changed nothing",
                            report.loss.first_bad_label, place_of(queued, report.loss.first_bad_row),
                            spec.model.outputs(), report.loss.bad_labels));
  const std::int64_t nonfinite = nonfinite_of(report);
  if (nonfinite > 0 && spec.non_finite == NonFinite::raise)
    throw Error(Errc::non_finite,
                fmt::format("{} elements of the gradient are not finite in the batch at epoch {}, position {}, after "
                            "{} updates (loss {}, learning rate {:g}); the parameters are as they were before it",
                            nonfinite, report.at.epoch + 1, report.at.position, report.state.step, report.loss.value,
                            report.state.lr));
  return report;
}

std::optional<StepReport> Trainer::Impl::step(const HostBatch& batch) {
  const std::int64_t made = last.step + last.skipped + engine.waiting() + 1;  // this step's number
  if (spec.validate_every > 0 && made % spec.validate_every == 0) {
    train::StepCheck check(engine, spec);
    engine.queue_step(
        batch, [&](const float* prediction, const LossReport* report) { check.after_loss(batch, prediction, report); });
    check.after_update();
  } else {
    engine.queue_step(batch);
  }
  std::optional<StepReport> report;
  if (engine.waiting() == 2) report = judge(engine.read());
  engine.release_batch();
  return report;
}

std::optional<StepReport> Trainer::Impl::finish() {
  if (engine.waiting() == 0) return std::nullopt;
  return judge(engine.read());
}

std::optional<StepReport> Trainer::step(const HostBatch& batch) {
  try {
    return impl_->step(batch);
  } catch (...) {
    impl_->engine.drain();
    throw;
  }
}

std::optional<StepReport> Trainer::finish() { return impl_->finish(); }

void Trainer::Impl::check_data(const Dataset& data) const {
  const ModelSpec& model = spec.model;
  if (data.feature_size() != model.inputs)
    throw Error(Errc::bad_shape, fmt::format("the data have {} features for each sample, the model takes {}",
                                             data.feature_size(), model.inputs));
  if (data.has_labels() ? data.classes() > model.outputs() : data.target_size() != model.outputs())
    throw Error(Errc::bad_shape,
                fmt::format("the data have {} {}, the model has {} outputs",
                            data.has_labels() ? data.classes() : data.target_size(),
                            data.has_labels() ? "classes" : "targets for each sample", model.outputs()));
}

LoaderOptions Trainer::Impl::loader_options(std::int64_t batch_size, bool shuffle, std::uint64_t seed) {
  Backend& backend = engine.backend();
  LoaderOptions options;
  options.batch_size = batch_size;
  options.seed = seed;
  options.shuffle = shuffle;
  options.allocator.allocate = [&backend](std::size_t bytes) { return backend.allocate(bytes, Buffer::Kind::host); };
  options.allocator.release = [&backend](void* data) { backend.release(data, Buffer::Kind::host); };
  return options;
}

Scores Trainer::Impl::evaluate(const Dataset& data, std::int64_t batch_size) {
  check_data(data);
  require(engine.waiting() == 0, Errc::bad_argument, "evaluate() while a step is under way; call finish() first");
  Loader loader(data, loader_options(batch_size, false, 0));
  LossReport totals;
  const auto read = [&] {
    const train::QueuedReport& queued = engine.read();
    const LossReport& found = queued.report.loss;
    if (found.bad_labels > 0)
      throw Error(Errc::bad_label,
                  fmt::format("label {} of {} of the evaluated data is outside [0, {})", found.first_bad_label,
                              place_of(queued, found.first_bad_row), spec.model.outputs()));
    add_report(totals, found);
  };
  try {
    for (HostBatch batch; loader.next(batch);) {
      engine.queue_evaluation(batch);
      if (engine.waiting() == 2) read();
      engine.release_batch();
    }
    while (engine.waiting() > 0) read();
  } catch (...) {
    engine.drain();
    throw;
  }
  return scores_of(totals, spec.metrics);
}

Scores Trainer::evaluate(const Dataset& data, std::int64_t batch_size) { return impl_->evaluate(data, batch_size); }

Array Trainer::predict(const Dataset& data, std::int64_t batch_size) {
  const ModelSpec& model = impl_->spec.model;
  if (data.feature_size() != model.inputs) impl_->check_data(data);
  require(impl_->engine.waiting() == 0, Errc::bad_argument, "predict() while a step is under way; call finish() first");
  Array result(DType::f32, {data.size(), model.outputs()});
  Loader loader(data, impl_->loader_options(batch_size, false, 0));
  for (HostBatch batch; loader.next(batch);)
    impl_->engine.predict(batch, result.as<float>().data() + batch.position * model.outputs());
  return result;
}

}  // namespace fuselage
