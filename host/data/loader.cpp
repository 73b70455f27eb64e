// Loader: a thread that gathers batches into a ring of buffers, ahead of the one that consumes them.
//
// Batch number k of the run goes into slot k modulo the number of slots. `produced_` counts finished batches,
// `released_` those that the caller has given back; the thread may fill slot k while k < released_ + slots. Both
// counters are guarded by one mutex, a slot belongs to one side at a time, and everything else is the property of one
// side: so there is nothing to race on.
#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <thread>

#include "fuselage/data.h"

namespace fuselage {
namespace {

constexpr std::align_val_t kAlignment{64};

void* allocate_aligned(std::size_t bytes) { return ::operator new(bytes, kAlignment); }
void release_aligned(void* p) { ::operator delete(p, kAlignment); }

/// Memory from a BufferAllocator.
class Buffer {
 public:
  Buffer(const BufferAllocator& allocator, std::int64_t rows, std::int64_t width, std::size_t element)
      : release_(allocator.release) {
    std::int64_t count = 0;
    if (__builtin_mul_overflow(rows, width, &count) ||
        __builtin_mul_overflow(count, static_cast<std::int64_t>(element), &count))
      throw Error(Errc::bad_argument, fmt::format("loader: a batch of {} rows of {} exceeds 2^63 - 1", rows, width));
    if (count == 0) return;
    try {
      data_ = allocator.allocate(static_cast<std::size_t>(count));
    } catch (const std::bad_alloc&) {
      data_ = nullptr;
    }
    if (data_ == nullptr)
      throw Error(Errc::out_of_memory, fmt::format("loader: cannot allocate a batch buffer of {} bytes", count));
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    if (data_ != nullptr) release_(data_);
  }

  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  std::function<void(void*)> release_;
  void* data_ = nullptr;
};

struct Slot {
  Slot(const Dataset& d, std::int64_t rows, const BufferAllocator& a)
      : x(a, rows, d.feature_size(), sizeof(float)),
        labels(a, rows, d.has_labels() ? 1 : 0, sizeof(std::int32_t)),
        targets(a, rows, d.target_size(), sizeof(float)),
        weights(a, rows, d.has_weights() ? 1 : 0, sizeof(float)) {
    indices.reserve(static_cast<std::size_t>(rows));
  }

  Buffer x, labels, targets, weights;
  std::vector<std::int64_t> indices;
  HostBatch batch;
};

}  // namespace

struct Loader::Impl {
  Impl(Dataset d, LoaderOptions o);
  ~Impl() { stop(); }

  /// Samples of the batch that begins at `position`; 0 at the end of the epoch.
  std::int64_t rows_at(std::int64_t position) const {
    const std::int64_t left = dataset.size() - position;
    if (left >= options.batch_size) return options.batch_size;
    return options.drop_last ? 0 : left;
  }
  void start();
  void stop();
  void run(LoaderState at);
  void fill(Slot& slot, LoaderState at, std::int64_t rows);

  Dataset dataset;
  LoaderOptions options;
  SampleOrder order;  // the thread's, while it runs
  std::vector<std::unique_ptr<Slot>> slots;
  LoaderState state;  // the caller's
  bool holding = false;

  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t produced = 0, released = 0;
  bool stopping = false;
  std::exception_ptr error;
  std::thread thread;
};

Loader::Impl::Impl(Dataset d, LoaderOptions o)
    : dataset(std::move(d)), options(std::move(o)), order(dataset.size(), options.seed, options.shuffle) {
  if (options.batch_size < 1)
    throw Error(Errc::bad_argument, fmt::format("loader: batch_size {}, expected at least 1", options.batch_size));
  if (options.buffers < 2)
    throw Error(Errc::bad_argument, fmt::format("loader: {} buffers, expected at least 2", options.buffers));
  if (rows_at(0) == 0)
    throw Error(Errc::bad_argument, fmt::format("loader: {} samples give no batch of {}{}", dataset.size(),
                                                options.batch_size, options.drop_last ? " with drop_last" : ""));
  const BufferAllocator given = options.allocator;
  require(!given.allocate == !given.release, Errc::bad_argument, "loader: an allocator needs allocate and release");
  const BufferAllocator allocator = given.allocate ? given : BufferAllocator{allocate_aligned, release_aligned};
  const std::int64_t rows = std::min(options.batch_size, dataset.size());
  for (int i = 0; i < options.buffers; ++i) slots.push_back(std::make_unique<Slot>(dataset, rows, allocator));
}

void Loader::Impl::start() {
  produced = released = 0;
  stopping = false;
  error = nullptr;
  thread = std::thread([this, from = state] { run(from); });
}

void Loader::Impl::stop() {
  if (!thread.joinable()) return;
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  changed.notify_all();
  thread.join();
  holding = false;
}

void Loader::Impl::fill(Slot& slot, LoaderState at, std::int64_t rows) {
  const std::span<const std::int64_t> indices =
      order.at(at.epoch).subspan(static_cast<std::size_t>(at.position), static_cast<std::size_t>(rows));
  slot.indices.assign(indices.begin(), indices.end());  // the order itself changes with the next epoch
  slot.batch.rows = rows;
  slot.batch.data = {slot.x.as<float>(), slot.labels.as<std::int32_t>(), slot.targets.as<float>(),
                     slot.weights.as<float>()};
  slot.batch.indices = slot.indices;
  slot.batch.epoch = at.epoch;
  slot.batch.position = at.position;
  dataset.gather(slot.batch.indices, slot.batch.data);
  if (options.prepare) options.prepare(slot.batch);
}

void Loader::Impl::run(LoaderState at) {
  try {
    for (std::uint64_t k = 0;; ++k) {
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return stopping || k < released + slots.size(); });
        if (stopping) return;
      }
      std::int64_t rows = rows_at(at.position);
      if (rows == 0) {
        at = {at.epoch + 1, 0};
        rows = rows_at(0);
      }
      fill(*slots[k % slots.size()], at, rows);
      at.position += rows;
      {
        const std::lock_guard lock(mutex);
        produced = k + 1;
      }
      changed.notify_all();
    }
  } catch (...) {
    const std::lock_guard lock(mutex);
    error = std::current_exception();
  }
  changed.notify_all();
}

Loader::Loader(Dataset dataset, LoaderOptions options)
    : impl_(std::make_unique<Impl>(std::move(dataset), std::move(options))) {}

Loader::~Loader() = default;

bool Loader::next(HostBatch& batch) {
  Impl& m = *impl_;
  const std::int64_t rows = m.rows_at(m.state.position);
  if (rows == 0) {
    m.state = {m.state.epoch + 1, 0};
    return false;
  }
  if (!m.thread.joinable()) m.start();
  std::unique_lock lock(m.mutex);
  if (m.holding) {
    m.holding = false;
    ++m.released;
    m.changed.notify_all();
  }
  m.changed.wait(lock, [&] { return m.produced > m.released || m.error; });
  if (m.produced == m.released) std::rethrow_exception(m.error);  // after the batches that were right
  batch = m.slots[m.released % m.slots.size()]->batch;
  m.holding = true;
  m.state.position += rows;
  return true;
}

LoaderState Loader::state() const { return impl_->state; }

void Loader::seek(LoaderState state) {
  if (state.epoch < 0 || state.position < 0 || state.position > impl_->dataset.size())
    throw Error(Errc::bad_argument, fmt::format("loader: epoch {} position {} is outside a dataset of {} samples",
                                                state.epoch, state.position, impl_->dataset.size()));
  impl_->stop();
  impl_->state = state;
}

std::int64_t Loader::batches_per_epoch() const {
  const std::int64_t n = impl_->dataset.size(), b = impl_->options.batch_size;
  return n / b + (!impl_->options.drop_last && n % b != 0 ? 1 : 0);
}

}  // namespace fuselage
