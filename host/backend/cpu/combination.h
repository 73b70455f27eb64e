// Gradients added up, and the norms of parameters, on the CPU's threads.
#pragma once

#include <span>

#include "fuselage/backend.h"

namespace fuselage::cpu {

/// sum += from; how many sums of finite numbers are not finite as stored.
std::int64_t add_elements(const View& sum, const ConstView& from, int threads);

ParameterNorms parameter_norms(std::span<const Parameter> parameters, int threads);

}  // namespace fuselage::cpu
