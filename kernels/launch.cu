// The limits of launches, and their errors.
#include <string>

#include "fuselage/core/error.h"
#include "kernels/launch.cuh"

namespace fuselage::kernels {
namespace {

Limits current_limits;

// budget: probe_kernel registers<=16 spills=0
__global__ void probe_kernel() {}

}  // namespace

const Limits& limits() { return current_limits; }
void set_limits(const Limits& l) {
  require(l.blocks > 0 && l.threads > 0 && l.threads % 32 == 0, Errc::bad_argument,
          "limits of launches: " + std::to_string(l.blocks) + " blocks of " + std::to_string(l.threads) +
              " threads; there must be a block, and threads in multiples of 32");
  current_limits = l;
}

std::string_view device_name() { return kDevice; }

std::span<const int> architectures() { return kArchitectures; }

std::string refused_by_device() {
  cudaFuncAttributes attributes{};
  const cudaError_t status = cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(probe_kernel));
  if (status == cudaSuccess) return {};
  cudaGetLastError();
  const bool other_device = status == cudaErrorNoKernelImageForDevice || status == cudaErrorInvalidDeviceFunction ||
                            status == cudaErrorUnsupportedPtxVersion || status == cudaErrorInvalidPtx;
  const std::string why = cudaGetErrorString(status);
  return other_device ? "its kernels cannot run there: " + why + "; build for this device"
                      : "the device has failed: " + why + "; start the program anew";
}

void check(cudaError_t status, const char* name, std::source_location where) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // an error of a launch is reported once
  throw Error(Errc::cuda,
              "kernel " + std::string(name) + ": " + cudaGetErrorString(status) + " (CUDA error " +
                  std::to_string(static_cast<int>(status)) + ")",
              where);
}

}  // namespace fuselage::kernels
