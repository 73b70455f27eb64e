// Capture of streams into graphs.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/simt/runtime/queues.h"

namespace simt {

/// An operation of a graph, on one of its branches; it runs after certain others.
struct Node {
  Operation operation;
  std::size_t branch = 0;
  std::vector<std::size_t> after;
};

}  // namespace simt

struct CUgraph_st {
  std::vector<simt::Node> nodes;
  std::size_t branches = 1;
};

namespace simt {

/// A capture under way.
struct Capture {
  struct Member {
    std::size_t branch = 0;
    std::vector<std::size_t> after;  ///< what the next operation of the stream waits for
  };
  CUgraph_st graph;
  std::shared_ptr<Queue> origin;
  std::map<const Queue*, Member> members;
  std::vector<std::weak_ptr<Queue>> joined;  ///< streams besides the first
  std::string invalid;                       ///< why; empty: it is valid
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id thread;
};

cudaError_t capture_operation(Queue& queue, const Operation& operation);
cudaError_t capture_record(Queue& queue, CUevent_st& event);
/// A wait of a stream where the stream, the event, or both are being captured.
cudaError_t capture_wait(Queue& queue, const CUevent_st& event);
/// Ends the hopes of the queue's capture; gives back the error of the call that did.
cudaError_t invalidate(Queue& queue, const std::string& why, cudaError_t error = cudaErrorStreamCaptureUnsupported);
/// For calls that are not safe while this thread captures: invalidates its captures, and gives back the error.
cudaError_t refuse_in_capture(const char* call);
void forget_captures();

}  // namespace simt
