#include "tests/simt/block.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "tests/simt/checker.h"
#include "tests/simt/report.h"

// Of AddressSanitizer's runtime; absent in programs without it.
extern "C" {
__attribute__((weak)) void __asan_poison_memory_region(const volatile void* data, std::size_t bytes);
__attribute__((weak)) void __asan_unpoison_memory_region(const volatile void* data, std::size_t bytes);
}

namespace simt {

namespace {

constexpr std::size_t kRedZone = 256;
constexpr std::size_t kMostStatic = 48 * 1024, kMostShared = 227 * 1024;  ///< of compute capability 9.0

bool same_place(const Where& a, const Where& b) {
  return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

std::string lane_list(unsigned lanes) {
  std::string text;
  for (; lanes; lanes &= lanes - 1) text += (text.empty() ? "" : ", ") + std::to_string(std::countr_zero(lanes));
  return text;
}

std::string hex(unsigned x) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", x);
  return text;
}

std::string call_at(Call call, const Where& where) {
  return std::string(call_name(call)) + " at " + source_line(where);
}

}  // namespace

const char kDynamicShared = 0;

const char* call_name(Call call) {
  static constexpr const char* kNames[] = {
      "nothing",           "__syncthreads",     "__syncthreads_count", "__syncthreads_and", "__syncthreads_or",
      "__syncwarp",        "__shfl_sync",       "__shfl_up_sync",      "__shfl_down_sync",  "__shfl_xor_sync",
      "__ballot_sync",     "__any_sync",        "__all_sync",          "__match_any_sync",  "__match_all_sync",
      "__reduce_add_sync", "__reduce_min_sync", "__reduce_min_sync",   "__reduce_max_sync", "__reduce_max_sync",
      "__reduce_and_sync", "__reduce_or_sync",  "__reduce_xor_sync"};
  return kNames[static_cast<int>(call)];
}

void Block::begin(const Grid& grid, std::uint64_t number, std::uint32_t instance) {
  number_ = number;
  size_ = live_ = grid.threads.x * grid.threads.y * grid.threads.z;
  arrived_ = trues_ = 0;
  if (threads_.size() < size_) threads_.resize(size_);
  for (unsigned t = 0; t < size_; ++t) threads_[t].fiber = Fiber{};
  const unsigned n = warps_used();
  for (unsigned w = 0; w < n; ++w) {
    warps_[w] = Warp{};
    warps_[w].ready = ~0u;
    order_[w] = static_cast<std::uint8_t>(w);
  }
  if (size_ % kWarpLanes > 0) {
    warps_[n - 1].absent = ~0u << size_ % kWarpLanes;
    warps_[n - 1].ready = ~warps_[n - 1].absent;
  }
  rank_warps();
  if (check::enabled()) knowledge_.begin(instance, size_);
  used_ = static_bytes_ = 0;
  if (__asan_poison_memory_region) __asan_poison_memory_region(room_, kSharedRoom);
}

void Block::end() {
  for (const SharedVariable& v : variables_) {
    check::shared_gone(v.data, v.bytes);
    if (__asan_poison_memory_region) __asan_poison_memory_region(v.data, v.bytes);
  }
  variables_.clear();
}

void Block::rank_warps() {
  ready_warps_ = 0;
  for (unsigned r = 0; r < warps_used(); ++r) {
    rank_[order_[r]] = static_cast<std::uint8_t>(r);
    if (warps_[order_[r]].ready) ready_warps_ |= 1u << r;
  }
}

void Block::make_ready(unsigned t) {
  const unsigned w = t / kWarpLanes;
  warps_[w].ready |= 1u << t % kWarpLanes;
  ready_warps_ |= 1u << rank_[w];
}

unsigned Block::take_ready(unsigned random) {
  const unsigned w = order_[static_cast<unsigned>(std::countr_zero(ready_warps_))];
  Warp& warp = warps_[w];
  const unsigned first = (random + warp.turn) % kWarpLanes;
  const auto lane =
      (static_cast<unsigned>(std::countr_zero(std::rotr(warp.ready, static_cast<int>(first)))) + first) % kWarpLanes;
  warp.ready &= ~(1u << lane);
  if (!warp.ready) ready_warps_ &= ~(1u << rank_[w]);
  return w * kWarpLanes + lane;
}

void Block::demote(unsigned t) {
  const unsigned w = t / kWarpLanes;
  warps_[w].turn = (t + 1) % kWarpLanes;
  for (unsigned r = rank_[w]; r + 1 < warps_used(); ++r) std::swap(order_[r], order_[r + 1]);
  rank_warps();
}

bool Block::arrive(unsigned t, Call call, bool predicate, const Where& where, Fault& fault) {
  if (arrived_ == 0) {
    call_ = call;
    where_ = where;
    trues_ = 0;
    first_ = t;
  } else if (call != call_ || !same_place(where, where_)) {
    fault = {t, "divergent barrier: comes to " + call_at(call, where) + ", while thread " + std::to_string(first_) +
                    " of the block waits in " + call_at(call_, where_)};
    return false;
  }
  warps_[t / kWarpLanes].at_barrier |= 1u << t % kWarpLanes;
  trues_ += predicate;
  ++arrived_;
  if (arrived_ == live_ && live_ < size_) fault = missed_barrier();
  if (arrived_ < size_) return false;
  release_barrier(t);
  return true;
}

Fault Block::missed_barrier() const {
  return {first_, call_at(call_, where_) + " is never reached by " + std::to_string(size_ - live_) +
                      " threads of the block, which have exited"};
}

void Block::release_barrier(unsigned last) {
  result_ = static_cast<int>(call_ == Call::barrier_count ? trues_
                             : call_ == Call::barrier_and ? trues_ == size_
                                                          : trues_ > 0);
  arrived_ = 0;
  ready_warps_ = 0;
  for (unsigned w = 0; w < warps_used(); ++w) {
    Warp& warp = warps_[w];
    warp.ready = warp.at_barrier;
    warp.at_barrier = 0;
    warp.turn = 0;
    if (w == last / kWarpLanes) warp.ready &= ~(1u << last % kWarpLanes);
    if (warp.ready) ready_warps_ |= 1u << rank_[w];
  }
  if (check::enabled()) knowledge_.barrier();
}

/// What is wrong with the mask of thread t's call; empty: nothing.
std::string Block::check_mask(unsigned t) const {
  const Warp& warp = warps_[t / kWarpLanes];
  const WarpCall& call = threads_[t].call;
  const auto lane_is = [&](unsigned lanes, const char* what) {
    return call_at(call.call, call.where) + " with mask " + hex(call.mask) + " names " +
           (std::popcount(lanes) > 1 ? "lanes " : "lane ") + lane_list(lanes) + ", " + what;
  };
  const unsigned own = 1u << t % kWarpLanes;
  if (!(call.mask & own))
    return call_at(call.call, call.where) + " with mask " + hex(call.mask) +
           ", which leaves out the caller's own lane " + std::to_string(t % kWarpLanes);
  if (call.mask & warp.absent) return lane_is(call.mask & warp.absent, "which the block does not have");
  if (call.mask & warp.exited) return lane_is(call.mask & warp.exited, "which has exited");
  // Nearly always the lanes that wait came to the very same call; with it there is nothing to look for.
  if (warp.alike && threads_[t].same_call(threads_[warp.first])) return {};
  for (unsigned others = warp.waiting & ~own; others; others &= others - 1) {
    const unsigned other = t / kWarpLanes * kWarpLanes + static_cast<unsigned>(std::countr_zero(others));
    const WarpCall& theirs = threads_[other].call;
    const bool meet = (call.mask >> other % kWarpLanes & 1) && (theirs.mask & own);  // each waits for the other
    if (meet && !threads_[t].same_call(threads_[other]))
      return "divergent warp: comes to " + call_at(call.call, call.where) + " with mask " + hex(call.mask) +
             ", while lane " + std::to_string(other % kWarpLanes) + " waits in " + call_at(theirs.call, theirs.where) +
             " with mask " + hex(theirs.mask);
  }
  return {};
}

bool Block::join(unsigned t, Fault& fault) {
  Warp& warp = warps_[t / kWarpLanes];
  fault = {t, check_mask(t)};
  if (!fault.what.empty()) return false;
  const unsigned own = 1u << t % kWarpLanes, need = threads_[t].call.mask;
  if (!warp.waiting) {
    warp.first = t;
    warp.alike = true;
  } else {
    warp.alike = warp.alike && threads_[t].same_call(threads_[warp.first]);
  }
  warp.waiting |= own;
  if ((warp.waiting & need) != need) return false;
  for (unsigned lanes = need; lanes; lanes &= lanes - 1)  // a lane may wait with others first
    if (threads_[t / kWarpLanes * kWarpLanes + static_cast<unsigned>(std::countr_zero(lanes))].call.mask != need)
      return false;
  fault = perform(t / kWarpLanes, need);
  warp.waiting &= ~need;
  for (unsigned lanes = need & ~own; lanes; lanes &= lanes - 1)
    make_ready(t / kWarpLanes * kWarpLanes + static_cast<unsigned>(std::countr_zero(lanes)));
  return true;
}

void Block::exit(unsigned t, Fault& fault) {
  Warp& warp = warps_[t / kWarpLanes];
  warp.exited |= 1u << t % kWarpLanes;
  --live_;
  for (unsigned lanes = warp.waiting; lanes; lanes &= lanes - 1) {
    const unsigned waiting = t / kWarpLanes * kWarpLanes + static_cast<unsigned>(std::countr_zero(lanes));
    if (threads_[waiting].call.mask >> t % kWarpLanes & 1) fault = {waiting, check_mask(waiting)};
  }
  if (arrived_ > 0 && arrived_ == live_) fault = missed_barrier();
}

std::string Block::waiters() const {
  std::map<std::string, unsigned> places;
  unsigned exited = 0;
  for (unsigned t = 0; t < size_; ++t) {
    const Warp& warp = warps_[t / kWarpLanes];
    if (warp.waiting >> t % kWarpLanes & 1) ++places[call_at(threads_[t].call.call, threads_[t].call.where)];
    if (warp.at_barrier >> t % kWarpLanes & 1) ++places[call_at(call_, where_)];
    exited += warp.exited >> t % kWarpLanes & 1;
  }
  std::string text;
  for (const auto& [place, n] : places) text += "\n    " + std::to_string(n) + " wait in " + place;
  return text + "\n    " + std::to_string(exited) + " have exited";
}

Fault Block::deadlock() const {
  for (unsigned t = 0; t < size_; ++t) {
    const Warp& warp = warps_[t / kWarpLanes];
    if ((warp.waiting | warp.at_barrier) >> t % kWarpLanes & 1)
      return {t, "deadlock: no thread of the block can get on; of its threads" + waiters()};
  }
  return {0, "deadlock"};
}

void* Block::shared_variable(const void* key, std::size_t bytes, std::size_t alignment, std::string& fault) {
  for (const SharedVariable& v : variables_)
    if (v.key == key) return v.data;
  const bool dynamic = key == &kDynamicShared;
  const std::size_t total = static_bytes_ + bytes;
  if (!dynamic && total > kMostStatic) {
    fault = "more static shared memory than 48 KiB: " + std::to_string(total) + " bytes";
    return nullptr;
  }
  std::size_t all = bytes;
  for (const SharedVariable& v : variables_) all += v.bytes;
  if (all > kMostShared) {
    fault = "more shared memory than a block's 227 KiB: " + std::to_string(all) + " bytes";
    return nullptr;
  }
  if (!dynamic) static_bytes_ = total;
  alignment = std::max<std::size_t>(alignment, 16);
  const std::size_t begin = (used_ + kRedZone + alignment - 1) / alignment * alignment;
  used_ = begin + bytes;
  char* data = room_ + begin;
  if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(data, bytes);
  std::memset(data, 0xff, bytes);
  check::shared_appears(data, bytes);
  variables_.push_back({key, data, bytes});
  return data;
}

}  // namespace simt
