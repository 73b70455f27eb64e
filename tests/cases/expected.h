// The bits that every device must give: a line for each group of cases in tests/device/expected_bits.txt.
#pragma once

#include <map>
#include <string>

#include "tests/cases/group.h"

namespace fuselage::cases {

using ExpectedBits = std::map<std::string, Bits>;

/// Lines "<cases> <hash> <group>"; lines that begin with # are passed over. Throws Error(io) or Error(format).
ExpectedBits read_expected_bits(const std::string& path);
void write_expected_bits(const std::string& path, const ExpectedBits& bits);

/// What is wrong with a group's bits, and how they are changed on purpose; empty: nothing.
std::string judge(const std::string& group, const Bits& found, const ExpectedBits& expected);

}  // namespace fuselage::cases
