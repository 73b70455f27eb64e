// The trainer's state out of the device and back into it.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "host/train/trainer_impl.h"

namespace fuselage {
namespace {

/// Every tensor of a trainer as (name in files, where it starts in device memory, place).
struct Stored {
  std::string name;
  float* data;
  const TensorPlace* place;
};

std::vector<Stored> stored_tensors(Sequential& model) {
  std::vector<Stored> result;
  for (const TensorPlace& tensor : model.tensors()) {
    result.push_back({tensor.name, model.values() + tensor.offset, &tensor});
    for (int s = 0; s < model.slots(); ++s)
      result.push_back({fmt::format("{}.state{}", tensor.name, s), model.state(s) + tensor.offset, &tensor});
  }
  return result;
}

std::string shape_text(const std::vector<std::int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

void check_tensors(const TensorFile& file, const std::vector<Stored>& wanted) {
  std::set<std::string> known;
  for (const Stored& tensor : wanted) {
    known.insert(tensor.name);
    const Array* found = file.find(tensor.name);
    if (!found) throw Error(Errc::mismatch, fmt::format("the checkpoint has no tensor '{}'", tensor.name));
    if (found->dtype() != DType::f32 || found->shape() != tensor.place->shape)
      throw Error(Errc::mismatch,
                  fmt::format("the checkpoint's tensor '{}' is {} {}, the model's is fp32 {}", tensor.name,
                              name_of(found->dtype()), shape_text(found->shape()), shape_text(tensor.place->shape)));
  }
  for (const auto& [name, array] : file.tensors)
    if (!known.count(name))
      throw Error(Errc::mismatch, fmt::format("the checkpoint has a tensor '{}', which the model has not", name));
}

void check_text(const char* what, const std::string& theirs, const std::string& ours) {
  if (theirs != ours)
    throw Error(Errc::mismatch, fmt::format("the checkpoint's {} is '{}', the trainer's is '{}'", what, theirs, ours));
}

std::vector<std::string> texts_of(const std::vector<AnyMetric>& metrics) {
  std::vector<std::string> texts;
  for (const AnyMetric& metric : metrics) texts.push_back(Metrics::to_string(metric));
  return texts;
}

}  // namespace

Checkpoint Trainer::snapshot() {
  Impl& run = *impl_;
  require(run.engine.waiting() == 0, Errc::bad_argument, "snapshot() while a step is under way; call finish() first");
  Checkpoint result;
  result.model = run.spec.model.to_string();
  result.loss = Losses::to_string(run.spec.loss);
  result.optimizer = run.spec.optimizer.to_string();
  result.schedule = Schedules::to_string(run.engine.schedule());
  result.metrics = texts_of(run.spec.metrics);
  const DrawnFrom drawn = run.drawn.value_or(DrawnFrom{});
  result.samples = drawn.samples;
  result.batch_size = drawn.batch_size;
  result.seed = drawn.seed;
  result.shuffle = drawn.shuffle;
  result.at = run.at;
  result.totals = run.totals;
  result.history = run.history;

  Backend& backend = run.engine.backend();
  StepState state;
  backend.copy(&state, run.engine.state(), sizeof state);
  for (const Stored& tensor : stored_tensors(run.engine.model())) {
    Array array = Array::uninitialized(DType::f32, tensor.place->shape);
    backend.copy(array.data(), tensor.data, static_cast<std::size_t>(array.bytes()));
    result.tensors.tensors.emplace_back(tensor.name, std::move(array));
  }
  backend.synchronize();
  result.step = state.step;
  result.skipped = state.skipped;
  result.lr = state.lr;
  return result;
}

void Trainer::restore(const Checkpoint& from) {
  Impl& run = *impl_;
  require(run.engine.waiting() == 0, Errc::bad_argument, "restore() while a step is under way; call finish() first");
  check_text("model", from.model, run.spec.model.to_string());
  check_text("loss", from.loss, Losses::to_string(run.spec.loss));
  check_text("optimizer", from.optimizer, run.spec.optimizer.to_string());
  check_text("list of metrics", fmt::format("{}", fmt::join(from.metrics, " ")),
             fmt::format("{}", fmt::join(texts_of(run.spec.metrics), " ")));
  const AnySchedule schedule = Schedules::parse(from.schedule, "schedule");
  if (schedule.index() != run.spec.schedule.index())
    check_text("schedule", from.schedule, Schedules::to_string(run.spec.schedule));
  const std::vector<Stored> wanted = stored_tensors(run.engine.model());
  check_tensors(from.tensors, wanted);

  Backend& backend = run.engine.backend();
  backend.synchronize();
  for (const Stored& tensor : wanted) {
    const Array& array = from.tensors.at(tensor.name);
    backend.copy(tensor.data, array.data(), static_cast<std::size_t>(array.bytes()));
  }
  const StepState state{from.step, from.skipped, from.lr};
  backend.copy(run.engine.state(), &state, sizeof state);
  backend.synchronize();
  run.last = state;
  run.engine.set_schedule(schedule);
  run.drawn.reset();
  if (from.samples > 0) run.drawn = DrawnFrom{from.samples, from.batch_size, from.seed, from.shuffle};
  run.at = from.at;
  run.totals = from.totals;
  run.history = from.history;
}

}  // namespace fuselage
