// Events of the emulated device.
#include "tests/simt/runtime/capture.h"
#include "tests/simt/runtime/queues.h"

using namespace simt;

namespace {

/// Refuses events that have no meaning outside of a capture.
cudaError_t check_not_captured(const CUevent_st& event) {
  return event.capture ? fail(cudaErrorCapturedEvent, "the event was last recorded within a capture") : cudaSuccess;
}

}  // namespace

extern "C" {

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
  const Lock lock(runtime_mutex());
  if ((flags & ~(cudaEventBlockingSync | cudaEventDisableTiming)) != 0)
    return fail(cudaErrorInvalidValue, "flags of an event");
  *event = new CUevent_st;
  (*event)->timed = (flags & cudaEventDisableTiming) == 0;
  return device_state();
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Lock lock(runtime_mutex());
  delete event;
  return device_state();
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Lock lock(runtime_mutex());
  const auto queue = queue_of(stream);
  if (!event || !queue) return fail(cudaErrorInvalidResourceHandle, "no event, or no stream");
  if (queue->capture) return capture_record(*queue, *event);
  if (const cudaError_t lost = device_state(); lost != cudaSuccess) return lost;
  perhaps_run_something();
  order_with_null_queue(*queue);
  const auto record = std::make_shared<Record>();
  queue->push({{Deed::Kind::mark, "event", 0}, [&](const Place& done) {
                 record->place = done;
                 return [record](OperationId) {
                   record->at = std::chrono::steady_clock::now();
                   return std::string();
                 };
               }});
  record->clock = queue->line.clock();
  event->record = record;
  event->capture = nullptr;
  run_if_eager(*queue);
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int) {
  const Lock lock(runtime_mutex());
  const auto queue = queue_of(stream);
  if (!event || !queue) return fail(cudaErrorInvalidResourceHandle, "no event, or no stream");
  if (queue->capture || event->capture) return capture_wait(*queue, *event);
  if (const cudaError_t lost = device_state(); lost != cudaSuccess) return lost;
  perhaps_run_something();
  if (event->record) queue->push_wait(event->record->place, event->record->clock);
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Lock lock(runtime_mutex());
  if (!event) return fail(cudaErrorInvalidResourceHandle, "no event");
  if (const cudaError_t captured = check_not_captured(*event); captured != cudaSuccess) return captured;
  return event->record ? wait_for(event->record->place, event->record->clock) : device_state();
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const Lock lock(runtime_mutex());
  if (!event) return fail(cudaErrorInvalidResourceHandle, "no event");
  if (const cudaError_t captured = check_not_captured(*event); captured != cudaSuccess) return captured;
  if (!event->record) return device_state();
  if (!event->record->place.reached()) event->record->place.queue->run_next();
  if (!event->record->place.reached()) return cudaErrorNotReady;
  return wait_for(event->record->place, event->record->clock);
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t first, cudaEvent_t last) {
  const Lock lock(runtime_mutex());
  if (!first || !last || !first->timed || !last->timed || !first->record || !last->record)
    return fail(cudaErrorInvalidResourceHandle, "time between events that were not recorded, or made without timing");
  if (!first->record->place.reached() || !last->record->place.reached())
    return fail(cudaErrorNotReady, "time between events that were not waited for");
  *milliseconds = std::chrono::duration<float, std::milli>(last->record->at - first->record->at).count();
  return device_state();
}

}  // extern "C"
