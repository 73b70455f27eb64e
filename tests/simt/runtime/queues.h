// The queues of the emulated device. What is queued runs when something waits for it, or at random earlier moments.
#pragma once

#include <cuda_runtime_api.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/simt/runtime/errors.h"
#include "tests/simt/runtime/history.h"

namespace simt {

struct Capture;
class Queue;

/// A place in a queue: reached when so many of its tasks are done.
struct Place {
  std::shared_ptr<Queue> queue;
  std::uint64_t count = 0;
  bool reached() const;
};

/// Does the work of an operation with that number, and gives back what went wrong.
using Work = std::function<std::string(OperationId)>;

/// Something to queue. `begin` is called when it is queued, at every launch of a graph that holds it, and gives the
/// work, which has all it needs of that moment.
struct Operation {
  Deed deed;
  std::function<Work(const Place& done)> begin;
};

class Queue : public std::enable_shared_from_this<Queue> {
 public:
  Queue(int number, bool blocking) : number(number), blocking(blocking) {}

  /// Queues the operation on a line of orders, its own by default.
  OperationId push(const Operation& operation, Timeline* branch = nullptr);
  void push_wait(const Place& place, const Clock& clock);
  void run_next();
  void run_until(std::uint64_t count);
  bool idle() const { return tasks_.empty(); }
  /// Where all that is queued now is done.
  Place end() { return {shared_from_this(), queued_}; }
  std::uint64_t finished() const { return finished_; }

  const int number;
  const bool blocking;  ///< ordered with the null stream
  Timeline line;
  std::shared_ptr<Capture> capture;

 private:
  struct Task {
    OperationId id = 0;
    Work work;  ///< none: a wait
    Place wait;
  };
  std::deque<Task> tasks_;
  std::uint64_t queued_ = 0, finished_ = 0;
};

inline bool Place::reached() const { return !queue || queue->finished() >= count; }

/// What an event stands for since it was recorded.
struct Record {
  Place place;
  Clock clock;
  std::chrono::steady_clock::time_point at;
};

/// Held by every function of the runtime.
using Lock = std::lock_guard<std::recursive_mutex>;
std::recursive_mutex& runtime_mutex();

/// The queue of a handle; null, after fail(), for no handle of ours.
std::shared_ptr<Queue> queue_of(cudaStream_t stream);
std::shared_ptr<Queue> null_queue();

/// What the host knows to be done.
Clock& host_clock();
/// Queues an operation, or captures it where the stream is capturing.
cudaError_t submit(cudaStream_t stream, const Operation& operation);
cudaError_t submit(Queue& queue, const Operation& operation);
/// Order with the null stream, of what is queued next.
void order_with_null_queue(Queue& queue);

/// A fault of an operation that is no kernel, with its name and the seed; empty where there is none.
std::string fault_of(OperationId id, const std::string& fault);

/// The host waits; gives back the state of the device.
cudaError_t wait_for(const Place& place, const Clock& clock);
cudaError_t wait_for_all();
/// Now and then runs something: called by every function of the runtime.
void perhaps_run_something();
/// Runs what has been queued at once, where the options say so.
void run_if_eager(Queue& queue);
/// Forgets all that is queued.
void drop_everything();

}  // namespace simt

struct CUstream_st {
  std::shared_ptr<simt::Queue> queue;
};

struct CUevent_st {
  bool timed = true;
  std::shared_ptr<simt::Record> record;    ///< null until it is recorded
  std::shared_ptr<simt::Capture> capture;  ///< of a record within a capture
  std::vector<std::size_t> after;          ///< the nodes that such a record waits for
};
