// Registration, and the timing of one benchmark.
#include "bench/support/register.h"

namespace fuselage::bench {
namespace {

/// Backends live as long as the program: workloads of all benchmarks share one for each device.
Backend& backend_of(const std::string& device) {
  static const std::unique_ptr<Backend> cpu = make_cpu_backend();
  if (device == "cpu") return *cpu;
  static const std::unique_ptr<Backend> cuda = make_cuda_backend();
  return *cuda;
}

void run(benchmark::State& state, const std::string& device, const MakeWorkload& make) {
  Backend& backend = backend_of(device);
  const std::unique_ptr<validate::Workload> workload = make(backend);
  workload->run();  // scratch memory and first touches
  // On a queued device one iteration is several passes between two events, so that the first launch does not count.
  const int passes = backend.host_accessible() ? 1 : 10;
  for (auto _ : state) state.SetIterationTime(validate::seconds_of(backend, *workload, passes));
  state.SetBytesProcessed(static_cast<std::int64_t>(static_cast<double>(state.iterations()) * workload->bytes()));
}

}  // namespace

int copies_beyond_cache(const Backend& backend, double bytes) {
  const double cache = backend.host_accessible() ? validate::host_cache_bytes() : validate::kDeviceCacheBytes;
  return validate::copies_beyond_cache(bytes, cache);
}

void add(const std::string& name, const MakeWorkload& make) {
  std::vector<std::string> devices{"cpu"};
  if (const CudaStatus cuda = cuda_status(); cuda.usable) devices.push_back(cuda.device);
  for (const std::string& device : devices)
    benchmark::RegisterBenchmark((device + "/" + name).c_str(),
                                 [device, make](benchmark::State& state) { run(state, device, make); })
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
}

}  // namespace fuselage::bench
