// One access of device code, as the compiler's instrumentation tells of it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace simt::check {

/// Atomic ones from volatile_read on. What is `atomic` reads and writes.
enum class Kind { read, write, volatile_read, volatile_write, atomic };

/// Checks an access of the running thread to memory outside of its own stack; a fault does not come back. `range`: of a
/// structure, which may have holes that nobody writes.
void access(std::uintptr_t a, std::size_t bytes, Kind kind, std::uint32_t place, bool range);
[[noreturn]] void misaligned(std::uintptr_t a, std::size_t bytes, Kind kind, std::uint32_t place);

}  // namespace simt::check
