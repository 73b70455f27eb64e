// The queues of the emulated device.
#include "tests/simt/runtime/queues.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/simt/grid.h"
#include "tests/simt/runtime/capture.h"

namespace simt {
namespace {

std::vector<std::shared_ptr<Queue>>& all_queues() {
  static auto* const all = new std::vector<std::shared_ptr<Queue>>{std::make_shared<Queue>(0, true)};
  return *all;
}
int queues_made = 0;

/// xorshift; the seed's own sequence.
std::uint64_t draw() {
  static std::uint64_t seed = 0, state = 0;
  if (state == 0 || seed != options().seed) {
    seed = options().seed;
    state = (seed * 0x9e3779b97f4a7c15ull) | 1;
  }
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state >> 16;
}

}  // namespace

std::recursive_mutex& runtime_mutex() {
  static auto* const mutex = new std::recursive_mutex;
  return *mutex;
}

Clock& host_clock() {
  static auto* const clock = new Clock;
  return *clock;
}

OperationId Queue::push(const Operation& operation, Timeline* branch) {
  Timeline& orders = branch ? *branch : line;
  orders.join(host_clock());
  Task task;
  task.id = orders.append(operation.deed, number);
  task.work = operation.begin({shared_from_this(), queued_ + 1});
  tasks_.push_back(std::move(task));
  ++queued_;
  return tasks_.back().id;
}

void Queue::push_wait(const Place& place, const Clock& clock) {
  line.join(clock);
  if (place.reached()) return;
  Task task;
  task.wait = place;
  tasks_.push_back(std::move(task));
  ++queued_;
}

void Queue::run_next() {
  if (tasks_.empty()) return;
  const std::uint64_t before = finished_;
  if (const Place wait = tasks_.front().wait; !wait.reached()) wait.queue->run_until(wait.count);
  if (finished_ != before) return;  // this queue got on meanwhile
  const Task task = std::move(tasks_.front());
  tasks_.pop_front();
  if (task.work && device_state() == cudaSuccess) {
    const std::string fault = task.work(task.id);
    if (!fault.empty()) lose_device(fault);
  }
  ++finished_;
}

void Queue::run_until(std::uint64_t count) {
  while (finished_ < count) {
    run_next();
    perhaps_run_something();
  }
}

std::shared_ptr<Queue> null_queue() { return all_queues().front(); }

std::shared_ptr<Queue> queue_of(cudaStream_t stream) {
  if (!stream || stream == cudaStreamLegacy) return null_queue();
  for (const auto& queue : all_queues())
    if (stream != cudaStreamPerThread && queue == stream->queue) return queue;
  fail(cudaErrorInvalidResourceHandle, "this is no stream");
  return nullptr;
}

void order_with_null_queue(Queue& queue) {
  if (!queue.blocking) return;
  if (queue.number != 0) return queue.push_wait(null_queue()->end(), null_queue()->line.clock());
  for (const auto& other : all_queues())
    if (other->blocking && other->number != 0) queue.push_wait(other->end(), other->line.clock());
}

cudaError_t submit(Queue& queue, const Operation& operation) {
  if (queue.capture) return capture_operation(queue, operation);
  if (const cudaError_t lost = device_state(); lost != cudaSuccess) return lost;
  perhaps_run_something();
  order_with_null_queue(queue);
  queue.push(operation);
  run_if_eager(queue);
  return options().eager ? device_state() : cudaSuccess;
}

cudaError_t submit(cudaStream_t stream, const Operation& operation) {
  const auto queue = queue_of(stream);
  return queue ? submit(*queue, operation) : cudaErrorInvalidResourceHandle;
}

std::string fault_of(OperationId id, const std::string& fault) {
  return fault.empty() ? fault : fmt::format("{}: {} (SIMT_SEED={})", describe_operation(id), fault, options().seed);
}

cudaError_t wait_for(const Place& place, const Clock& clock) {
  if (place.queue) place.queue->run_until(place.count);
  host_clock().join(clock);
  return device_state();
}

cudaError_t wait_for_all() {
  for (const auto& queue : all_queues()) wait_for(queue->end(), queue->line.clock());
  return device_state();
}

void perhaps_run_something() {
  static bool running = false;  // what runs here is not begun within what runs already
  if (options().seed == 0 || running || draw() % 4 != 0) return;
  const auto& all = all_queues();
  const std::size_t first = draw() % all.size();
  running = true;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (const auto queue = all[(first + i) % all.size()]; !queue->idle()) {
      queue->run_next();
      break;
    }
  running = false;
}

void run_if_eager(Queue& queue) {
  if (options().eager) queue.run_until(queue.end().count);
}

void drop_everything() {
  lose_device("the device is being reset");  // so that nothing runs
  for (const auto& queue : all_queues()) {
    queue->run_until(queue->end().count);
    queue->capture = nullptr;
  }
  reset_device_state();
}

}  // namespace simt

using namespace simt;

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  const Lock lock(runtime_mutex());
  if (flags != cudaStreamDefault && flags != cudaStreamNonBlocking)
    return fail(cudaErrorInvalidValue, "flags of a stream");
  perhaps_run_something();
  const auto queue = std::make_shared<Queue>(++queues_made, flags == cudaStreamDefault);
  all_queues().push_back(queue);
  *stream = new CUstream_st{queue};
  return device_state();
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Lock lock(runtime_mutex());
  const auto queue = stream ? queue_of(stream) : nullptr;
  if (!queue) return fail(cudaErrorInvalidResourceHandle, "this is no stream that can be destroyed");
  if (queue->capture) invalidate(*queue, "the stream was destroyed");
  queue->run_until(queue->end().count);
  std::erase(all_queues(), queue);
  delete stream;
  return device_state();
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Lock lock(runtime_mutex());
  const auto queue = queue_of(stream);
  if (!queue) return cudaErrorInvalidResourceHandle;
  if (queue->capture) return invalidate(*queue, "cudaStreamSynchronize waits for a stream that is being captured");
  order_with_null_queue(*queue);
  return wait_for(queue->end(), queue->line.clock());
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  const Lock lock(runtime_mutex());
  const auto queue = queue_of(stream);
  if (!queue) return cudaErrorInvalidResourceHandle;
  if (queue->capture) return invalidate(*queue, "cudaStreamQuery asks for a stream that is being captured");
  queue->run_next();
  if (!queue->idle()) return cudaErrorNotReady;
  return wait_for(queue->end(), queue->line.clock());
}

cudaError_t cudaDeviceSynchronize() {
  const Lock lock(runtime_mutex());
  if (const cudaError_t refused = refuse_in_capture("cudaDeviceSynchronize"); refused != cudaSuccess) return refused;
  return wait_for_all();
}

/// Drops what is queued, and the fault that lost the device. Memory, streams and events stay: the emulated device's own
/// way, so that tests of faults need no process each.
cudaError_t cudaDeviceReset() {
  const Lock lock(runtime_mutex());
  drop_everything();
  forget_captures();
  return cudaSuccess;
}

}  // extern "C"
