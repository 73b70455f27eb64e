// What every backend checks of a loss pass before it starts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fuselage/batch.h"
#include "fuselage/losses.h"

namespace fuselage {

/// Throws Error with a message that names the input, its shape and what was expected. `name` is the loss's.
void check_loss(const LossTraits& traits, std::string_view name, const LossBatch& batch);

/// Likewise for where the report goes: memory of its own.
void check_report_memory(const LossTraits& traits, const LossBatch& batch, const LossReport* report);

/// A view of a batch as messages call it.
struct BatchView {
  ConstView view;
  std::string name;
  bool plural = false;
};

/// What a pass reads, and what it writes; the first three of both belong together, a gradient and its input.
std::vector<BatchView> inputs_of(const LossTraits& traits, const LossBatch& batch);
std::vector<BatchView> outputs_of(const LossTraits& traits, const LossBatch& batch);

}  // namespace fuselage
