// The emulated device as programs ask for it: one, of the newest architecture that the kernels are written for.
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <cstring>

#include "tests/simt/runtime/errors.h"

using namespace simt;

namespace {

constexpr int kMultiprocessors = 4, kMajor = 9, kMinor = 0;
constexpr std::size_t kMemory = std::size_t{2} << 30, kShared = 48 * 1024, kSharedOptIn = 227 * 1024;

cudaError_t check_device(int device) {
  return device == 0 ? cudaSuccess : fail(cudaErrorInvalidDevice, fmt::format("device {} of 1", device));
}

}  // namespace

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return check_device(device); }
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) { return cudaRuntimeGetVersion(version); }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (const cudaError_t wrong = check_device(device); wrong != cudaSuccess) return wrong;
  *properties = {};
  std::strcpy(properties->name, "emulated");
  properties->totalGlobalMem = kMemory;
  properties->sharedMemPerBlock = kShared;
  properties->sharedMemPerBlockOptin = kSharedOptIn;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->major = kMajor;
  properties->minor = kMinor;
  properties->multiProcessorCount = kMultiprocessors;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (const cudaError_t wrong = check_device(device); wrong != cudaSuccess) return wrong;
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount: *value = kMultiprocessors; return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = kShared; return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = kSharedOptIn; return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor: *value = kMajor; return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor: *value = kMinor; return cudaSuccess;
    case cudaDevAttrWarpSize: *value = 32; return cudaSuccess;
    case cudaDevAttrMaxThreadsPerBlock: *value = 1024; return cudaSuccess;
    default:
      return fail(cudaErrorNotSupported,
                  fmt::format("the emulated device has no attribute {}", static_cast<int>(attribute)));
  }
}

}  // extern "C"
