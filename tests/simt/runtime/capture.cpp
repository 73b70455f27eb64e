// Capture of streams into graphs.
#include "tests/simt/runtime/capture.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace simt {
namespace {

std::vector<std::shared_ptr<Capture>>& captures() {
  static auto* const all = new std::vector<std::shared_ptr<Capture>>;
  return *all;
}

void add(std::vector<std::size_t>& to, const std::vector<std::size_t>& more) {
  std::set<std::size_t> all(to.begin(), to.end());
  all.insert(more.begin(), more.end());
  to.assign(all.begin(), all.end());
}

cudaError_t check_valid(const Capture& capture) {
  return capture.invalid.empty() ? cudaSuccess : fail(cudaErrorStreamCaptureInvalidated, capture.invalid);
}

cudaError_t spoil(Capture& capture, const std::string& why, cudaError_t error) {
  if (capture.invalid.empty()) capture.invalid = why;
  return fail(error, why);
}

/// Whether all that the members did is before the next operation of the first stream.
bool all_joined(const Capture& capture) {
  std::vector<bool> reached(capture.graph.nodes.size());
  std::vector<std::size_t> ahead = capture.members.at(capture.origin.get()).after;
  while (!ahead.empty()) {
    const std::size_t node = ahead.back();
    ahead.pop_back();
    if (reached[node]) continue;
    reached[node] = true;
    const auto& after = capture.graph.nodes[node].after;
    ahead.insert(ahead.end(), after.begin(), after.end());
  }
  return std::ranges::all_of(capture.members, [&](const auto& member) {
    return std::ranges::all_of(member.second.after, [&](std::size_t node) { return reached[node]; });
  });
}

}  // namespace

cudaError_t capture_operation(Queue& queue, const Operation& operation) {
  Capture& capture = *queue.capture;
  if (const cudaError_t error = check_valid(capture); error != cudaSuccess) return error;
  Capture::Member& member = capture.members.at(&queue);
  capture.graph.nodes.push_back({operation, member.branch, member.after});
  member.after = {capture.graph.nodes.size() - 1};
  return cudaSuccess;
}

cudaError_t capture_record(Queue& queue, CUevent_st& event) {
  if (const cudaError_t error = check_valid(*queue.capture); error != cudaSuccess) return error;
  event.capture = queue.capture;
  event.after = queue.capture->members.at(&queue).after;
  return cudaSuccess;
}

cudaError_t capture_wait(Queue& queue, const CUevent_st& event) {
  if (queue.capture && !event.capture)
    return spoil(*queue.capture, "a captured stream waits for an event that was recorded outside of the capture",
                 cudaErrorStreamCaptureIsolation);
  if (queue.capture && queue.capture != event.capture)
    return spoil(*queue.capture, "a captured stream waits for an event of another capture",
                 cudaErrorStreamCaptureMerge);
  if (std::ranges::find(captures(), event.capture) == captures().end())
    return fail(cudaErrorCapturedEvent, "the event was recorded in a capture that is over");
  Capture& capture = *event.capture;
  if (const cudaError_t error = check_valid(capture); error != cudaSuccess) return error;
  if (!queue.capture) {
    queue.capture = event.capture;
    capture.members[&queue] = {capture.graph.branches++, {}};
    capture.joined.push_back(queue.weak_from_this());
  }
  add(capture.members.at(&queue).after, event.after);
  return cudaSuccess;
}

cudaError_t invalidate(Queue& queue, const std::string& why, cudaError_t error) {
  return spoil(*queue.capture, why, error);
}

cudaError_t refuse_in_capture(const char* call) {
  cudaError_t error = cudaSuccess;
  for (const auto& capture : captures())
    if (capture->mode == cudaStreamCaptureModeGlobal ||
        (capture->mode == cudaStreamCaptureModeThreadLocal && capture->thread == std::this_thread::get_id()))
      error = spoil(*capture, fmt::format("{} is not safe while a stream is being captured", call),
                    cudaErrorStreamCaptureUnsupported);
  return error;
}

void forget_captures() { captures().clear(); }

}  // namespace simt

using namespace simt;

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  const Lock lock(runtime_mutex());
  const auto queue = queue_of(stream);
  if (!queue) return cudaErrorInvalidResourceHandle;
  if (queue == null_queue()) return fail(cudaErrorStreamCaptureUnsupported, "the null stream cannot be captured");
  if (queue->capture) return fail(cudaErrorIllegalState, "the stream is being captured already");
  if (const cudaError_t lost = device_state(); lost != cudaSuccess) return lost;
  const auto capture = std::make_shared<Capture>();
  capture->origin = queue;
  capture->members[queue.get()] = {};
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  queue->capture = capture;
  captures().push_back(capture);
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Lock lock(runtime_mutex());
  *graph = nullptr;
  const auto queue = queue_of(stream);
  if (!queue) return cudaErrorInvalidResourceHandle;
  const auto capture = queue->capture;
  if (!capture) return fail(cudaErrorIllegalState, "the stream is not being captured");
  if (capture->origin != queue)
    return invalidate(*queue, "the capture was begun on another stream", cudaErrorStreamCaptureUnmatched);
  if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != std::this_thread::get_id())
    return fail(cudaErrorStreamCaptureUnsupported, "the capture was begun by another thread");
  queue->capture = nullptr;
  for (const auto& joined : capture->joined)
    if (const auto other = joined.lock()) other->capture = nullptr;
  std::erase(captures(), capture);
  if (!capture->invalid.empty()) return fail(cudaErrorStreamCaptureInvalidated, capture->invalid);
  if (!all_joined(*capture))
    return fail(cudaErrorStreamCaptureUnjoined,
                "a stream that joined the capture has work that the first one never "
                "waited for");
  *graph = new CUgraph_st(std::move(capture->graph));
  return device_state();
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  const Lock lock(runtime_mutex());
  const auto queue = queue_of(stream);
  if (!queue) return cudaErrorInvalidResourceHandle;
  *status = !queue->capture                   ? cudaStreamCaptureStatusNone
            : queue->capture->invalid.empty() ? cudaStreamCaptureStatusActive
                                              : cudaStreamCaptureStatusInvalidated;
  return cudaSuccess;
}

}  // extern "C"
