// `fuselage bench`: time and memory throughput of every loss and optimizer on this machine.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
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
  std::int64_t elements = 0;
  double time_limit = 0;
};

std::int64_t free_bytes() { return std::int64_t{sysconf(_SC_AVPHYS_PAGES)} * sysconf(_SC_PAGESIZE); }

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Makes a workload with so many copies of its buffers.
using Make = std::function<std::unique_ptr<Workload>(Backend&, int copies)>;

struct Bench {
  Backend& backend;
  Backend* judge;  ///< the CPU, where another device is timed; else null
  std::int64_t elements;
  int repetitions;
  double cache;    ///< bytes that buffers must outgrow; 0: they need not
  double stop_at;  ///< seconds_now() from which no row is begun
  bool print_rows;
  double copy_rate = 0;
  Json rows = Json::array(), left_out = Json::array();
  bool same_bits = true;

  /// Of host memory fewer than no cache would hold, where they would take more than a quarter of what is free.
  int copies(double bytes) const {
    const int wanted = validate::copies_beyond_cache(bytes, cache);
    if (!backend.host_accessible()) return wanted;
    return std::clamp(static_cast<int>(static_cast<double>(free_bytes()) / 4 / bytes), 1, wanted);
  }

  /// Whether the first run on the device and one on the CPU leave the same bits. `make` takes a backend and a number
  /// of copies, and inputs are a function of the shape alone.
  bool agrees(Workload& workload, const Make& make) {
    workload.run();
    const std::unique_ptr<Workload> expected = make(*judge, 1);
    expected->run();
    return workload.first_result() == expected->first_result();
  }

  /// `bytes`: of all buffers of one copy.
  void add(std::string_view family, std::string_view name, DType type, double bytes, const Make& make) {
    if (seconds_now() >= stop_at) return left_out.push_back(fmt::format("{} {} {}", family, name, name_of(type)));
    const std::unique_ptr<Workload> workload = make(backend, copies(bytes));
    Json row{{"family", family}, {"name", name}, {"dtype", name_of(type)}, {"shape", workload->shape()}};
    const bool same = !judge || agrees(*workload, make);
    same_bits &= same;
    if (judge) row["same_bits_as_cpu"] = same;
    const double seconds = validate::median_seconds(backend, *workload, repetitions);
    const double rate = workload->bytes() / seconds * 1e-9;
    row.update({{"seconds", seconds}, {"gb_per_s", rate}, {"percent_of_copy", 100 * rate / copy_rate}});
    rows.push_back(std::move(row));
    if (print_rows)
      std::cout << fmt::format("{:<10} {:<22} {:<5} {:>18} {:>12.1f} {:>9.1f} {:>8.0f} %{}\n", family, name,
                               name_of(type), workload->shape(), seconds * 1e6, rate, 100 * rate / copy_rate,
                               same ? "" : "  NOT THE CPU'S BITS")
                << std::flush;
  }

  void copy() {
    const std::int64_t beyond = std::min(static_cast<std::int64_t>(cache), free_bytes() / 8);
    const auto workload = validate::copy_workload(backend, std::max(elements * 4, beyond));
    copy_rate = workload->bytes() / validate::median_seconds(backend, *workload, 2 * repetitions) * 1e-9;
  }

  void loss(std::string_view name, DType type) {
    const AnyLoss loss = Losses::make(name, "loss");
    const LossTraits traits = traits_of(loss);
    const auto element = static_cast<double>(size_of(type));
    const auto one = [&](std::int64_t rows_of, std::int64_t cols) {
      add("loss", name, type, 3 * element * static_cast<double>(rows_of * cols),
          [=](Backend& on, int count) { return validate::loss_workload(on, loss, type, rows_of, cols, count); });
    };
    if (traits.elementwise && traits.inputs.second.empty())
      one(elements, 1);
    else
      for (const std::int64_t classes : kClasses) one(std::max<std::int64_t>(elements / classes, 1), classes);
  }

  void step(std::string_view name, DType type) {
    const OptimizerSpec optimizer = validate::usual_optimizer(Optimizers::make(name, "optimizer"));
    constexpr std::int64_t kTensors = 16;
    const std::int64_t size = elements / kTensors;
    add("optimizer", name, type, static_cast<double>(elements) * static_cast<double>(3 * size_of(type)),
        [=](Backend& on, int count) { return validate::step_workload(on, optimizer, type, kTensors, size, count); });
  }
};

/// Elements of a workload: 2^24, on a device with its own memory 2^25 (such a pass takes long against a launch); fewer
/// where the largest (fp32 Adam, 16 bytes each) would take a quarter of the memory.
std::int64_t elements_for(const Options& options, const Backend& backend) {
  if (options.elements > 0) return options.elements;
  std::int64_t n = std::int64_t{1} << (options.quick ? 20 : backend.host_accessible() ? 24 : 25);
  while (n > 1 << 18 && n * 64 > free_bytes()) n /= 2;
  return n;
}

Json run_on(const std::string& device, const Options& options, int& exit_code) {
  const std::unique_ptr<Backend> backend = make_backend(device, nullptr, options.threads);
  const bool host = backend->host_accessible();
  const std::unique_ptr<Backend> judge = host ? nullptr : make_cpu_backend({options.threads, {}});
  Bench bench{.backend = *backend,
              .judge = judge.get(),
              .elements = elements_for(options, *backend),
              .repetitions = options.quick ? 5 : 15,
              .cache = options.elements > 0 ? 0
                       : host               ? validate::host_cache_bytes()
                                            : validate::kDeviceCacheBytes,
              .stop_at = 1e300,
              .print_rows = !options.json};
  bench.copy();
  if (options.time_limit > 0) bench.stop_at = seconds_now() + options.time_limit;
  if (!options.json)
    std::cout << fmt::format("{}: {}; copy {:.1f} GB/s\n{:<10} {:<22} {:<5} {:>18} {:>12} {:>9} {:>10}\n",
                             backend->device(), backend->description(), bench.copy_rate, "", "", "dtype", "shape",
                             "median us", "GB/s", "of copy");
  for (const DType type : kTypes) {
    for (const std::string_view name : Losses::names) bench.loss(name, type);
    for (const std::string_view name : Optimizers::names) bench.step(name, type);
  }
  if (!bench.same_bits) exit_code = kCheckMissed;
  if (!options.json && !bench.left_out.empty())
    std::cout << fmt::format("{} rows left out: the time limit of {:g} s is over\n", bench.left_out.size(),
                             options.time_limit);
  return {{"device", backend->device()},
          {"description", backend->description()},
          {"copy_gb_per_s", bench.copy_rate},
          {"rows", std::move(bench.rows)},
          {"left_out", std::move(bench.left_out)}};
}

void run(const Options& options, int& exit_code) {
  std::vector<std::string> devices{options.device};
  if (options.device == "auto") {
    devices = {"cpu"};
    if (const CudaStatus cuda = cuda_status(); cuda.usable) devices.push_back(cuda.device);
  }
  Json results = Json::array();
  for (const std::string& device : devices) results.push_back(run_on(device, options, exit_code));
  if (options.json) print(results);
}

}  // namespace

void add_bench(CLI::App& parent, int& exit_code) {
  const auto o = std::make_shared<Options>();
  Verb verb(parent, "bench", "Time every loss and optimizer");
  verb.option("--device", o->device, known_devices() + "; auto: all that are usable").shows_default();
  verb.option("--threads", o->threads, "CPU threads; 0: all").within(0, 4096);
  verb.flag("--quick", o->quick, "Smaller arrays, fewer repetitions");
  verb.option("--elements", o->elements, "Of each workload, whether or not caches hold it; 0: enough")
      .within(0, std::int64_t{1} << 32);
  verb.option("--time-limit", o->time_limit, "Seconds for the rows of each device, after which none is begun; 0: none")
      .not_negative();
  verb.flag("--json", o->json, "Print JSON");
  verb.footer(
      "Median time of a pass over buffers that no cache holds; GB/s of the bytes that a pass must read and write, and\n"
      "their share of what a plain copy reaches in the same run. Before a device other than the CPU is timed, its "
      "first\n"
      "result is compared with the CPU's, bit for bit; exit code 1 where they differ.\nExamples:\n"
      "  fuselage bench --quick\n  fuselage bench --device cuda --json");
  verb.does([o, &exit_code] { run(*o, exit_code); });
}

}  // namespace fuselage::cli
