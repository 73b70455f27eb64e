// The CPU backend: threads and the best instruction set, driving the same definitions as every other device.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>

#include "fuselage/core/partition.h"
#include "fuselage/core/suggest.h"
#include "fuselage/custom_loss.h"
#include "host/backend/cpu/combination.h"
#include "host/backend/cpu/episodes.h"
#include "host/backend/cpu/groups.h"
#include "host/backend/cpu/loss_runner.h"
#include "host/backend/cpu/pairs.h"
#include "host/backend/cpu/products.h"
#include "host/backend/cpu/triplets.h"
#include "host/backend/cpu/update_runner.h"
#include "host/backend/cpu/vector_targets.h"
#include "host/backend/cpu/workers.h"

namespace fuselage {

namespace {

using cpu::Target;

constexpr std::size_t kAlignment = 256;

class CpuEvent final : public Event {
 public:
  std::chrono::steady_clock::time_point at;
};

class CpuBackend final : public Backend {
 public:
  CpuBackend(int threads, const Target& target)
      : threads_(threads), target_(target), losses_(threads, target), groups_(threads), triplets_(threads) {}

  std::string_view device() const override { return "cpu"; }
  std::string description() const override {
    return fmt::format("CPU, {} thread{}, {}, {}", threads_, threads_ == 1 ? "" : "s", target_.name,
                       cpu::product_library());
  }
  bool host_accessible() const override { return true; }

  void* allocate(std::size_t bytes, Buffer::Kind) override {
    const std::size_t rounded = (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
    void* data = rounded < bytes ? nullptr : std::aligned_alloc(kAlignment, rounded);
    if (!data) throw Error(Errc::out_of_memory, fmt::format("cannot allocate {} bytes of host memory", bytes));
    return data;
  }
  void release(void* data, Buffer::Kind) noexcept override { std::free(data); }
  void copy(void* to, const void* from, std::size_t bytes, Queue) override {
    if (bytes > 0) std::memmove(to, from, bytes);
  }
  void zero(void* data, std::size_t bytes, Queue) override {
    if (bytes > 0) std::memset(data, 0, bytes);
  }

  std::unique_ptr<Event> make_event(bool) override { return std::make_unique<CpuEvent>(); }
  void record(Event& event, Queue) override { static_cast<CpuEvent&>(event).at = std::chrono::steady_clock::now(); }
  void wait(Event&, Queue) override {}
  void synchronize(Event&) override {}
  void synchronize() override {}
  double seconds_between(Event& first, Event& second) override {
    const auto start = static_cast<CpuEvent&>(first).at, end = static_cast<CpuEvent&>(second).at;
    return std::chrono::duration<double>(end - start).count();
  }
  bool can_capture() const override { return false; }
  void begin_capture() override { throw Error(Errc::no_device, "the CPU backend has no graphs to capture"); }
  std::unique_ptr<Graph> end_capture() override { throw Error(Errc::no_device, "the CPU backend has no graphs"); }
  void replay(Graph&) override { throw Error(Errc::no_device, "the CPU backend has no graphs to replay"); }

  void norms(ParameterSet& parameters, ParameterNorms* norms) override {
    *norms = cpu::parameter_norms(static_cast<const cpu::Parameters&>(parameters).tensors, threads_);
  }
  void weigh_terms(const TermWeights& terms, const float* log_variances, float* factors) override {
    const StandardFloats floats;
    for (std::int32_t i = 0; i < terms.count; ++i)
      factors[i] = from_float<float>(static_cast<float>(term_factor(terms, log_variances, i)));
  }
  void add_terms(const TermWeights& terms, const LossReport* reports, const float* log_variances,
                 float* log_variance_gradient, float scale, LossReport* total) override {
    const StandardFloats floats;
    *total = total_of(terms, reports, log_variances, log_variance_gradient, scale);
  }
  void add(const View& sum, const ConstView& from, LossReport* report) override {
    report->nonfinite += cpu::add_elements(sum, from, threads_);
  }

  void pair_step(const PairStep& step) override { cpu::run_pair_step(step, threads_); }

  void product(const Product& p) override { cpu::run_product(p, threads_); }

  void bias_activation(const AnyActivation& activation, std::int64_t rows, std::int64_t cols, float* z,
                       const float* bias, float* a) override {
    const cpu::LayerFn run = target_.forward[activation.index()];
    std::visit(
        [&](const auto& act) {
          parallel_blocks(threads_, rows, rows_per_task(cols), [&](std::int64_t first, std::int64_t last, int) {
            run({&act, last - first, cols, z + first * cols, bias, a + first * cols, nullptr, nullptr});
          });
        },
        activation);
  }

  void bias_activation_backward(const AnyActivation& activation, std::int64_t rows, std::int64_t cols, const float* z,
                                const float* a, float* da, float* bias_gradient) override {
    const cpu::LayerFn run = target_.backward[activation.index()];
    const std::int64_t parts = ceil_div(rows, kColumnRows);
    column_sums_.resize(static_cast<std::size_t>(parts * cols));
    std::visit(
        [&](const auto& act) {
          parallel_blocks(threads_, parts, 1, [&](std::int64_t first, std::int64_t last, int) {
            for (std::int64_t part = first; part < last; ++part) {
              const std::int64_t row = part * kColumnRows, count = std::min<std::int64_t>(kColumnRows, rows - row);
              run({&act, count, cols, z ? const_cast<float*>(z) + row * cols : nullptr, nullptr,
                   const_cast<float*>(a) + row * cols, da + row * cols, column_sums_.data() + part * cols});
            }
          });
        },
        activation);
    for (std::int64_t c = 0; c < cols; ++c) {
      double sum = 0;
      for (std::int64_t part = 0; part < parts; ++part)
        sum += static_cast<double>(column_sums_[static_cast<std::size_t>(part * cols + c)]);
      bias_gradient[c] = from_float<float>(static_cast<float>(sum));
    }
  }

 protected:
  void run_loss(const AnyLoss& loss, const LossBatch& batch, LossReport* report) override {
    *report = losses_.run(loss, batch);
  }
  void run_custom_loss(const CustomLoss& loss, const LossBatch& batch, LossReport* report) override {
    const OwnLossView own = loss.view();
    *report = losses_.run(own.loss, loss.tiles(&target_ != &cpu::portable_target()), own.traits, batch);
  }

  void run_penalty(const AnyPenalty& penalty, const GroupBatch& batch, LossReport* report) override {
    *report = groups_.run(penalty, batch);
  }
  void run_group_sums(const GroupMeasure& measure, const GroupBatch& batch, GroupSums* sums,
                      LossReport* report) override {
    const LossReport found = groups_.measure(measure, batch, sums);
    if (report) *report = found;
  }
  void run_batch_triplet(const BatchTriplet& spec, const TripletBatch& batch, LossReport* report) override {
    *report = triplets_.run(spec, batch);
  }
  void run_join(LossReport* to, const LossReport* from) override { join_report(*to, *from); }
  void run_episodes(const Episodes& episodes, bool advantages, EpisodesReport* report) override {
    const EpisodesReport found = cpu::run_episodes(episodes, advantages, threads_);
    if (report) *report = found;
  }

  std::unique_ptr<ParameterSet> run_bind(std::span<const Parameter> parameters, std::span<const ParameterGroup> groups,
                                         const GradientOptions& gradient) override {
    return std::make_unique<cpu::Parameters>(parameters, groups, gradient);
  }
  void run_set_groups(ParameterSet& parameters, std::span<const ParameterGroup> groups) override {
    static_cast<cpu::Parameters&>(parameters).set_groups(groups);
  }
  void run_update(ParameterSet& parameters, StepState* state, GroupState* groups, const LossReport* gate) override {
    cpu::update(target_, static_cast<cpu::Parameters&>(parameters), *state, groups, gate, threads_);
  }
  void run_observe(ParameterSet& parameters, GroupState* groups, const double* value) override {
    cpu::observe(static_cast<cpu::Parameters&>(parameters), groups, *value);
  }

 private:
  using StandardFloats = cpu::StandardFloats;

  template <class Body>
  static void parallel_blocks(int threads, std::int64_t n, std::int64_t grain, const Body& body) {
    cpu::parallel_blocks(threads, n, grain, body);
  }
  static std::int64_t rows_per_task(std::int64_t cols) {
    return std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(cols, 1));
  }

  int threads_;
  const Target& target_;
  cpu::LossRunner losses_;
  cpu::GroupRunner groups_;
  cpu::TripletRunner triplets_;
  std::vector<float> column_sums_;
};

const Target& find_target(const std::string& name) {
  const std::vector<const Target*> found = cpu::vector_targets();
  if (name.empty()) return found.empty() ? cpu::portable_target() : *found.front();
  if (name == cpu::portable_target().name) return cpu::portable_target();
  for (const Target* target : found)
    if (name == target->name) return *target;
  throw Error(Errc::no_device, "the instruction set '" + name + "' is not built in, or this processor lacks it" +
                                   suggest(name, cpu_targets()));
}

}  // namespace

std::vector<std::string> cpu_targets() {
  std::vector<std::string> names;
  for (const Target* target : cpu::vector_targets()) names.emplace_back(target->name);
  names.emplace_back(cpu::portable_target().name);
  return names;
}

std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options) {
  if (options.threads < 0 || options.threads > 4096)
    throw Error(Errc::bad_argument, fmt::format("threads = {} is outside [0, 4096]", options.threads));
  const int threads = options.threads > 0 ? options.threads : std::max(1, omp_get_num_procs());
  return std::make_unique<CpuBackend>(threads, find_target(options.target));
}

}  // namespace fuselage
