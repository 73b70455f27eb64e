// What every backend checks of a loss pass before it starts.
#pragma once

#include <string_view>

#include "fuselage/batch.h"
#include "fuselage/losses.h"

namespace fuselage {

/// Throws Error with a message that names the input, its shape and what was expected. `name` is the loss's.
void check_loss(const LossTraits& traits, std::string_view name, const LossBatch& batch);

}  // namespace fuselage
