// The device's side of training: queues whole steps and evaluations, and hands out their reports one step later.
//
// Two slots take turns. A slot has device copies of a batch (where the host's memory is not the device's), the report
// of its loss pass, and a landing place for the report in pinned memory. While the device works on one slot, the next
// batch is copied into the other by the copy queue. A training step that was run once for a slot and a shape is
// captured as a graph and replayed from then on, where the backend can.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "fuselage/backend.h"
#include "fuselage/data.h"
#include "fuselage/memory.h"
#include "fuselage/nn.h"
#include "fuselage/optimizer.h"
#include "fuselage/train.h"

namespace fuselage::train {

/// A queued batch's report, and where the batch came from.
struct QueuedReport {
  StepReport report;
  std::vector<std::int64_t> indices;  ///< the samples' rows in the dataset; empty where the batch did not say
};

class StepEngine {
 public:
  StepEngine(Backend& backend, const TrainSpec& spec);
  ~StepEngine();

  Backend& backend() { return backend_; }
  Sequential& model() { return model_; }
  Optimizer& optimizer() { return optimizer_; }
  const ScheduleSpec& schedule() const { return optimizer_.groups()[0].schedule; }
  void set_schedule(const ScheduleSpec& schedule);
  /// Queues an observation for the schedule's plateau; none where it has none.
  void observe(double value);

  /// Makes room for batches of up to `rows`; where that takes new memory, captured graphs are forgotten.
  void reserve(std::int64_t rows);

  /// Called while a step is queued, once its loss pass is and before anything overwrites what that pass wrote.
  using AfterLoss = std::function<void(const float* prediction, const LossReport* report)>;
  /// Queues forward, loss, backward and update. At most one report may be waiting.
  void queue_step(const HostBatch& batch, const AfterLoss& after_loss = {});
  /// Queues forward and loss alone.
  void queue_evaluation(const HostBatch& batch);
  /// Predictions [rows, outputs] of a batch into `to`, in the host's memory; waits for them.
  void predict(const HostBatch& batch, float* to);
  /// Waits until the batch that was queued last has been copied and its memory may be reused.
  void release_batch();

  int waiting() const { return waiting_; }
  /// Waits for the oldest report that was not read.
  const QueuedReport& read();
  /// Waits for everything and drops the reports that were not read: after an error.
  void drain() noexcept;

 private:
  struct Slot;
  struct Inputs;
  struct Captured;
  enum class Kind { training, evaluation };

  void check(const HostBatch& batch) const;
  Inputs stage(Slot& slot, const HostBatch& batch);
  void program(Slot& slot, const Inputs& inputs, Kind kind, const AfterLoss& after_loss);
  std::unique_ptr<Graph> capture(Slot& slot, const Inputs& inputs);
  void run_or_replay(std::size_t slot, const Inputs& inputs);
  void queue(const HostBatch& batch, Kind kind, const AfterLoss& after_loss);

  Backend& backend_;
  const TrainSpec& spec_;
  MetricRequest metrics_;
  Sequential model_;
  Optimizer optimizer_;
  Buffer observed_;
  std::vector<Slot> slots_;
  std::vector<Captured> captured_;
  std::size_t next_ = 0;
  int waiting_ = 0;
};

}  // namespace fuselage::train
