// The words of a fault: where in the source, which kernel, block and thread.
#pragma once

#include <cstdint>
#include <source_location>
#include <string>

#include "tests/simt/grid.h"

namespace simt {

/// "kernels/update.cuh:88" of an instruction's address: the innermost place that is neither the emulator's nor a
/// library header's; the address itself where the program has no line numbers.
std::string source_line(std::uintptr_t pc);
/// The same of a place that the compiler named.
std::string source_line(const std::source_location& where);
std::string source_line(const char* file, std::uint32_t line);
/// Full name of the function at an address; empty where nobody knows.
std::string function_name(const void* function);

/// "block (1,0,0), thread (3,0,0)" of their numbers in a grid.
std::string thread_name(const Grid& grid, std::uint64_t block, unsigned thread);
/// All there is to say: the launch, its kernel's full name, who, what, and the seed that shows it again.
std::string fault_text(const Grid& grid, const std::string& who, const std::string& what);

}  // namespace simt
