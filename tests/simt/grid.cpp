// Grids: options, the order of blocks, workers on several OS threads.
#include "tests/simt/grid.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include "tests/simt/checker.h"
#include "tests/simt/launch.h"
#include "tests/simt/memory.h"
#include "tests/simt/report.h"
#include "tests/simt/worker.h"

namespace simt {

namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody changes the environment
  if (!text) return otherwise;
  char* end = nullptr;
  const std::uint64_t value = std::strtoull(text, &end, 10);
  if (end != text && *end == '\0' && *text != '-') return value;
  std::fprintf(stderr, "simt: %s is '%s', expected a number from 0 on\n", name, text);
  std::exit(2);
}

/// Workers are kept: their stacks and rooms are dear to make. They are never destroyed, as fibers' stacks are not.
std::vector<std::unique_ptr<Worker>>& workers(std::size_t wanted) {
  static auto* all = new std::vector<std::unique_ptr<Worker>>;
  while (all->size() < wanted) all->push_back(std::make_unique<Worker>(static_cast<unsigned>(all->size())));
  return *all;
}

/// Blocks in an order that the seed chooses: a step through all of them.
void permute(GridRun& run) {
  if (run.seed == 0 || run.blocks < 3) return;
  run.factor = run.seed * 2654435761ull % run.blocks;
  while (std::gcd(run.factor, run.blocks) != 1) ++run.factor;
  run.offset = run.seed % run.blocks;
}

std::string wrong_shape(const Grid& grid) {
  const std::uint64_t threads = std::uint64_t{grid.threads.x} * grid.threads.y * grid.threads.z;
  if (threads == 0 || threads > 1024) return "a block of " + std::to_string(threads) + " threads";
  return {};
}

}  // namespace

Options& options() {
  static Options all = [] {
    Options o;
    o.os_threads = static_cast<int>(from_environment("SIMT_THREADS", 2));
    o.seed = from_environment("SIMT_SEED", 1);
    o.eager = from_environment("SIMT_EAGER", 0) != 0;
    return o;
  }();
  return all;
}

std::string refuse_argument(const void* pointer) {
  if (!pointer || find_allocation(pointer)) return {};
  return "a pointer argument of the kernel is " + describe(pointer);
}

std::string run_grid(const Grid& grid) {
  if (!grid.refused.empty()) return fault_text(grid, "at its launch", grid.refused);
  if (const std::string wrong = wrong_shape(grid); !wrong.empty()) return fault_text(grid, "at its launch", wrong);
  GridRun run{grid, options().seed, std::uint64_t{grid.blocks.x} * grid.blocks.y * grid.blocks.z};
  permute(run);
  std::size_t n = static_cast<std::size_t>(std::max(1, options().os_threads));
  n = static_cast<std::size_t>(std::min<std::uint64_t>(n, run.blocks));
  if (check::enabled()) {
    n = 1;
    run.first_instance = check::grid_begins(grid);
  }
  auto& all = workers(n);
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < n; ++i) threads.emplace_back([&, i] { all[i]->run(run); });
  if (n > 0) all[0]->run(run);
  for (std::thread& thread : threads) thread.join();
  return run.fault;
}

}  // namespace simt
