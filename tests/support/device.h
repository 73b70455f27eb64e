// The device of this build, for tests that hold on every device: CUDA's where the library has it, an emulated one in
// programs for tests, none elsewhere.
#pragma once

#include <gtest/gtest.h>

#include "fuselage/backend.h"

namespace fuselage::test {

/// Skips where there is no device, and says why.
class DeviceTest : public ::testing::Test {
 protected:
  static const CudaStatus& status() {
    static const CudaStatus found = cuda_status();
    return found;
  }
  static bool usable() { return status().usable; }
  void SetUp() override {
    if (!usable()) GTEST_SKIP() << status().text;
  }
};

}  // namespace fuselage::test
