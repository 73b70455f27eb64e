// Queues whole steps; see the header.
#include "host/train/step_engine.h"

#include <fmt/format.h>

#include <algorithm>

namespace fuselage::train {
namespace {

/// As it lands in pinned memory.
struct Landing {
  LossReport loss;
  StepState state;
};

}  // namespace

struct StepEngine::Slot {
  Buffer x, target, weight;  // empty where the device reads the host's memory
  Buffer report, landing;
  std::unique_ptr<Event> copied, done;
  QueuedReport result;
};

/// A batch where the device can read it.
struct StepEngine::Inputs {
  std::int64_t rows;
  const float* x;
  ConstView target, weight;
};

/// Steps of one shape in one slot: the first is run, the second captured.
struct StepEngine::Captured {
  std::size_t slot;
  std::int64_t rows;
  bool labels, weighted;
  std::unique_ptr<Graph> graph;
};

StepEngine::StepEngine(Backend& backend, const TrainSpec& spec)
    : backend_(backend),
      spec_(spec),
      model_(backend, spec.model),
      optimizer_(backend, model_.trainables(), ParameterGroup{spec.optimizer, spec.schedule}, spec.gradient) {
  for (const AnyMetric& metric : spec_.metrics) std::visit([&](const auto& m) { m.request(metrics_); }, metric);
  slots_.resize(2);
  for (Slot& slot : slots_) {
    slot.report = Buffer(backend_, sizeof(LossReport));
    slot.landing = Buffer(backend_, sizeof(Landing), Buffer::Kind::host);
    slot.copied = backend_.make_event();
    slot.done = backend_.make_event();
  }
}

StepEngine::~StepEngine() { drain(); }

void StepEngine::set_schedule(const ScheduleSpec& schedule) {
  ParameterGroup group = optimizer_.groups()[0];
  group.schedule = schedule;
  optimizer_.set_groups({&group, 1});
}

void StepEngine::observe(double value) {
  if (!schedule().has_plateau()) return;
  if (observed_.bytes() == 0) observed_ = Buffer(backend_, sizeof(double));
  backend_.copy(observed_.data(), &value, sizeof value);
  optimizer_.observe(observed_.as<double>());
}

void StepEngine::check(const HostBatch& batch) const {
  const ModelSpec& model = spec_.model;
  require(batch.rows > 0, Errc::bad_shape, "a batch has no rows");
  require(batch.data.x, Errc::bad_argument, "a batch has no features");
  const bool takes_labels = traits_of(spec_.loss).has_classes();
  if (!batch.data.labels && !batch.data.targets)
    throw Error(Errc::bad_argument, "a batch has neither class labels nor real targets");
  if (!takes_labels && !batch.data.targets)
    throw Error(Errc::bad_shape, fmt::format("loss {} needs real targets [rows, {}], and the data have class labels",
                                             Losses::name_of(spec_.loss), model.outputs()));
  if (traits_of(spec_.loss).target == RowTarget::labels && !batch.data.labels)
    throw Error(Errc::bad_shape,
                fmt::format("loss {} needs class labels, and the data have real targets", Losses::name_of(spec_.loss)));
}

void StepEngine::reserve(std::int64_t rows) {
  if (rows <= model_.reserved()) return;
  require(waiting_ == 0, Errc::bad_argument, "a larger batch came while a step was under way; call finish() first");
  captured_.clear();
  model_.reserve(rows);
  if (backend_.host_accessible()) return;
  const auto bytes = [&](std::int64_t width) { return static_cast<std::size_t>(rows * width) * sizeof(float); };
  for (Slot& slot : slots_) {
    slot.x = Buffer(backend_, bytes(spec_.model.inputs));
    slot.target = Buffer(backend_, bytes(spec_.model.outputs()));
    slot.weight = Buffer(backend_, bytes(1));
  }
}

StepEngine::Inputs StepEngine::stage(Slot& slot, const HostBatch& batch) {
  const std::int64_t n = batch.rows, outputs = spec_.model.outputs();
  const BatchBuffers& host = batch.data;
  const float *x = host.x, *targets = host.targets, *weights = host.weights;
  const std::int32_t* labels = host.labels;
  if (!backend_.host_accessible()) {
    const auto copy = [&](const Buffer& to, const void* from, std::int64_t count) {
      if (from) backend_.copy(to.data(), from, static_cast<std::size_t>(count) * 4, Backend::Queue::copy);
    };
    copy(slot.x, host.x, n * spec_.model.inputs);
    copy(slot.target, labels ? static_cast<const void*>(labels) : targets, labels ? n : n * outputs);
    copy(slot.weight, weights, n);
    backend_.record(*slot.copied, Backend::Queue::copy);
    backend_.wait(*slot.copied);
    x = slot.x.as<float>();
    labels = labels ? slot.target.as<std::int32_t>() : nullptr;
    targets = slot.target.as<float>();
    weights = weights ? slot.weight.as<float>() : nullptr;
  }
  return {n, x, labels ? ConstView(labels, n) : ConstView(targets, n, outputs),
          weights ? ConstView(weights, n) : ConstView()};
}

void StepEngine::program(Slot& slot, const Inputs& inputs, Kind kind, const AfterLoss& after_loss) {
  const std::int64_t outputs = spec_.model.outputs();
  const bool training = kind == Kind::training;
  LossReport* report = slot.report.as<LossReport>();
  const float* prediction = model_.forward(inputs.x, inputs.rows);
  LossBatch pass;
  pass.prediction = ConstView(prediction, inputs.rows, outputs);
  pass.target = inputs.target;
  pass.weight = inputs.weight;
  pass.metrics = metrics_;
  pass.reduction = spec_.reduction;
  if (training) {
    pass.gradient = View(model_.output_gradient(), inputs.rows, outputs);
    pass.upstream = optimizer_.loss_scale();
  }
  backend_.loss(spec_.loss, pass, report);
  if (after_loss) after_loss(prediction, report);
  if (training) {
    model_.backward(inputs.x, inputs.rows);
    optimizer_.step(report);
  }
  Landing* landing = slot.landing.as<Landing>();
  backend_.copy(&landing->loss, report, sizeof(LossReport));
  backend_.copy(&landing->state, optimizer_.steps(), sizeof(StepState));
}

std::unique_ptr<Graph> StepEngine::capture(Slot& slot, const Inputs& inputs) {
  backend_.begin_capture();
  try {
    program(slot, inputs, Kind::training, {});
  } catch (...) {
    try {
      backend_.end_capture();  // a queue that goes on recording would be of no use to anybody
    } catch (const Error&) {   // the first error is the one to tell
    }
    throw;
  }
  return backend_.end_capture();
}

void StepEngine::run_or_replay(std::size_t slot, const Inputs& inputs) {
  const bool labels = is_label(inputs.target.dtype), weighted = bool(inputs.weight);
  const auto same = [&](const Captured& c) {
    return c.slot == slot && c.rows == inputs.rows && c.labels == labels && c.weighted == weighted;
  };
  const auto found = std::find_if(captured_.begin(), captured_.end(), same);
  if (found == captured_.end()) {
    program(slots_[slot], inputs, Kind::training, {});  // libraries choose and load their kernels in this one
    captured_.push_back({slot, inputs.rows, labels, weighted, nullptr});
    return;
  }
  if (!found->graph) {
    found->graph = capture(slots_[slot], inputs);
  }
  backend_.replay(*found->graph);
}

void StepEngine::queue(const HostBatch& batch, Kind kind, const AfterLoss& after_loss) {
  check(batch);
  reserve(batch.rows);
  Slot& slot = slots_[next_];
  const Inputs inputs = stage(slot, batch);
  if (kind == Kind::training && !after_loss && backend_.can_capture() && !backend_.host_accessible())
    run_or_replay(next_, inputs);
  else
    program(slot, inputs, kind, after_loss);
  backend_.record(*slot.done);
  slot.result.report.rows = batch.rows;
  slot.result.report.at = {batch.epoch, batch.position};
  slot.result.indices.assign(batch.indices.begin(), batch.indices.end());
  next_ ^= 1;
  ++waiting_;
}

void StepEngine::queue_step(const HostBatch& batch, const AfterLoss& after_loss) {
  queue(batch, Kind::training, after_loss);
}

void StepEngine::queue_evaluation(const HostBatch& batch) { queue(batch, Kind::evaluation, {}); }

void StepEngine::predict(const HostBatch& batch, float* to) {
  require(batch.rows > 0 && batch.data.x, Errc::bad_shape, "a batch has no rows or no features");
  reserve(batch.rows);
  Slot& slot = slots_[next_];
  const float* prediction = model_.forward(stage(slot, batch).x, batch.rows);
  backend_.copy(to, prediction, static_cast<std::size_t>(batch.rows * spec_.model.outputs()) * sizeof(float));
  backend_.synchronize();
}

void StepEngine::release_batch() {
  if (!backend_.host_accessible()) backend_.synchronize(*slots_[next_ ^ 1].copied);
}

const QueuedReport& StepEngine::read() {
  require(waiting_ > 0, Errc::bad_argument, "no report is waiting");
  Slot& slot = slots_[waiting_ == 2 ? next_ : next_ ^ 1];
  backend_.synchronize(*slot.done);
  --waiting_;
  const Landing& landing = *slot.landing.as<Landing>();
  slot.result.report.loss = landing.loss;
  slot.result.report.state = landing.state;
  return slot.result;
}

void StepEngine::drain() noexcept {
  try {
    backend_.synchronize();
  } catch (const std::exception&) {  // a device that failed has nothing left to wait for
  }
  waiting_ = 0;
}

}  // namespace fuselage::train
