// The trainer's state out of the device and back into it.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "host/train/trainer_impl.h"

namespace fuselage {
namespace {

std::string shape_text(const std::vector<std::int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

/// The optimizer's part of a checkpoint: everything but the values.
TensorFile optimizer_part(const TensorFile& file, const Sequential& model) {
  TensorFile part;
  part.metadata = file.metadata;
  for (const auto& [name, array] : file.tensors) {
    const auto& places = model.tensors();
    if (std::none_of(places.begin(), places.end(), [&](const TensorPlace& place) { return place.name == name; }))
      part.tensors.emplace_back(name, array);
  }
  return part;
}

void check_values(const TensorFile& file, const Sequential& model) {
  for (const TensorPlace& place : model.tensors()) {
    const Array* found = file.find(place.name);
    if (!found) throw Error(Errc::mismatch, fmt::format("the checkpoint has no tensor '{}'", place.name));
    if (found->dtype() != DType::f32 || found->shape() != place.shape)
      throw Error(Errc::mismatch,
                  fmt::format("the checkpoint's tensor '{}' is {} {}, the model's is fp32 {}", place.name,
                              name_of(found->dtype()), shape_text(found->shape()), shape_text(place.shape)));
  }
}

/// The record and the optimizer's tensors count the same steps.
void check_counts(const Checkpoint& from) {
  const Array* counts = from.tensors.find("optimizer.step");
  if (!counts || counts->dtype() != DType::i64 || counts->size() != 2) return;  // the optimizer refuses it by name
  const auto tensor = counts->as<std::int64_t>();
  if (tensor[0] != from.step || tensor[1] != from.skipped)
    throw Error(Errc::mismatch,
                fmt::format("the checkpoint's record has {} steps and {} skipped ones, its 'optimizer.step' {} and {}",
                            from.step, from.skipped, tensor[0], tensor[1]));
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
  result.schedule = run.engine.schedule().to_string();
  result.metrics = texts_of(run.spec.metrics);
  result.gradient = to_string(run.spec.gradient);
  const DrawnFrom drawn = run.drawn.value_or(DrawnFrom{});
  result.samples = drawn.samples;
  result.batch_size = drawn.batch_size;
  result.seed = drawn.seed;
  result.shuffle = drawn.shuffle;
  result.at = run.at;
  result.totals = run.totals;
  result.history = run.history;

  Backend& backend = run.engine.backend();
  Sequential& model = run.engine.model();
  Optimizer& optimizer = run.engine.optimizer();
  StepState state;
  backend.copy(&state, optimizer.steps(), sizeof state);
  for (const TensorPlace& place : model.tensors()) {
    Array array = Array::uninitialized(DType::f32, place.shape);
    backend.copy(array.data(), model.values() + place.offset, static_cast<std::size_t>(array.bytes()));
    result.tensors.tensors.emplace_back(place.name, std::move(array));
  }
  TensorFile part = optimizer.save();  // waits for the copies before it as well
  result.tensors.metadata = std::move(part.metadata);
  for (auto& tensor : part.tensors) result.tensors.tensors.push_back(std::move(tensor));
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
  check_text("gradient options", from.gradient, to_string(run.spec.gradient));
  check_text("list of metrics", fmt::format("{}", fmt::join(from.metrics, " ")),
             fmt::format("{}", fmt::join(texts_of(run.spec.metrics), " ")));
  const ScheduleSpec schedule = ScheduleSpec::parse(from.schedule);
  if (!schedule.same_entries(run.spec.schedule)) check_text("schedule", from.schedule, run.spec.schedule.to_string());
  Sequential& model = run.engine.model();
  check_values(from.tensors, model);
  check_counts(from);
  run.engine.optimizer().load(optimizer_part(from.tensors, model));

  Backend& backend = run.engine.backend();
  for (const TensorPlace& place : model.tensors()) {
    const Array& array = from.tensors.at(place.name);
    backend.copy(model.values() + place.offset, array.data(), static_cast<std::size_t>(array.bytes()));
  }
  StepState state;
  backend.copy(&state, run.engine.optimizer().steps(), sizeof state);
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
