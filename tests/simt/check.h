// Checks of every access to memory: bounds, alignment, initialisation, races. The compiler's own instrumentation for
// thread sanitizers calls in before each load and store; programs whose kernels are compiled without it check nothing.
#pragma once

#include <cstddef>
#include <string>

#include "tests/simt/operation.h"

namespace simt::check {

/// Whether the kernels of this program are instrumented.
bool enabled();

/// Device memory came or went; fresh memory is not initialised.
void allocated(const void* data, std::size_t bytes);
void freed(const void* data, std::size_t bytes);

/// A copy, a fill or a product reads or writes a range of device memory. Gives back what is wrong with that, such as a
/// write that another queue's work is not ordered with; empty: nothing.
std::string read_range(OperationId operation, const void* data, std::size_t bytes);
std::string write_range(OperationId operation, void* data, std::size_t bytes);
/// A copy inside device memory hands on which bytes are initialised; to be called before write_range of the target.
void copy_initialised(void* to, const void* from, std::size_t bytes);

}  // namespace simt::check
