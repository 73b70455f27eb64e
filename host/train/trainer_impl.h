// What a Trainer is made of.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "fuselage/train.h"
#include "host/train/step_engine.h"

namespace fuselage {

/// How the samples of a run are drawn; part of what a resumed run must share with the run before.
struct DrawnFrom {
  std::int64_t samples = 0, batch_size = 0;
  std::uint64_t seed = 0;
  bool shuffle = true;
  friend bool operator==(const DrawnFrom&, const DrawnFrom&) = default;
};

/// Elements of a step's gradients that are not finite: of the loss, or else of the parameters.
std::int64_t nonfinite_of(const StepReport& step);

struct Trainer::Impl {
  Impl(Backend& backend, TrainSpec&& train_spec) : spec(std::move(train_spec)), engine(backend, spec) {}

  /// Throws for what a report says, unless the policy is to go on.
  std::optional<StepReport> judge(const train::QueuedReport& queued);
  std::optional<StepReport> step(const HostBatch& batch);
  std::optional<StepReport> finish();
  void check_data(const Dataset& data) const;
  void begin_run(const Dataset& data, const FitOptions& options);
  bool account(const std::optional<StepReport>& report, const FitOptions& options);
  Scores evaluate(const Dataset& data, std::int64_t batch_size);
  LoaderOptions loader_options(std::int64_t batch_size, bool shuffle, std::uint64_t seed);
  bool train_epoch(Loader& loader, std::int64_t samples, const FitOptions& options, const std::function<void()>& save);
  void close_epoch(std::int64_t samples, const FitOptions& options, double began);

  TrainSpec spec;
  train::StepEngine engine;
  StepState last;  ///< of the report read last

  // The run's progress.
  std::optional<DrawnFrom> drawn;  ///< of the run that was begun or restored
  LoaderState at;                  ///< the next batch
  LossReport totals;               ///< of the running epoch
  History history;
};

}  // namespace fuselage
