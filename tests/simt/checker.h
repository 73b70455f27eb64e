// Between the scheduler and the checks of accesses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>

#include "tests/simt/check.h"
#include "tests/simt/grid.h"

namespace simt::check {

/// A grid comes. Gives back the first of the numbers of its blocks, which are unlike all others.
std::uint32_t grid_begins(const Grid& grid);

/// A variable in the shared memory of a block came or went. `room_begin` and bytes: where all of them lie.
void shared_room(const void* begin, std::size_t bytes);
void shared_appears(const void* data, std::size_t bytes);
void shared_gone(const void* data, std::size_t bytes);

/// An atomic access by the running thread.
void atomic_access(void* p, std::size_t bytes, const std::source_location& where);
/// A fence by the running thread.
void fence(bool device);
/// The compiler has told that kernels of this program are instrumented.
void enable();

}  // namespace simt::check
