// Reading, writing and judging pinned hashes.
#include "tests/cases/expected.h"

#include <fmt/format.h>

#include <charconv>
#include <fstream>

#include "fuselage/core/error.h"

namespace fuselage::cases {
namespace {

constexpr const char* kHead =
    "# The bits that every device must give for the cases of tests/cases: their number, the hash of their hashes, "
    "their\n"
    "# group. Written by the CPU: FUSELAGE_WRITE_BITS=<this file> cases_test --gtest_filter=*Expected*\n";

template <class N>
bool read(std::string_view text, N& number, int base) {
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return status == std::errc() && end == text.data() + text.size();
}

}  // namespace

ExpectedBits read_expected_bits(const std::string& path) {
  std::ifstream file(path);
  require(file.good(), Errc::io, "cannot open " + path);
  ExpectedBits bits;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t first = line.find(' '), second = line.find(' ', first + 1);
    Bits found;
    const bool good = first != std::string::npos && second != std::string::npos &&
                      read(std::string_view(line).substr(0, first), found.cases, 10) &&
                      read(std::string_view(line).substr(first + 1, second - first - 1), found.hash, 16);
    if (!good)
      throw Error(Errc::format,
                  fmt::format("{}, line {}: '{}', expected '<cases> <hash> <group>'", path, number, line));
    if (!bits.emplace(line.substr(second + 1), found).second)
      throw Error(Errc::format,
                  fmt::format("{}, line {}: a second line of '{}'", path, number, line.substr(second + 1)));
  }
  return bits;
}

void write_expected_bits(const std::string& path, const ExpectedBits& bits) {
  std::ofstream file(path);
  file << kHead;
  for (const auto& [group, found] : bits) file << fmt::format("{} {:016x} {}\n", found.cases, found.hash, group);
  file.close();
  require(file.good(), Errc::io, "cannot write " + path);
}

std::string judge(const std::string& group, const Bits& found, const ExpectedBits& expected) {
  const auto entry = expected.find(group);
  constexpr const char* kHelp =
      "; where the change is meant, write the file anew: FUSELAGE_WRITE_BITS=tests/device/expected_bits.txt cases_test";
  if (entry == expected.end()) return fmt::format("'{}' is not among the expected bits{}", group, kHelp);
  if (entry->second == found) return {};
  return fmt::format("'{}' has {} cases with the hash {:016x}, expected {} with {:016x}{}", group, found.cases,
                     found.hash, entry->second.cases, entry->second.hash, kHelp);
}

}  // namespace fuselage::cases
