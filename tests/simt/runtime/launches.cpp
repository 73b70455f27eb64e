// Launches of grids, and what functions may ask for.
#include <fmt/format.h>

#include <map>

#include "tests/simt/launch.h"
#include "tests/simt/memory.h"
#include "tests/simt/runtime/queues.h"

namespace simt {
namespace {

constexpr int kSharedByDefault = 48 * 1024, kSharedAtMost = 227 * 1024;
constexpr unsigned kThreads = 1024, kThreadsDeep = 64, kBlocksHigh = 65535, kBlocksWide = 2147483647;

/// The dynamic shared memory that each kernel may have.
std::map<const void*, int>& allowed() {
  static auto* const all = new std::map<const void*, int>;
  return *all;
}

std::set<const void*>& launched() {
  static auto* const all = new std::set<const void*>;
  return *all;
}

cudaError_t check_launch(const Grid& g) {
  const dim3 b = g.blocks, t = g.threads;
  const std::uint64_t threads = std::uint64_t{t.x} * t.y * t.z;
  if (b.x == 0 || b.y == 0 || b.z == 0 || b.x > kBlocksWide || b.y > kBlocksHigh || b.z > kBlocksHigh)
    return fail(cudaErrorInvalidConfiguration,
                fmt::format("kernel '{}' in a grid of {} x {} x {} blocks", g.name, b.x, b.y, b.z));
  if (threads == 0 || threads > kThreads || t.z > kThreadsDeep)
    return fail(
        cudaErrorInvalidConfiguration,
        fmt::format("kernel '{}' in blocks of {} x {} x {} threads; {} is the most", g.name, t.x, t.y, t.z, kThreads));
  const auto more = allowed().find(g.kernel);
  const auto most = static_cast<std::size_t>(more == allowed().end() ? kSharedByDefault : more->second);
  if (g.dynamic_bytes > most)
    return fail(cudaErrorInvalidValue, fmt::format("kernel '{}' with {} bytes of dynamic shared memory; it may have {}",
                                                   g.name, g.dynamic_bytes, most));
  return cudaSuccess;
}

}  // namespace

const std::set<const void*>& launched_kernels() { return launched(); }

cudaError_t enqueue_grid(Grid grid, cudaStream_t stream) {
  const Lock lock(runtime_mutex());
  if (const cudaError_t wrong = check_launch(grid); wrong != cudaSuccess) return wrong;
  launched().insert(grid.kernel);
  const auto shared = std::make_shared<const Grid>(std::move(grid));
  const auto run = [shared](OperationId id) {
    const DeviceAccess access;
    Grid now = *shared;
    now.operation = id;
    return run_grid(now);
  };
  return submit(stream, {{Deed::Kind::kernel, shared->name, 0}, [run](const Place&) { return run; }});
}

}  // namespace simt

using namespace simt;

extern "C" {

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  const Lock lock(runtime_mutex());
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;  // hints
  if (value < 0 || value > kSharedAtMost)
    return fail(cudaErrorInvalidValue,
                fmt::format("{} bytes of dynamic shared memory were asked for; {} is the most", value, kSharedAtMost));
  allowed()[function] = value;
  return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  const Lock lock(runtime_mutex());
  const auto more = allowed().find(function);
  *attributes = {};
  attributes->maxThreadsPerBlock = kThreads;
  attributes->maxDynamicSharedSizeBytes = more == allowed().end() ? kSharedByDefault : more->second;
  attributes->ptxVersion = attributes->binaryVersion = 90;
  return device_state();
}

}  // extern "C"
