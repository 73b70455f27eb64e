// The CUDA backend: streams, events, graphs and memory of one device; the arithmetic stands in kernels/.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "fuselage/backend.h"
#include "fuselage/core/partition.h"
#include "fuselage/custom_loss.h"
#include "host/backend/cuda/products.h"
#include "host/backend/cuda/runtime.h"
#include "host/backend/cuda_backend_parameters.h"
#include "kernels/kernels.h"

namespace fuselage {

namespace {

using cuda::check;
using cuda::DeviceMemory;

class CudaEvent final : public Event {
 public:
  explicit CudaEvent(bool timed) {
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, timed ? cudaEventDefault : cudaEventDisableTiming), "making an event");
    handle.reset(event);
  }
  cuda::EventHandle handle;
};

class CudaGraph final : public Graph {
 public:
  explicit CudaGraph(cudaGraphExec_t graph) : exec(graph) {}
  cuda::GraphExec exec;
};

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, device), "asking for the device's properties");
  return value;
}

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int ordinal) : ordinal_(ordinal) {
    check(cudaSetDevice(ordinal_), "choosing the device");
    // Enough blocks to fill the device several times over, so that uneven ones even out.
    kernels::set_limits({16 * std::int64_t{attribute(cudaDevAttrMultiProcessorCount, ordinal_)},
                         static_cast<std::size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, ordinal_))});
    compute_ = cuda::make_stream();
    copy_ = cuda::make_stream();
    counters_ = DeviceMemory(kernels::kCounterBytes);
    check(cudaMemset(counters_.data(), 0, counters_.bytes()), "zeroing counters");
    check(cudaDeviceSynchronize(), "starting the device");
  }
  ~CudaBackend() override {
    cudaSetDevice(ordinal_);
    cudaStreamSynchronize(compute_.get());
    cudaStreamSynchronize(copy_.get());
  }

  std::string_view device() const override { return cuda_device_name(); }
  std::string description() const override {
    cudaDeviceProp p{};
    check(cudaGetDeviceProperties(&p, ordinal_), "asking for the device's properties");
    return fmt::format("CUDA device {}, {} (sm_{}{}, {} multiprocessors, {:.1f} GiB), {}", ordinal_, p.name, p.major,
                       p.minor, p.multiProcessorCount, static_cast<double>(p.totalGlobalMem) / (1 << 30),
                       products_.library());
  }
  bool host_accessible() const override { return false; }

  void* allocate(std::size_t bytes, Buffer::Kind kind) override {
    use_device();
    void* data = nullptr;
    const std::size_t size = std::max<std::size_t>(bytes, 1);
    const bool device = kind == Buffer::Kind::device;
    const cudaError_t status = device ? cudaMalloc(&data, size) : cudaMallocHost(&data, size);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      throw Error(Errc::out_of_memory,
                  fmt::format("cannot allocate {} bytes of {} memory", bytes, device ? "device" : "pinned host"));
    }
    check(status, "allocating memory");
    return data;
  }
  void release(void* data, Buffer::Kind kind) noexcept override {
    cudaSetDevice(ordinal_);
    kind == Buffer::Kind::device ? cudaFree(data) : cudaFreeHost(data);
  }
  void copy(void* to, const void* from, std::size_t bytes, Queue queue) override {
    use_device();
    if (bytes > 0) check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream(queue)), "queueing a copy");
  }
  void zero(void* data, std::size_t bytes, Queue queue) override {
    use_device();
    if (bytes > 0) check(cudaMemsetAsync(data, 0, bytes, stream(queue)), "queueing zeros");
  }

  std::unique_ptr<Event> make_event(bool timed) override {
    use_device();
    return std::make_unique<CudaEvent>(timed);
  }
  void record(Event& event, Queue queue) override {
    use_device();
    check(cudaEventRecord(handle_of(event), stream(queue)), "recording an event");
  }
  void wait(Event& event, Queue queue) override {
    use_device();
    check(cudaStreamWaitEvent(stream(queue), handle_of(event), 0), "queueing a wait");
  }
  void synchronize(Event& event) override { check(cudaEventSynchronize(handle_of(event)), "waiting for an event"); }
  void synchronize() override {
    use_device();
    for (const Queue queue : {Queue::compute, Queue::copy})
      check(cudaStreamSynchronize(stream(queue)), "waiting for the device");
  }

  double seconds_between(Event& first, Event& second) override {
    synchronize(first);
    synchronize(second);
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, handle_of(first), handle_of(second)), "timing between events");
    return static_cast<double>(milliseconds) * 1e-3;
  }

  bool can_capture() const override { return true; }
  void begin_capture() override {
    use_device();
    require(!capturing_, Errc::bad_argument, "a capture is under way already");
    check(cudaStreamBeginCapture(compute_.get(), cudaStreamCaptureModeThreadLocal), "beginning a capture");
    capturing_ = true;
  }
  std::unique_ptr<Graph> end_capture() override {
    use_device();
    require(capturing_, Errc::bad_argument, "no capture was begun");
    capturing_ = false;
    cudaGraph_t graph = nullptr;
    check(cudaStreamEndCapture(compute_.get(), &graph), "ending a capture");
    const cuda::GraphHandle owner(graph);
    cudaGraphExec_t exec = nullptr;
    check(cudaGraphInstantiate(&exec, graph, 0), "instantiating a graph");
    return std::make_unique<CudaGraph>(exec);
  }
  void replay(Graph& graph) override {
    use_device();
    check(cudaGraphLaunch(static_cast<CudaGraph&>(graph).exec.get(), compute_.get()), "launching a graph");
  }

  void norms(ParameterSet& parameters, ParameterNorms* norms) override {
    use_device();
    const kernels::UpdateTable& table = static_cast<CudaParameters&>(parameters).table();
    void* memory = scratch(kernels::norm_scratch(table));
    kernels::norms(table, norms, {counters_.data(), memory}, compute_.get());
  }
  void weigh_terms(const TermWeights& terms, const float* log_variances, float* factors) override {
    use_device();
    kernels::weigh_terms(terms, log_variances, factors, compute_.get());
  }
  void add_terms(const TermWeights& terms, const LossReport* reports, const float* log_variances,
                 float* log_variance_gradient, float scale, LossReport* total) override {
    use_device();
    kernels::add_terms(terms, reports, log_variances, log_variance_gradient, scale, total, compute_.get());
  }
  void add(const View& sum, const ConstView& from, LossReport* report) override {
    use_device();
    kernels::add(sum, from, report, compute_.get());
  }

  void pair_step(const PairStep& step) override {
    use_device();
    kernels::pair_step(step, compute_.get());
  }

  void product(const Product& product) override {
    use_device();
    if (capturing_ && !products_.ready(product)) refuse_in_capture();
    products_.run(product, compute_.get());
  }
  void bias_activation(const AnyActivation& activation, std::int64_t rows, std::int64_t cols, float* z,
                       const float* bias, float* a) override {
    use_device();
    kernels::bias_activation(activation, rows, cols, z, bias, a, compute_.get());
  }
  void bias_activation_backward(const AnyActivation& activation, std::int64_t rows, std::int64_t cols, const float* z,
                                const float* a, float* da, float* bias_gradient) override {
    use_device();
    void* memory = scratch(kernels::column_scratch(rows, cols));
    kernels::bias_activation_backward(activation, rows, cols, z, a, da, bias_gradient, memory, compute_.get());
  }

 protected:
  void run_loss(const AnyLoss& loss, const LossBatch& batch, LossReport* report) override {
    use_device();
    void* memory = scratch(kernels::loss_scratch(loss, batch));
    kernels::loss(loss, batch, report, {counters_.data(), memory}, compute_.get());
  }
  void run_custom_loss(const CustomLoss& loss, const LossBatch& batch, LossReport* report) override {
    if (!loss.has_kernel())
      throw Error(Errc::no_device,
                  fmt::format("loss \"{}\": compiled without nvcc, so it runs on the CPU alone", loss.name()));
    use_device();
    const OwnLossView own = loss.view();
    void* memory = scratch(kernels::loss_scratch(own, batch));
    kernels::loss(own, batch, report, {counters_.data(), memory}, compute_.get());
  }
  void run_penalty(const AnyPenalty& penalty, const GroupBatch& batch, LossReport* report) override {
    use_device();
    void* memory = scratch(kernels::penalty_scratch(penalty, batch));
    kernels::penalty(penalty, batch, report, memory, compute_.get());
  }
  void run_group_sums(const GroupMeasure& measure, const GroupBatch& batch, GroupSums* sums,
                      LossReport* report) override {
    use_device();
    void* memory = scratch(kernels::group_sums_scratch(measure, batch));
    kernels::group_sums(measure, batch, sums, report, memory, compute_.get());
  }
  void run_batch_triplet(const BatchTriplet& spec, const TripletBatch& batch, LossReport* report) override {
    use_device();
    void* memory = scratch(kernels::triplet_scratch(batch));
    kernels::batch_triplet(spec, batch, report, memory, compute_.get());
  }
  void run_join(LossReport* to, const LossReport* from) override {
    use_device();
    kernels::join(to, from, compute_.get());
  }
  void run_episodes(const Episodes& episodes, bool advantages, EpisodesReport* report) override {
    use_device();
    void* memory = report ? scratch(kernels::episodes_scratch(episodes)) : nullptr;
    kernels::episodes(episodes, advantages, report, memory, compute_.get());
  }
  std::unique_ptr<ParameterSet> run_bind(std::span<const Parameter> parameters, std::span<const ParameterGroup> groups,
                                         const GradientOptions& gradient) override {
    use_device();
    return std::make_unique<CudaParameters>(parameters, groups, gradient);
  }
  void run_set_groups(ParameterSet& parameters, std::span<const ParameterGroup> groups) override {
    require(!capturing_, Errc::bad_argument, "groups cannot be set while a capture is under way");
    use_device();
    static_cast<CudaParameters&>(parameters).set_groups(groups, compute_.get());
  }
  void run_update(ParameterSet& parameters, StepState* state, GroupState* groups, const LossReport* gate) override {
    use_device();
    const auto& set = static_cast<CudaParameters&>(parameters);
    kernels::update(set.scalars(state, groups, gate), set.rules(), {counters_.data(), nullptr}, compute_.get());
  }
  void run_observe(ParameterSet& parameters, GroupState* groups, const double* value) override {
    use_device();
    const auto& set = static_cast<CudaParameters&>(parameters);
    kernels::observe(set.scalars(nullptr, groups, nullptr), value, compute_.get());
  }

 private:
  static cudaEvent_t handle_of(Event& event) { return static_cast<CudaEvent&>(event).handle.get(); }
  cudaStream_t stream(Queue queue) const { return queue == Queue::compute ? compute_.get() : copy_.get(); }
  /// The runtime's current device belongs to the thread, which may have used another one meanwhile.
  void use_device() const { check(cudaSetDevice(ordinal_), "choosing the device"); }

  [[noreturn]] static void refuse_in_capture() {
    throw Error(Errc::bad_argument,
                "a capture met shapes that were not run before; run the step once, then capture it");
  }
  /// Memory for the work that is queued next; it grows to the largest pass and then stays. Outgrown memory is kept: a
  /// graph may go on using it.
  void* scratch(std::size_t bytes) {
    if (scratch_.empty() || bytes > scratch_.back().bytes()) {
      if (capturing_) refuse_in_capture();
      const std::size_t before = scratch_.empty() ? 0 : scratch_.back().bytes();
      scratch_.emplace_back(std::max({bytes, 2 * before, std::size_t{1} << 20}));
    }
    return scratch_.back().data();
  }

  int ordinal_;
  cuda::Products products_;
  DeviceMemory counters_;
  std::vector<DeviceMemory> scratch_;
  bool capturing_ = false;
  cuda::Stream compute_, copy_;
};

std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

}  // namespace

std::unique_ptr<Backend> make_cuda_backend(int ordinal) {
  const CudaStatus status = cuda_status();
  if (!status.usable) throw Error(Errc::no_device, status.text);
  if (ordinal < 0 || ordinal >= static_cast<int>(status.devices.size()))
    throw Error(Errc::no_device, fmt::format("there is no CUDA device {}; found: {}", ordinal, status.text));
  return std::make_unique<CudaBackend>(ordinal);
}

std::string_view cuda_device_name() { return kernels::device_name(); }

CudaStatus cuda_status() {
  CudaStatus s;
  s.built = true;
  int runtime = 0, driver = 0, count = 0;
  cudaRuntimeGetVersion(&runtime);
  cudaDriverGetVersion(&driver);
  s.runtime = version_text(runtime);
  s.driver = driver > 0 ? version_text(driver) : "none";
  std::string built;
  for (const int arch : kernels::architectures()) {
    s.architectures.push_back(fmt::format("sm_{}", arch / 10));
    built += (built.empty() ? "" : ", ") + s.architectures.back();
  }
  const std::string head = fmt::format("CUDA {} built in for {}; ", s.runtime, built);
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    cudaGetLastError();
    s.text = head + fmt::format("{} (CUDA error {}: {}); install NVIDIA's driver for CUDA {} or later",
                                driver > 0 ? "the driver, for CUDA " + s.driver + ", gives no device" : "no driver",
                                static_cast<int>(status), cudaGetErrorString(status), runtime / 1000);
    return s;
  }
  std::string names;
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp p{};
    if (cudaGetDeviceProperties(&p, i) != cudaSuccess) p.name[0] = '\0';
    s.devices.push_back(fmt::format("{} (sm_{}{})", p.name, p.major, p.minor));
    names += fmt::format("{}{}: {}", names.empty() ? "" : ", ", i, s.devices.back());
  }
  const std::string refused = count > 0 ? kernels::refused_by_device() : "";
  s.usable = count > 0 && refused.empty();
  s.text = head + (count == 0 ? "no device" : names);
  if (!refused.empty()) s.text += "; " + refused;
  return s;
}

}  // namespace fuselage
