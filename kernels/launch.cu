// The limits of launches, and their errors.
#include <string>

#include "fuselage/core/error.h"
#include "kernels/launch.cuh"

namespace fuselage::kernels {
namespace {

Limits current_limits;

}  // namespace

const Limits& limits() { return current_limits; }
void set_limits(const Limits& l) { current_limits = l; }

void check(cudaError_t status, const char* name, std::source_location where) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // an error of a launch is reported once
  throw Error(Errc::cuda,
              "kernel " + std::string(name) + ": " + cudaGetErrorString(status) + " (CUDA error " +
                  std::to_string(static_cast<int>(status)) + ")",
              where);
}

}  // namespace fuselage::kernels
