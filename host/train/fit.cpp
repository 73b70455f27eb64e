// The loop over epochs: where a run begins, its steps, the end of an epoch.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "host/train/trainer_impl.h"

namespace fuselage {
namespace {

constexpr std::int64_t kEvaluationRows = 1024;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void check_options(const FitOptions& options) {
  const auto check = [](const char* name, std::int64_t value, std::int64_t least) {
    if (value < least) throw Error(Errc::bad_argument, fmt::format("{} = {} is below {}", name, value, least));
  };
  check("epochs", options.epochs, 0);
  check("batch_size", options.batch_size, 1);
  check("checkpoint_every", options.checkpoint_every, 0);
}

}  // namespace

void Trainer::Impl::begin_run(const Dataset& data, const FitOptions& options) {
  check_options(options);
  check_data(data);
  if (options.validation) check_data(*options.validation);
  const DrawnFrom now_drawn{data.size(), options.batch_size, options.seed, options.shuffle};
  const auto refuse_change = [](const char* what, auto before, auto after) {
    if (before != after)
      throw Error(Errc::bad_argument,
                  fmt::format("the run was begun with {} = {} and cannot go on with {}", what, before, after));
  };
  const std::int64_t batches = (data.size() + options.batch_size - 1) / options.batch_size;
  const ScheduleSpec schedule = spec.schedule.over(options.epochs * batches);
  const std::string before = engine.schedule().to_string(), after = schedule.to_string();
  if (drawn) {
    refuse_change("samples", drawn->samples, now_drawn.samples);
    refuse_change("batch_size", drawn->batch_size, now_drawn.batch_size);
    refuse_change("seed", drawn->seed, now_drawn.seed);
    refuse_change("shuffle", drawn->shuffle, now_drawn.shuffle);
    refuse_change("schedule", before, after);
  }
  std::int64_t rows = std::min(options.batch_size, data.size());
  if (options.validation)
    rows = std::max(rows, std::min(std::max(options.batch_size, kEvaluationRows), options.validation->size()));
  engine.reserve(rows);
  drawn = now_drawn;
  if (before != after) engine.set_schedule(schedule);
}

/// Adds a report to the epoch's sums; false when the run is to stop.
bool Trainer::Impl::account(const std::optional<StepReport>& report, const FitOptions& options) {
  if (!report) return true;
  add_report(totals, report->loss);
  if (options.on_step) options.on_step(*report, totals);
  return nonfinite_of(*report) == 0 || spec.non_finite != NonFinite::stop;
}

/// The rest of the running epoch; false when the run is to stop. `save` writes a checkpoint.
bool Trainer::Impl::train_epoch(Loader& loader, std::int64_t samples, const FitOptions& options,
                                const std::function<void()>& save) {
  for (HostBatch batch; loader.next(batch);) {
    bool go_on = account(step(batch), options);
    at.position = batch.position + batch.rows;
    const std::int64_t made = last.step + last.skipped + engine.waiting();
    if (go_on && options.checkpoint_every > 0 && made % options.checkpoint_every == 0 && at.position < samples) {
      go_on = account(finish(), options);
      if (go_on) save();
    }
    if (!go_on) {
      account(finish(), options);
      return false;
    }
  }
  return account(finish(), options);
}

/// Writes the epoch into the history and stands at the next one. Times are those of std::chrono::steady_clock.
void Trainer::Impl::close_epoch(std::int64_t samples, const FitOptions& options, double began) {
  const double trained = now();
  EpochRecord record;
  record.epoch = at.epoch + 1;
  record.step = last.step;
  record.skipped = last.skipped;
  record.lr = last.lr;
  record.train = scores_of(totals, spec.metrics);
  if (options.validation) record.test = evaluate(*options.validation, std::max(options.batch_size, kEvaluationRows));
  engine.observe(record.test ? record.test->loss : record.train.loss);
  record.samples_per_second = static_cast<double>(samples) / (trained - began);
  record.seconds = now() - began;
  history.push_back(std::move(record));
  totals = {};
  at = {at.epoch + 1, 0};
}

RunEnd Trainer::fit(const Dataset& data, const FitOptions& options) {
  Impl& run = *impl_;
  require(run.engine.waiting() == 0, Errc::bad_argument, "fit() while a step is under way; call finish() first");
  run.begin_run(data, options);
  if (options.on_start) options.on_start();
  const auto save = [&] {
    if (!options.checkpoint.empty()) save_checkpoint(options.checkpoint, snapshot());
  };
  if (run.at.epoch >= options.epochs) {
    save();  // and with that clean up what a kill after the last checkpoint left
    return RunEnd::done;
  }
  Loader loader(data, run.loader_options(options.batch_size, options.shuffle, options.seed));
  loader.seek(run.at);
  try {
    while (run.at.epoch < options.epochs) {
      const double began = now();
      const std::int64_t samples = data.size() - run.at.position;
      if (!run.train_epoch(loader, data.size(), options, save)) return RunEnd::non_finite;
      run.close_epoch(samples, options, began);
      save();
      if (options.on_epoch && !options.on_epoch(run.history.back())) return RunEnd::callback;
    }
  } catch (...) {
    run.engine.drain();
    throw;
  }
  return RunEnd::done;
}

}  // namespace fuselage
