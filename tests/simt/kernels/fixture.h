// Memory for the cases, and what their messages must say.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "tests/simt/check.h"
#include "tests/simt/kernels/cases.h"
#include "tests/simt/memory.h"

namespace simt::test {

/// The arrays of a case, on the device while this lives.
class CaseMemory {
 public:
  CaseMemory() {
    memory_.floats = zeros<float>();
    memory_.words = zeros<unsigned>();
    memory_.fresh = static_cast<float*>(allocate(64 * sizeof(float), false));
    memory_.freed = static_cast<float*>(allocate(64 * sizeof(float), false));
    release(memory_.freed, false);
    memory_.host = &on_host_;
  }
  ~CaseMemory() {
    release(memory_.floats, false);
    release(memory_.words, false);
    release(memory_.fresh, false);
  }
  CaseMemory(const CaseMemory&) = delete;
  CaseMemory& operator=(const CaseMemory&) = delete;

  const Memory& get() const { return memory_; }

 private:
  template <class T>
  static T* zeros() {
    T* data = static_cast<T*>(allocate(kFloats * sizeof(T), false));
    const DeviceAccess open;
    std::memset(data, 0, kFloats * sizeof(T));
    check::write_range(0, data, kFloats * sizeof(T));
    return data;
  }

  Memory memory_{};
  float on_host_ = 1;
};

/// Runs a grid by itself, with a seed; gives back its fault.
inline std::string run_with_seed(const Grid& grid, std::uint64_t seed) {
  const std::uint64_t before = std::exchange(options().seed, seed);
  const DeviceAccess open;
  std::string fault = run_grid(grid);
  options().seed = before;
  return fault;
}
inline std::string run_case(const Case& one, std::uint64_t seed) {
  const CaseMemory memory;
  return run_with_seed(grid_of(one, memory.get()), seed);
}

/// "FILE:LINE" of the line with the mark; empty where no line has it.
inline std::string marked_line(const std::string& file, const std::string& mark) {
  std::ifstream in(std::string(FUSELAGE_SOURCE_DIR) + "/" + file);
  std::string line;
  for (int number = 1; std::getline(in, line); ++number)
    if (line.ends_with("// " + mark)) return file + ":" + std::to_string(number);
  return {};
}

/// The message of a case, from a file of kernels, says all that it must.
inline void expect_fault(const Case& one, const std::string& file, const std::string& fault) {
  const auto expect_part = [&](const std::string& part) {
    EXPECT_NE(fault.find(part), std::string::npos) << "no \"" << part << "\" in: " << fault;
  };
  expect_part("kernel '" + std::string(one.name) + "' [simt::test::(anonymous namespace)::" + one.name);
  expect_part(one.who[0] == 0 ? "block (" : one.who);
  expect_part("thread (");
  expect_part(one.text);
  expect_part("SIMT_SEED=");
  expect_part(marked_line(file, "here: " + std::string(one.name)));
  expect_part(marked_line(file, "there: " + std::string(one.name)));
}

/// Names of parameterised tests.
struct CaseName {
  std::string operator()(const testing::TestParamInfo<Case>& info) const { return info.param.name; }
};
inline void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

}  // namespace simt::test
