// The CUDA backend where there is none: this file is linked in place of cuda_backend.cpp.
#include "fuselage/backend.h"

namespace fuselage {

namespace {

constexpr const char* kText =
    "this build of fuselage has no CUDA code; install the CUDA toolkit 12.4 or later (nvcc) and build again with "
    "-DFUSELAGE_CUDA=ON";

}  // namespace

std::unique_ptr<Backend> make_cuda_backend(int) { throw Error(Errc::no_device, kText); }

std::string_view cuda_device_name() { return "cuda"; }

CudaStatus cuda_status() {
  CudaStatus status;
  status.text = kText;
  return status;
}

}  // namespace fuselage
