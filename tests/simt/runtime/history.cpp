// What was queued and in which order.
#include "tests/simt/runtime/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

namespace simt {
namespace {

struct Entry {
  Deed deed;
  int stream = 0;
  std::size_t slot = 0;
  std::uint32_t place = 0;
  std::shared_ptr<const Clock> before;  ///< of the other lines; its own is `place`
};

// Only queueing adds entries, which never happens while a grid runs: reading needs no lock.
std::deque<Entry>& entries() {
  static auto* const all = new std::deque<Entry>(1);  // 0 is no operation
  return *all;
}

struct Slots {
  std::vector<std::size_t> free;
  std::vector<std::uint32_t> used;  ///< of each slot: how many operations it has had
};
Slots& slots() {
  static auto* const all = new Slots;
  return *all;
}

}  // namespace

void Clock::know(std::size_t slot, std::uint32_t count) {
  if (slot >= seen_.size()) seen_.resize(slot + 1);
  seen_[slot] = std::max(seen_[slot], count);
}

bool Clock::join(const Clock& other) {
  bool learned = false;
  for (std::size_t i = 0; i < other.seen_.size(); ++i)
    if (other.seen_[i] > at(i)) {
      know(i, other.seen_[i]);
      learned = true;
    }
  return learned;
}

Timeline::Timeline() {
  Slots& s = slots();
  if (s.free.empty()) {
    slot_ = s.used.size();
    s.used.push_back(0);
  } else {
    slot_ = s.free.back();
    s.free.pop_back();
  }
}

Timeline::~Timeline() { slots().free.push_back(slot_); }

OperationId Timeline::append(const Deed& deed, int stream) {
  if (!shared_) shared_ = std::make_shared<const Clock>(clock_);
  const std::uint32_t place = ++slots().used[slot_];
  clock_.know(slot_, place);
  entries().push_back({deed, stream, slot_, place, shared_});
  return static_cast<OperationId>(entries().size() - 1);
}

void Timeline::join(const Clock& other) {
  if (clock_.join(other)) shared_ = nullptr;
}

bool ordered_before(OperationId first, OperationId second) {
  if (first == 0 || second == 0) return true;
  const Entry &a = entries()[first], &b = entries()[second];
  return a.slot == b.slot ? a.place <= b.place : b.before->at(a.slot) >= a.place;
}

std::string describe_operation(OperationId id) {
  if (id == 0 || id >= entries().size()) return "work of the host";
  const Entry& e = entries()[id];
  const std::string where = fmt::format("(operation {}, stream {})", id, e.stream);
  switch (e.deed.kind) {
    case Deed::Kind::kernel: return fmt::format("kernel '{}' {}", e.deed.what, where);
    case Deed::Kind::copy: return fmt::format("copy of {} bytes {}", e.deed.bytes, where);
    case Deed::Kind::fill: return fmt::format("fill of {} bytes {}", e.deed.bytes, where);
    case Deed::Kind::product: return fmt::format("product {}", where);
    case Deed::Kind::mark: break;
  }
  return fmt::format("{} {}", e.deed.what, where);
}

}  // namespace simt
