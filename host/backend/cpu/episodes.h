// Returns and advantages on the CPU's threads.
#pragma once

#include "fuselage/episodes.h"

namespace fuselage::cpu {

/// The episodes are checked already.
EpisodesReport run_episodes(const Episodes& episodes, bool advantages, int threads);

}  // namespace fuselage::cpu
