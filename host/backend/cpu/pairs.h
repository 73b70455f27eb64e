// The small passes of losses over all pairs of rows, on the CPU's threads.
#pragma once

#include "fuselage/pair_pass.h"

namespace fuselage::cpu {

void run_pair_step(const PairStep& step, int threads);

}  // namespace fuselage::cpu
