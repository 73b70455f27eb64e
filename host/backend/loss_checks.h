// What every backend checks of a loss pass before it starts.
#pragma once

#include "fuselage/batch.h"
#include "fuselage/losses.h"

namespace fuselage {

/// Throws Error with a message that names the input, its shape and what was expected.
void check_loss(const AnyLoss& loss, const LossBatch& batch);

}  // namespace fuselage
