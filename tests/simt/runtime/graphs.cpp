// Graphs: made by captures, launched any number of times.
#include <algorithm>

#include "tests/simt/grid.h"
#include "tests/simt/runtime/capture.h"

using namespace simt;

/// Branches besides the first have orders of their own; the first one goes on where it is launched.
struct CUgraphExec_st {
  std::vector<Node> nodes;
  std::vector<std::unique_ptr<Timeline>> branches;
  Place last_done;
  Clock last_clock;
};

namespace {

/// An order of the nodes in which each comes after what it waits for; by the seed, one of all.
std::vector<std::size_t> order_of(const std::vector<Node>& nodes) {
  static std::uint64_t state = 1;
  std::vector<std::size_t> order;
  std::vector<bool> done(nodes.size());
  while (order.size() < nodes.size()) {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < nodes.size(); ++i)
      if (!done[i] && std::ranges::all_of(nodes[i].after, [&](std::size_t before) { return done[before]; }))
        ready.push_back(i);
    state = state * 6364136223846793005u + options().seed;
    const std::size_t next = ready[options().seed == 0 ? 0 : (state >> 33) % ready.size()];
    done[next] = true;
    order.push_back(next);
  }
  return order;
}

}  // namespace

extern "C" {

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const Lock lock(runtime_mutex());
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  const Lock lock(runtime_mutex());
  *exec = nullptr;
  if (!graph) return fail(cudaErrorInvalidValue, "no graph");
  auto made = std::make_unique<CUgraphExec_st>();
  made->nodes = graph->nodes;
  for (std::size_t i = 1; i < graph->branches; ++i) made->branches.push_back(std::make_unique<Timeline>());
  *exec = made.release();
  return device_state();
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  const Lock lock(runtime_mutex());
  delete exec;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  const Lock lock(runtime_mutex());
  const auto queue = queue_of(stream);
  if (!exec || !queue) return fail(cudaErrorInvalidResourceHandle, "no graph, or no stream");
  if (queue->capture) return invalidate(*queue, "a graph was launched into a stream that is being captured");
  if (const cudaError_t lost = device_state(); lost != cudaSuccess) return lost;
  perhaps_run_something();
  order_with_null_queue(*queue);
  queue->push_wait(exec->last_done, exec->last_clock);
  for (const auto& branch : exec->branches) branch->join(queue->line.clock());

  std::vector<Clock> known(exec->branches.empty() ? 0 : exec->nodes.size());
  for (const std::size_t i : order_of(exec->nodes)) {
    const Node& node = exec->nodes[i];
    Timeline& line = node.branch == 0 ? queue->line : *exec->branches[node.branch - 1];
    if (!known.empty())
      for (const std::size_t before : node.after) line.join(known[before]);
    queue->push(node.operation, &line);
    if (!known.empty()) known[i] = line.clock();
  }
  for (const auto& branch : exec->branches) queue->line.join(branch->clock());
  exec->last_done = queue->end();
  exec->last_clock = queue->line.clock();
  run_if_eager(*queue);
  return options().eager ? device_state() : cudaSuccess;
}

}  // extern "C"
