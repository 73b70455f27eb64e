// The trainer: one step, an epoch, a run.
//
//   auto backend = fuselage::make_backend("auto");
//   fuselage::Trainer trainer(*backend, {784, {{128, "relu"}, 10}}, "softmax_cross_entropy", "adamw:lr=1e-3",
//                             "constant", {"accuracy"});
//   trainer.fit(training_set, {.epochs = 5, .batch_size = 128, .validation = &test_set});
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fuselage/backend.h"
#include "fuselage/checkpoint.h"
#include "fuselage/data.h"
#include "fuselage/history.h"
#include "fuselage/metrics.h"
#include "fuselage/nn.h"

namespace fuselage {

/// What becomes of a step whose gradient is not finite, be it that of the loss or, where TrainSpec::gradient looks at
/// them, one of the parameters. It changes no parameter and no state, whatever the policy.
enum class NonFinite : std::uint8_t {
  raise,  ///< Error(non_finite)
  skip,   ///< goes on; EpochRecord::skipped counts
  stop,   ///< fit() ends after the step with RunEnd::non_finite
};

constexpr std::string_view name_of(NonFinite policy) {
  constexpr std::string_view names[] = {"raise", "skip", "stop"};
  return names[static_cast<int>(policy)];
}

/// What is trained, and by which rule. Every entry can be made from its text form.
struct TrainSpec {
  ModelSpec model;
  AnyLoss loss;
  OptimizerSpec optimizer;
  ScheduleSpec schedule;
  std::vector<AnyMetric> metrics;
  GradientOptions gradient;  ///< a loss scale needs non_finite = skip: its steps are skipped to find it
  NonFinite non_finite = NonFinite::raise;
  Reduction reduction = Reduction::mean;  ///< of the training loss, not `none`; scores are weighted means all the same
  /// Every so many steps, loss, gradient and update are replayed by the reference in double from what the step read;
  /// where a result is off by more than the budget of host/train/tolerances.h, Error(mismatch) names the worst element.
  /// 0: never. A step that is replayed waits for the device.
  std::int64_t validate_every = 0;

  /// Throws Error(unknown_name) or Error(bad_argument) as the lists do.
  static TrainSpec parse(ModelSpec model, std::string_view loss, std::string_view optimizer,
                         std::string_view schedule = "constant", const std::vector<std::string>& metrics = {});
};

/// A step as it was found one step later.
struct StepReport {
  LossReport loss;
  StepState state;
  std::int64_t rows = 0;
  LoaderState at;  ///< the batch's epoch and position
};

/// Why fit() came back.
enum class RunEnd : std::uint8_t {
  done,        ///< all epochs are made
  callback,    ///< on_epoch asked for it
  non_finite,  ///< a step whose gradient is not finite, and the policy is to stop
};

struct FitOptions {
  std::int64_t epochs = 1;  ///< where the run ends, counted from its beginning: a resumed run makes what is left
  std::int64_t batch_size = 32;
  std::uint64_t seed = 0;  ///< of the order of the samples
  bool shuffle = true;
  const Dataset* validation = nullptr;  ///< evaluated after every epoch
  std::filesystem::path checkpoint{};   ///< folder for checkpoints; empty: none
  std::int64_t checkpoint_every = 0;    ///< steps between two checkpoints; one is written after each epoch in any case
  /// Called once, when options and data have been checked and before the first step: what must not happen for a run
  /// that is refused.
  std::function<void()> on_start{};
  /// Called after every epoch and its checkpoint; false ends the run.
  std::function<bool(const EpochRecord&)> on_epoch{};
  /// Called for every step, one step late, with the sums of the epoch so far.
  std::function<void(const StepReport&, const LossReport& totals)> on_step{};
};

/// Owns a model, its optimizer state and the progress of its run. Used by one thread; the backend must outlive it.
class Trainer {
 public:
  Trainer(Backend& backend, TrainSpec spec);
  /// The same with everything but the model in its text form.
  Trainer(Backend& backend, ModelSpec model, std::string_view loss, std::string_view optimizer,
          std::string_view schedule = "constant", const std::vector<std::string>& metrics = {})
      : Trainer(backend, TrainSpec::parse(std::move(model), loss, optimizer, schedule, metrics)) {}
  ~Trainer();
  Trainer(Trainer&&) noexcept;
  Trainer& operator=(Trainer&&) noexcept;

  const TrainSpec& spec() const;
  Sequential& model();

  /// Queues one step on a batch in the host's memory, which may be reused when the call returns, and gives the report
  /// of the step before (none for the first). What that step found is judged then: Error(bad_label) names the sample,
  /// Error(non_finite) the step. Throws Error(bad_shape) for a batch that does not fit before anything is queued.
  std::optional<StepReport> step(const HostBatch& batch);
  /// Waits for the last step and gives its report, judged likewise; none when it was given already.
  std::optional<StepReport> finish();

  /// Runs from where the trainer stands to the end of epoch `options.epochs`. Where a schedule's `total` is 0
  /// it takes the steps that its phase has of the whole run. Where it has a plateau, that observes the mean loss of
  /// each epoch: of the validation, or without one of the training. Throws Error(bad_shape) for data that do not fit
  /// the model, Error(mismatch) when the trainer was restored from a run with other data, batches, seed or schedule.
  RunEnd fit(const Dataset& data, const FitOptions& options);
  /// Every epoch that fit() completed.
  const History& history() const;

  /// Loss and metrics over a dataset, in its order; changes nothing.
  Scores evaluate(const Dataset& data, std::int64_t batch_size = 1024);
  /// Predictions [size, outputs] for a dataset, in its order.
  Array predict(const Dataset& data, std::int64_t batch_size = 1024);

  /// Everything that the run needs to go on; waits for the device.
  Checkpoint snapshot();
  /// Goes on from a snapshot. Throws Error(mismatch) naming the first thing that differs: the model, the optimizer, the
  /// loss, a tensor that is missing, unknown or of another shape. The trainer then is as it was.
  void restore(const Checkpoint& checkpoint);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fuselage
