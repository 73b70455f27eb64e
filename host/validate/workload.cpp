// Workloads of benchmarks.
#include "host/validate/workload.h"

#include <fmt/format.h>
#include <omp.h>
#include <unistd.h>
#include <bit>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <map>
#include <utility>

#include "fuselage/core/rng.h"
#include "fuselage/loss/traits.h"
#include "host/validate/problem.h"

namespace fuselage::validate {
namespace {

constexpr std::int64_t kBlock = 1 << 16;

/// A block of numbers in (0, 1): right for predictions of every loss, targets of most, parameters and gradients. Made
/// once for each type, and for even and odd streams.
const Array& noise_block(DType type, std::uint32_t stream) {
  static std::map<std::pair<DType, std::uint32_t>, Array> blocks;
  const auto [at, added] = blocks.try_emplace({type, stream % 2});
  if (!added) return at->second;
  Array block(DType::f32, {kBlock});
  const auto values = block.as<float>();
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = 0.01f + 0.98f * uniform(random_word(1, i, stream_of(RandomUse::synthetic, stream % 2), 0));
  return at->second = converted(block, type);
}

/// `n` elements of repeated noise.
Buffer noise(Backend& backend, DType type, std::int64_t n, std::uint32_t stream) {
  const Array& stored = noise_block(type, stream);
  const auto element = static_cast<std::int64_t>(size_of(type));
  Buffer buffer(backend, static_cast<std::size_t>(std::max<std::int64_t>(n * element, 1)));
  for (std::int64_t at = 0; at < n; at += kBlock)
    backend.copy(buffer.as<std::byte>() + at * element, stored.data(),
                 static_cast<std::size_t>(std::min(kBlock, n - at) * element));
  backend.synchronize();
  return buffer;
}

/// Below `classes`; -1 and 1 where they are signs.
Buffer labels(Backend& backend, std::int64_t rows, std::int64_t classes, bool signs) {
  std::vector<std::int32_t> values(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<std::int32_t>(random_word(2, i, 0, 0) % static_cast<std::uint64_t>(classes));
  if (signs)
    for (std::int32_t& value : values) value = 2 * value - 1;
  Buffer buffer(backend, std::max<std::size_t>(values.size() * sizeof(std::int32_t), 1));
  backend.copy(buffer.data(), values.data(), values.size() * sizeof(std::int32_t));
  backend.synchronize();
  return buffer;
}

/// A hash of bytes of device memory, chained with `h`.
std::uint64_t hash_of(Backend& backend, const void* data, std::size_t bytes, std::uint64_t h = 0) {
  std::vector<std::uint64_t> words((bytes + 7) / 8);
  backend.copy(words.data(), data, bytes);
  backend.synchronize();
  h += bytes;
  for (const std::uint64_t word : words) {
    h = (h ^ word) * 0x9e3779b97f4a7c15u;
    h ^= h >> 29;
  }
  return h;
}

class LossWorkload : public Workload {
 public:
  LossWorkload(Backend& backend, const AnyLoss& loss, DType type, std::int64_t rows, std::int64_t cols, int copies)
      : backend_(backend),
        loss_(loss),
        rows_(rows),
        cols_(cols),
        gradient_bytes_(rows * cols * static_cast<std::int64_t>(size_of(type))),
        report_(backend, sizeof(LossReport)) {
    const LossTraits traits = traits_of(loss);
    for (int i = 0; i < copies; ++i) add_batch(traits, type, static_cast<std::uint32_t>(2 * i));
  }
  void run() override {
    backend_.loss(loss_, batches_[next_], report_.as<LossReport>());
    next_ = (next_ + 1) % batches_.size();
  }
  std::uint64_t first_result() override {
    // The report's last field is a flag, and what pads the struct after it is nobody's.
    const std::uint64_t report = hash_of(backend_, report_.data(), offsetof(LossReport, rejected) + 1);
    return hash_of(backend_, batches_[0].gradient.data, static_cast<std::size_t>(gradient_bytes_), report);
  }
  double bytes() const override { return bytes_; }
  std::string shape() const override { return fmt::format("[{}, {}]", rows_, cols_); }

 private:
  ConstView input(DType type, std::int64_t cols, std::uint32_t stream) {
    bytes_ += batches_.size() > 1 ? 0 : static_cast<double>(rows_ * cols) * static_cast<double>(size_of(type));
    void* const data = memory_.emplace_back(noise(backend_, type, rows_ * cols, stream)).data();
    return ConstView(data, type, rows_, cols, cols);
  }
  View output(DType type, std::uint32_t stream) {
    const ConstView memory = input(type, cols_, stream);
    return View(const_cast<void*>(memory.data), type, rows_, cols_, cols_);
  }
  /// Every input that the loss takes, and every gradient that it gives. Class labels and labels 0 or 1 are integers.
  void add_batch(const LossTraits& traits, DType type, std::uint32_t stream) {
    LossBatch& batch = batches_.emplace_back();
    const Inputs& inputs = traits.inputs;
    batch.prediction = input(type, cols_, stream);
    batch.gradient = output(type, stream);
    if (!inputs.second.empty()) {
      batch.second = traits.row_second ? input(DType::f32, 1, stream + 1) : input(type, cols_, stream + 1);
      if (inputs.second_has_gradient && !traits.row_second) batch.second_gradient = output(type, stream);
    }
    if (!inputs.third.empty()) {
      batch.third = input(type, cols_, stream);
      batch.third_gradient = output(type, stream);
    }
    if (!traits.elementwise && traits.target == RowTarget::none) return;
    if (traits.elementwise || traits.target == RowTarget::dense) {
      batch.target = input(type, cols_, stream + 1);
    } else {
      const std::int64_t classes = traits.target == RowTarget::single ? 2 : cols_;
      void* const data =
          memory_.emplace_back(labels(backend_, rows_, classes, traits.target_domain == Domain::sign)).data();
      batch.target = ConstView(data, DType::i32, rows_, 1, 1);
      bytes_ += batches_.size() > 1 ? 0 : 4.0 * static_cast<double>(rows_);
    }
  }

  Backend& backend_;
  AnyLoss loss_;
  std::int64_t rows_, cols_;
  double bytes_ = 0;
  std::int64_t gradient_bytes_;
  Buffer report_;
  std::vector<Buffer> memory_;
  std::vector<LossBatch> batches_;
  std::size_t next_ = 0;
};

class StepWorkload : public Workload {
 public:
  StepWorkload(Backend& backend, const OptimizerSpec& optimizer, DType type, std::int64_t tensors, std::int64_t size,
               int copies)
      : backend_(backend), tensors_(tensors), size_(size) {
    std::uint32_t stream = 0;
    for (int i = 0; i < copies; ++i) {
      std::vector<Trainable> list;
      for (std::int64_t t = 0; t < tensors; ++t) {
        Trainable p{fmt::format("tensor {}", t), nullptr, nullptr, {size}, type};
        p.value = memory_.emplace_back(noise(backend, type, size, stream++)).data();
        p.gradient = memory_.emplace_back(noise(backend, type, size, stream++)).data();
        list.push_back(std::move(p));
      }
      optimizers_.push_back(std::make_unique<Optimizer>(backend, list, ParameterGroup{optimizer, {}}));
    }
    const int states = std::popcount(slots_used_by(optimizer.rule));
    bytes_ = static_cast<double>(tensors * size) * (3.0 * static_cast<double>(size_of(type)) + 8.0 * states);
  }
  void run() override {
    optimizers_[next_]->step();
    next_ = (next_ + 1) % optimizers_.size();
  }
  std::uint64_t first_result() override {
    std::uint64_t h = hash_of(backend_, optimizers_[0]->steps(), sizeof(StepState));
    for (const Parameter& p : optimizers_[0]->parameters()) {
      h = hash_of(backend_, p.value, static_cast<std::size_t>(p.size) * size_of(p.dtype), h);
      for (const float* state : p.state)
        if (state) h = hash_of(backend_, state, static_cast<std::size_t>(p.size) * sizeof(float), h);
    }
    return h;
  }
  double bytes() const override { return bytes_; }
  std::string shape() const override { return fmt::format("{} x [{}]", tensors_, size_); }

 private:
  Backend& backend_;
  std::int64_t tensors_, size_;
  double bytes_ = 0;
  std::vector<Buffer> memory_;
  std::vector<std::unique_ptr<Optimizer>> optimizers_;  ///< one for each copy
  std::size_t next_ = 0;
};

class CopyWorkload : public Workload {
 public:
  CopyWorkload(Backend& backend, std::int64_t bytes)
      : backend_(backend),
        bytes_(bytes),
        from_(noise(backend, DType::f32, bytes / 4, 0)),
        to_(noise(backend, DType::f32, bytes / 4, 1)) {}
  void run() override {
    const auto size = static_cast<std::size_t>(bytes_ / 4 * 4);
    if (!backend_.host_accessible()) return backend_.copy(to_.data(), from_.data(), size);
    std::byte* const to = to_.as<std::byte>();
    const std::byte* const from = from_.as<std::byte>();
#pragma omp parallel
    {
      const auto threads = static_cast<std::size_t>(omp_get_num_threads()),
                 thread = static_cast<std::size_t>(omp_get_thread_num());
      const std::size_t begin = size / threads * thread,
                        end = thread + 1 == threads ? size : size / threads * (thread + 1);
      std::memcpy(to + begin, from + begin, end - begin);
    }
  }
  std::uint64_t first_result() override {
    return hash_of(backend_, to_.data(), static_cast<std::size_t>(bytes_ / 4 * 4));
  }
  double bytes() const override { return 2.0 * static_cast<double>(bytes_); }
  std::string shape() const override { return fmt::format("[{}]", bytes_); }

 private:
  Backend& backend_;
  std::int64_t bytes_;
  Buffer from_, to_;
};

}  // namespace

int copies_beyond_cache(double bytes, double cache) {
  return static_cast<int>(std::clamp(std::ceil(2 * cache / std::max(bytes, 1.0)), 1.0, 64.0));
}

double host_cache_bytes() {
  const long size = sysconf(_SC_LEVEL3_CACHE_SIZE);
  return size > 0 ? static_cast<double>(size) : 32.0 * 1024 * 1024;
}

std::unique_ptr<Workload> loss_workload(Backend& backend, const AnyLoss& loss, DType type, std::int64_t rows,
                                        std::int64_t cols, int copies) {
  return std::make_unique<LossWorkload>(backend, loss, type, rows, cols, copies);
}

std::unique_ptr<Workload> step_workload(Backend& backend, const OptimizerSpec& optimizer, DType type,
                                        std::int64_t tensors, std::int64_t size, int copies) {
  return std::make_unique<StepWorkload>(backend, optimizer, type, tensors, size, copies);
}

std::unique_ptr<Workload> copy_workload(Backend& backend, std::int64_t bytes) {
  return std::make_unique<CopyWorkload>(backend, bytes);
}

OptimizerSpec usual_optimizer(const AnyOptimizer& rule) {
  OptimizerSpec spec{rule, {}};
  for (const EntryInfo& entry : Optimizers::describe())
    if (entry.name == Optimizers::name_of(rule))
      for (const FieldInfo& field : entry.fields)
        if (field.name == "momentum") spec.set("momentum", "0.9");
  return spec;
}

double seconds_of(Backend& backend, Workload& workload, int passes) {
  const auto start = backend.make_event(true), end = backend.make_event(true);
  backend.synchronize();
  backend.record(*start);
  for (int k = 0; k < passes; ++k) workload.run();
  backend.record(*end);
  return backend.seconds_between(*start, *end) / passes;
}

double median_seconds(Backend& backend, Workload& workload, int repetitions) {
  // Queued devices run several passes between two events, so that the first launch is not what is measured.
  const int passes = backend.host_accessible() ? 1 : 10;
  std::vector<double> seconds;
  for (int i = -2; i < repetitions; ++i) {
    const double one = seconds_of(backend, workload, passes);
    if (i >= 0) seconds.push_back(one);
  }
  std::nth_element(seconds.begin(), seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2), seconds.end());
  return seconds[seconds.size() / 2];
}

}  // namespace fuselage::validate
