// Errors of the emulated runtime: as CUDA's, with the whole story in the text.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

namespace simt {

/// Notes the calling thread's last error and its text, and gives the error back.
cudaError_t fail(cudaError_t error, std::string text);
/// The device is lost: a fault of queued work. Every later call gives this error, until the device is reset.
void lose_device(std::string text);
/// The error that lost the device; success while there is none. Noted as the calling thread's last error.
cudaError_t device_state();
void reset_device_state();

}  // namespace simt
