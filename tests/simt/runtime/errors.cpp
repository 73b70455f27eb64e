// Errors of the emulated runtime.
#include "tests/simt/runtime/errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <utility>

namespace simt {
namespace {

thread_local cudaError_t last = cudaSuccess;
thread_local cudaError_t told = cudaSuccess;  ///< what `text` is about
thread_local std::string text;

std::mutex lost_mutex;
bool lost = false;
std::string lost_text;

struct Known {
  cudaError_t error;
  const char *name, *meaning;
};
#define SIMT_ERROR(error, meaning) \
  { error, #error, meaning }
constexpr Known kKnown[] = {
    SIMT_ERROR(cudaSuccess, "no error"),
    SIMT_ERROR(cudaErrorInvalidValue, "invalid argument"),
    SIMT_ERROR(cudaErrorMemoryAllocation, "out of memory"),
    SIMT_ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    SIMT_ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    SIMT_ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    SIMT_ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    SIMT_ERROR(cudaErrorNotReady, "device not ready"),
    SIMT_ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    SIMT_ERROR(cudaErrorNotSupported, "operation not supported"),
    SIMT_ERROR(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    SIMT_ERROR(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture"),
    SIMT_ERROR(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work"),
    SIMT_ERROR(cudaErrorStreamCaptureIsolation, "dependency created on uncaptured work in another stream"),
    SIMT_ERROR(cudaErrorStreamCaptureUnmatched, "the capture was not begun on this stream"),
    SIMT_ERROR(cudaErrorStreamCaptureMerge, "operation would merge two captures"),
    SIMT_ERROR(cudaErrorCapturedEvent, "operation not permitted on an event last recorded in a capturing stream"),
    SIMT_ERROR(cudaErrorIllegalState, "the operation cannot be performed in the present state"),
};
#undef SIMT_ERROR

const Known* find(cudaError_t error) {
  const auto known = std::ranges::find(kKnown, error, &Known::error);
  return known == std::end(kKnown) ? nullptr : known;
}

}  // namespace

cudaError_t fail(cudaError_t error, std::string what) {
  last = told = error;
  const Known* known = find(error);
  text = known ? fmt::format("{}: {}", known->meaning, what) : std::move(what);
  return error;
}

void lose_device(std::string what) {
  const std::lock_guard lock(lost_mutex);
  if (std::exchange(lost, true)) return;
  lost_text = std::move(what);
}

cudaError_t device_state() {
  const std::lock_guard lock(lost_mutex);
  return lost ? fail(cudaErrorLaunchFailure, lost_text) : cudaSuccess;
}

void reset_device_state() {
  const std::lock_guard lock(lost_mutex);
  lost = false;
  lost_text.clear();
  last = told = cudaSuccess;
  text.clear();
}

extern "C" {

cudaError_t cudaGetLastError() {
  const cudaError_t error = last;
  last = cudaSuccess;
  return error != cudaSuccess ? error : device_state();
}

cudaError_t cudaPeekAtLastError() { return last != cudaSuccess ? last : device_state(); }

const char* cudaGetErrorString(cudaError_t error) {
  if (error != cudaSuccess && error == told) return text.c_str();
  const Known* known = find(error);
  return known ? known->meaning : "an error that the emulated device does not know";
}

const char* cudaGetErrorName(cudaError_t error) {
  const Known* known = find(error);
  return known ? known->name : "unrecognized error code";
}

}  // extern "C"

}  // namespace simt
