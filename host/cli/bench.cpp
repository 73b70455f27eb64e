// `fuselage bench`: time and memory throughput of every loss and optimizer on this machine.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "host/cli/json_output.h"
#include "host/cli/verbs.h"
#include "host/validate/workload.h"

namespace fuselage::cli {
namespace {

using validate::Workload;

constexpr DType kTypes[] = {DType::f32, DType::bf16, DType::f16};
constexpr std::int64_t kClasses[] = {10, 1000, 32000};

struct Options {
  std::string device = "auto";
  int threads = 0;
  bool quick = false, json = false;
};

std::int64_t free_bytes() { return std::int64_t{sysconf(_SC_AVPHYS_PAGES)} * sysconf(_SC_PAGESIZE); }

struct Bench {
  Backend& backend;
  std::int64_t elements;
  int repetitions;
  double cache, copy_rate = 0;
  Json rows = Json::array();
  bool print_rows;

  /// Fewer than no cache would hold where they would take more than a quarter of the memory.
  int copies(double bytes) const {
    const int wanted = validate::copies_beyond_cache(bytes, cache);
    return std::clamp(static_cast<int>(static_cast<double>(free_bytes()) / 4 / bytes), 1, wanted);
  }

  void add(std::string_view family, std::string_view name, DType type, Workload& workload) {
    const double seconds = validate::median_seconds(backend, workload, repetitions);
    const double rate = workload.bytes() / seconds * 1e-9;
    rows.push_back({{"family", family},
                    {"name", name},
                    {"dtype", name_of(type)},
                    {"shape", workload.shape()},
                    {"seconds", seconds},
                    {"gb_per_s", rate},
                    {"percent_of_copy", 100 * rate / copy_rate}});
    if (print_rows)
      std::cout << fmt::format("{:<10} {:<22} {:<5} {:>18} {:>12.1f} {:>9.1f} {:>8.0f} %\n", family, name,
                               name_of(type), workload.shape(), seconds * 1e6, rate, 100 * rate / copy_rate)
                << std::flush;
  }

  void copy() {
    const std::int64_t beyond = std::min(static_cast<std::int64_t>(cache), free_bytes() / 8);
    const auto workload = validate::copy_workload(backend, std::max(elements * 4, beyond));
    copy_rate = workload->bytes() / validate::median_seconds(backend, *workload, 2 * repetitions) * 1e-9;
  }

  template <class L>
  void loss(DType type) {
    const auto element = static_cast<double>(size_of(type));
    const auto one = [&](std::int64_t rows, std::int64_t cols) {
      const double bytes = 3 * element * static_cast<double>(rows * cols);
      add("loss", L::name, type, *validate::loss_workload(backend, L{}, type, rows, cols, copies(bytes)));
    };
    if constexpr (loss::Pointwise<L>)
      one(elements, 1);
    else
      for (const std::int64_t classes : kClasses) one(elements / classes, classes);
  }

  template <class R>
  void step(DType type) {
    constexpr std::int64_t kTensors = 16;
    const double bytes = static_cast<double>(elements) * static_cast<double>(3 * size_of(type));
    add("optimizer", R::name, type,
        *validate::step_workload(backend, validate::usual_optimizer(R{}), type, kTensors, elements / kTensors,
                                 copies(bytes)));
  }
};

/// Elements of a workload: 2^24, fewer where the largest (fp32 Adam, 16 bytes each) would take a quarter of the memory.
std::int64_t elements_for(const Options& options) {
  std::int64_t n = options.quick ? std::int64_t{1} << 20 : std::int64_t{1} << 24;
  while (n > 1 << 18 && n * 64 > free_bytes()) n /= 2;
  return n;
}

Json run_on(const std::string& device, const Options& options) {
  const std::unique_ptr<Backend> backend = make_backend(device, nullptr, options.threads);
  const double cache = backend->host_accessible() ? validate::host_cache_bytes() : 64e6;
  Bench bench{*backend, elements_for(options), options.quick ? 5 : 15, cache, 0, Json::array(), !options.json};
  bench.copy();
  if (!options.json)
    std::cout << fmt::format("{}: {}; copy {:.1f} GB/s\n{:<10} {:<22} {:<5} {:>18} {:>12} {:>9} {:>10}\n",
                             backend->device(), backend->description(), bench.copy_rate, "", "", "dtype", "shape",
                             "median us", "GB/s", "of copy");
  for (const DType type : kTypes) {
    Losses::for_each([&]<class L>() { bench.loss<L>(type); });
    Optimizers::for_each([&]<class R>() { bench.step<R>(type); });
  }
  return {{"device", backend->device()},
          {"description", backend->description()},
          {"copy_gb_per_s", bench.copy_rate},
          {"rows", std::move(bench.rows)}};
}

void run(const Options& options) {
  std::vector<std::string> devices{options.device};
  if (options.device == "auto") {
    devices = {"cpu"};
    if (const CudaStatus cuda = cuda_status(); cuda.usable) devices.push_back(cuda.device);
  }
  Json results = Json::array();
  for (const std::string& device : devices) results.push_back(run_on(device, options));
  if (options.json) print(results);
}

}  // namespace

void add_bench(CLI::App& parent, int&) {
  const auto o = std::make_shared<Options>();
  CLI::App* verb = parent.add_subcommand("bench", "Time every loss and optimizer");
  verb->add_option("--device", o->device, known_devices() + "; auto: all that are usable")->capture_default_str();
  verb->add_option("--threads", o->threads, "CPU threads; 0: all")->check(CLI::Range(0, 4096));
  verb->add_flag("--quick", o->quick, "Smaller arrays, fewer repetitions");
  verb->add_flag("--json", o->json, "Print JSON");
  verb->footer(
      "Median time of a pass over buffers that no cache holds; GB/s of the bytes that a pass must read and write, and\n"
      "their share of what a plain copy reaches in the same run.\nExamples:\n"
      "  fuselage bench --quick\n  fuselage bench --device cuda --json");
  verb->callback([o] { run(*o); });
}

}  // namespace fuselage::cli
