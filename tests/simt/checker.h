// Between the scheduler and the checks of accesses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>

#include "tests/simt/check.h"

namespace simt::check {

/// Numbers for `blocks` blocks of an operation, unlike all others; the first of them.
std::uint32_t take_instances(OperationId operation, std::uint64_t blocks);
void grid_begins();

/// A variable in the shared memory of a block came or went. `room_begin` and bytes: where all of them lie.
void shared_room(const void* begin, std::size_t bytes);
void shared_appears(const void* data, std::size_t bytes);
void shared_gone(const void* data, std::size_t bytes);

/// An atomic access by the running thread.
void atomic_access(void* p, std::size_t bytes, const std::source_location& where);
/// A fence by the running thread.
void fence(bool device);

}  // namespace simt::check
