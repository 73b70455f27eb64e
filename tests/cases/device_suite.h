// A device beside the CPU: the fixture of tests that hold the device of their build to the CPU's bits.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <string>

#include "tests/cases/device_limits.h"
#include "tests/cases/group.h"

namespace fuselage::cases {

inline std::string environment(const char* name) {
  const char* text = std::getenv(name);
  return text ? text : "";
}

/// Skips where the build has no device that it can use, and says why.
class DeviceSuite : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const CudaStatus status = cuda_status();
    unusable_ = status.usable ? "" : status.text;
    if (!status.usable) return;
    device_ = make_backend(cuda_device_name());
    std::cout << device_->description() << std::endl;
  }
  static void TearDownTestSuite() { device_.reset(); }
  void SetUp() override {
    if (!unusable_.empty()) GTEST_SKIP() << unusable_;
  }

  /// The hash of what the device leaves. What differs from the CPU is a failure with the case in words; so is an error,
  /// after which a device is unusable.
  static std::uint64_t compare(const Group& group, const Levels& levels) {
    const CaseRun run = group.prepare(levels);
    const Outcome expected = run(*cpu_);
    set_device_limits(group.limits(levels));
    try {
      const Outcome got = run(*device_);
      const std::string what = difference(expected, "the CPU", got, std::string(device_->device()));
      if (!what.empty()) ADD_FAILURE() << what << "\n" << words(group, levels);
      return got.hash();
    } catch (const Error& error) {
      ADD_FAILURE() << name_of(error.code()) << ": " << error.what() << "\n" << words(group, levels);
      unusable_ = "a case of an earlier test ended with an error";
      return 0;
    }
  }

 private:
  static std::string words(const Group& group, const Levels& levels) {
    const std::string seed = environment("SIMT_SEED");
    return group.text(levels) + (seed.empty() ? "" : "\nSIMT_SEED=" + seed);
  }

  static inline std::unique_ptr<Backend> device_, cpu_ = make_cpu_backend({1, {}});
  static inline std::string unusable_;
};

}  // namespace fuselage::cases
