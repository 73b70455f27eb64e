// A step judged by the reference: its loss pass and its update are computed again in double from what the step read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/train/step_engine.h"

namespace fuselage::train {

/// For one step: construct, queue the step with after_loss, call after_update. Throws Error(mismatch) that names the
/// worst element, what was got, what was expected, and how far that is in ulp. Waits for the device.
class StepCheck {
 public:
  /// Downloads parameters and states as they are before the step.
  StepCheck(StepEngine& engine, const TrainSpec& spec);
  /// Judges value, counts and gradient of the loss pass.
  void after_loss(const HostBatch& batch, const float* prediction, const LossReport* report);
  /// Judges parameters, states and the learning rate; that nothing moved, when the step was to be skipped.
  void after_update();

 private:
  struct Arenas {
    std::vector<float> values;
    std::vector<std::vector<std::vector<float>>> states;  // [tensor][slot]; empty where the rule does not use it
    std::vector<double> kept;                             // [tensor], where the rule keeps a number
    StepState step;
    GroupState group;
  };

  Arenas download() const;
  bool prepare_gradients();
  void judge_tensor(std::size_t t, const Arenas& after) const;
  void judge_untouched(const Arenas& after) const;

  StepEngine& engine_;
  const TrainSpec& spec_;
  Arenas before_;
  std::vector<std::vector<double>> gradients_;  // [tensor], as the rule sees them
  LossReport report_;
};

}  // namespace fuselage::train
