// Device memory of the emulated device: the stretch of addresses, its allocations, and who may touch it when.
#include "tests/simt/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "tests/simt/check.h"
#include "tests/simt/runtime/host_touch.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(data, bytes) static_cast<void>(data)
#define ASAN_UNPOISON_MEMORY_REGION(data, bytes) static_cast<void>(data)
#endif

namespace simt {
namespace {

constexpr std::size_t kStretch = std::size_t{16} << 30;  ///< of addresses, so that freed ones rest for long
constexpr std::size_t kCapacity = std::size_t{2} << 30;  ///< of living allocations
constexpr std::size_t kRedZone = 256, kPage = 4096;      ///< a red zone follows every allocation
constexpr std::size_t kKept = 1 << 16;                   ///< freed allocations that messages still know

struct Block {
  Allocation allocation;
  std::size_t span = 0;  ///< of addresses, with the red zone
};

std::size_t rounded(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

class Arena {
 public:
  static Arena& instance() {
    static Arena* const arena = new Arena;  // never gone: other static objects may hold device memory to the end
    return *arena;
  }

  void* allocate(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (bytes > kCapacity || alive_ + bytes > kCapacity) return nullptr;
    const std::size_t span = rounded(bytes) + kRedZone;
    std::uintptr_t begin = fresh_addresses(span);
    if (begin == 0) begin = rested_addresses(span);
    if (begin == 0) return nullptr;
    alive_ += bytes;
    const auto data = reinterpret_cast<void*>(begin);
    blocks_[begin] = {{begin, bytes, ++numbers_, false}, span};
    if (open_ > 0) open_pages(begin, span);
    const Pages own = pages_of(begin, span);
    protect(own, PROT_READ | PROT_WRITE);
    ASAN_POISON_MEMORY_REGION(data, span);
    ASAN_UNPOISON_MEMORY_REGION(data, bytes);
    std::memset(data, 0xff, bytes);
    if (open_ == 0) protect(own, PROT_NONE);
    check::allocated(data, bytes);
    return data;
  }

  void* allocate_pinned(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    void* data = bytes > kCapacity ? nullptr : std::aligned_alloc(256, rounded(bytes > 0 ? bytes : 1));
    if (!data) return nullptr;
    std::memset(data, 0xff, bytes);
    blocks_[reinterpret_cast<std::uintptr_t>(data)] = {
        {reinterpret_cast<std::uintptr_t>(data), bytes, ++numbers_, true}, 0};
    return data;
  }

  bool release(void* data, bool pinned) {
    const std::lock_guard lock(mutex_);
    const auto found = blocks_.find(reinterpret_cast<std::uintptr_t>(data));
    if (found == blocks_.end() || found->second.allocation.pinned != pinned) return false;
    const Block block = found->second;
    blocks_.erase(found);
    if (pinned) {
      std::free(data);
      return true;
    }
    alive_ -= block.allocation.bytes;
    check::freed(data, block.allocation.bytes);
    ASAN_POISON_MEMORY_REGION(data, block.span);
    const std::uintptr_t first = (block.allocation.begin + kPage - 1) / kPage * kPage;
    const std::uintptr_t last = (block.allocation.begin + block.span) / kPage * kPage;
    if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);  // the pages, not the place
    freed_.push_back(block);
    if (freed_.size() > kKept) freed_.pop_front();
    return true;
  }

  const Allocation* find(std::uintptr_t p) {
    const std::lock_guard lock(mutex_);
    auto next = blocks_.upper_bound(p);
    if (next == blocks_.begin()) return nullptr;
    const Allocation& a = std::prev(next)->second.allocation;
    return p < a.begin + a.bytes ? &a : nullptr;
  }

  std::string describe(std::uintptr_t p) {
    const std::lock_guard lock(mutex_);
    const auto next = blocks_.upper_bound(p);
    if (next != blocks_.begin()) {
      const Block& block = std::prev(next)->second;
      const Allocation& a = block.allocation;
      if (p < a.begin + std::max(block.span, a.bytes))
        return fmt::format("byte {} of {}allocation {}, which has {} bytes", p - a.begin, a.pinned ? "pinned " : "",
                           a.number, a.bytes);
    }
    for (auto block = freed_.rbegin(); block != freed_.rend(); ++block)
      if (p >= block->allocation.begin && p < block->allocation.begin + block->span)
        return fmt::format("allocation {}, which was freed", block->allocation.number);
    return holds(p) ? "device memory that was never allocated" : "host memory";
  }

  bool holds(std::uintptr_t p) const { return p - begin_ < kStretch; }
  std::uintptr_t begin() const { return begin_; }

  void open() {
    const std::lock_guard lock(mutex_);
    if (open_++ > 0) return;
    for (const auto& [begin, block] : blocks_)
      if (!block.allocation.pinned) open_pages(begin, block.span);
    for (const Pages& run : opened_) protect(run, PROT_READ | PROT_WRITE);
  }
  void close() {
    const std::lock_guard lock(mutex_);
    if (--open_ > 0) return;
    for (const Pages& run : opened_) protect(run, PROT_NONE);
    opened_.clear();
  }
  bool is_open() const { return open_ > 0; }

 private:
  Arena() {
    void* stretch = mmap(nullptr, kStretch, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stretch == MAP_FAILED) {
      fmt::print(stderr, "simt: no {} GiB of addresses for device memory\n", kStretch >> 30);
      std::abort();
    }
    begin_ = reinterpret_cast<std::uintptr_t>(stretch);
    used_ = kRedZone;
    watch_host_touches();
  }

  /// Whole pages. What was freed stays closed: the cost of opening is that of what lives, however much came before.
  struct Pages {
    std::uintptr_t begin, end;
  };
  static Pages pages_of(std::uintptr_t begin, std::size_t span) {
    return {begin / kPage * kPage, (begin + span + kPage - 1) / kPage * kPage};
  }
  static void protect(const Pages& run, int protection) {
    if (mprotect(reinterpret_cast<void*>(run.begin), run.end - run.begin, protection) != 0) {
      fmt::print(stderr, "simt: device memory cannot be protected: {}\n", std::strerror(errno));
      std::abort();
    }
  }

  /// Adds the pages of a block to those that are open; neighbours become one run.
  void open_pages(std::uintptr_t begin, std::size_t span) {
    const Pages pages = pages_of(begin, span);
    if (!opened_.empty() && pages.begin <= opened_.back().end && pages.begin >= opened_.back().begin)
      opened_.back().end = std::max(opened_.back().end, pages.end);
    else
      opened_.push_back(pages);
  }

  std::uintptr_t fresh_addresses(std::size_t span) {
    if (span > kStretch - used_) return 0;
    const std::uintptr_t begin = begin_ + used_;
    used_ += span;
    return begin;
  }
  /// Those that were freed the longest ago.
  std::uintptr_t rested_addresses(std::size_t span) {
    for (auto block = freed_.begin(); block != freed_.end(); ++block)
      if (block->span >= span) {
        const std::uintptr_t begin = block->allocation.begin;
        freed_.erase(block);
        return begin;
      }
    return 0;
  }

  std::recursive_mutex mutex_;
  std::map<std::uintptr_t, Block> blocks_;
  std::deque<Block> freed_;
  std::vector<Pages> opened_;
  std::uintptr_t begin_ = 0;
  std::size_t used_ = 0, alive_ = 0;
  std::uint64_t numbers_ = 0;
  int open_ = 0;
};

std::uintptr_t address(const void* p) { return reinterpret_cast<std::uintptr_t>(p); }

}  // namespace

void* allocate(std::size_t bytes, bool pinned) {
  return pinned ? Arena::instance().allocate_pinned(bytes) : Arena::instance().allocate(bytes);
}
bool release(void* data, bool pinned) { return Arena::instance().release(data, pinned); }
const Allocation* find_allocation(const void* p) { return Arena::instance().find(address(p)); }
bool in_device_memory(const void* p) { return Arena::instance().holds(address(p)); }
std::uintptr_t device_memory_begin() { return Arena::instance().begin(); }
std::size_t device_memory_bytes() { return kStretch; }
std::string describe(const void* p) { return Arena::instance().describe(address(p)); }

bool device_memory_is_open() { return Arena::instance().is_open(); }

DeviceAccess::DeviceAccess() { Arena::instance().open(); }
DeviceAccess::~DeviceAccess() { Arena::instance().close(); }

}  // namespace simt
