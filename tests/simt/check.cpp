#include "tests/simt/check.h"

#include <cstring>
#include <utility>

#include "tests/simt/access.h"
#include "tests/simt/checker.h"
#include "tests/simt/memory.h"
#include "tests/simt/report.h"
#include "tests/simt/shadow.h"
#include "tests/simt/worker.h"

namespace simt::check {

namespace {

bool instrumented = false;

/// All that is remembered.
struct State {
  Region device, shared;
  Instances instances;
  Releases releases;             ///< of the grid that runs
  std::uint32_t grid_first = 0;  ///< its blocks' numbers
  std::uint32_t grid_blocks = 0;
  OperationId operation = 0;
  std::uintptr_t handed_to = 0;  ///< of copy_initialised
  std::size_t handed_bytes = 0;
  std::uint32_t known_before[64]{};  ///< blocks of other operations, known to be ordered before this one
};

State& state() {
  static State& all = *[] {
    auto* made = new State;
    made->device.map(device_memory_begin(), device_memory_bytes());
    return made;
  }();
  return all;
}
State* ready = nullptr;  ///< the same, once a grid has run

constexpr unsigned kAllBytes = 3;

bool operation_before(State& s, std::uint32_t instance) {
  std::uint32_t& known = s.known_before[instance % 64];
  if (known == instance) return true;
  const OperationId earlier = s.instances.of(instance).operation;
  if (earlier != s.operation && !ordered_before(earlier, s.operation)) return false;
  known = instance;
  return true;
}

void operation_begins(State& s, OperationId operation) {
  s.operation = operation;
  std::memset(s.known_before, 0, sizeof s.known_before);
}

std::string verb(Kind kind) {
  switch (kind) {
    case Kind::read:
    case Kind::volatile_read: return "reads ";
    case Kind::write:
    case Kind::volatile_write: return "writes ";
    default: return "accesses ";
  }
}

std::string shared_text(Block& block, std::uintptr_t a) {
  for (const SharedVariable& v : block.variables()) {
    const auto begin = reinterpret_cast<std::uintptr_t>(v.data);
    if (a >= begin && a < begin + v.bytes + 16)
      return "byte " + std::to_string(a - begin) + " of " + (v.key == &kDynamicShared ? "dynamic" : "a variable in") +
             " shared memory, which has " + std::to_string(v.bytes) + " bytes";
  }
  return "shared memory without a variable of this block";
}

std::string memory_text(std::uintptr_t a) {
  if (running.worker && state().shared.holds(a)) return shared_text(running.worker->block(), a);
  return describe(reinterpret_cast<const void*>(a));
}

[[noreturn]] void fault(std::string&& what) {
  Worker& worker = *running.worker;
  worker.fault(worker.thread(), std::move(what));
}

[[noreturn, gnu::cold, gnu::noinline]] void fault_at(const char* before, std::uintptr_t a, std::size_t bytes, Kind kind,
                                                     std::uint32_t place, const char* after) {
  running.checked = false;
  std::string text = before + verb(kind) + memory_text(a) + after;
  text += " (" + std::to_string(bytes) + " bytes, at " + place_text(place) + ")";
  fault(std::move(text));
}

std::string verb_of(const Access& a) {
  return a.atomic ? (a.write ? "accessed atomically" : "read as volatile") : a.write ? "written" : "read";
}

/// The other one of a race.
std::string party(const Access& other) {
  State& s = state();
  const Instances::Run& run = s.instances.of(other.instance);
  const bool same_grid = running.worker && other.instance - s.grid_first < s.grid_blocks;
  if (run.threads.x == 0) return verb_of(other) + " by " + describe_operation(run.operation);
  Grid shape;
  shape.blocks = run.blocks;
  shape.threads = run.threads;
  return verb_of(other) + " by " + thread_name(shape, other.instance - run.first, static_cast<unsigned>(other.thread)) +
         (same_grid ? "" : " of " + describe_operation(run.operation)) + " at " + place_text(other.place);
}

[[noreturn, gnu::cold, gnu::noinline]] void race(std::uintptr_t a, Kind kind, std::uint32_t place,
                                                 const Access& other) {
  running.checked = false;
  std::string text = "race: " + verb(kind) + memory_text(a) + " (at " + place_text(place) + "), which was ";
  text += party(other) + ": nothing orders the two";
  fault(std::move(text));
}

/// Bytes outside of memory whose bytes are known: what may be accessed all the same, and what not.
[[gnu::noinline]] void elsewhere(std::uintptr_t a, std::size_t bytes, Kind kind, std::uint32_t place) {
  if (kind == Kind::read && a - running.arguments < running.argument_bytes) return;
  if (kind == Kind::read && is_constant(a)) return;
  const Unchecked own;
  const Allocation* allocation = find_allocation(reinterpret_cast<const void*>(a));
  if (allocation && a + bytes <= allocation->begin + allocation->bytes) return;
  if (in_stacks(reinterpret_cast<const void*>(a))) {
    std::string text = verb(kind) + "the stack of another thread (" + std::to_string(bytes) + " bytes, at ";
    text += place_text(place) + ")";
    fault(std::move(text));
  }
  fault_at("", a, bytes, kind, place, "");
}

/// The first byte that is not as it must be.
[[gnu::noinline]] void wrong_byte(const unsigned char* states, std::uintptr_t a, std::size_t bytes, Kind kind,
                                  std::uint32_t place) {
  for (std::size_t i = 0; i < bytes; ++i)
    if (states[i] == kAbsent || states[i] == kFreed) fault_at("", a + i, bytes, kind, place, "");
  for (std::size_t i = 0; i < bytes; ++i)
    if (states[i] != kWritten) fault_at("", a + i, bytes, kind, place, ", which was never written");
}

/// Whether memory is there and, unless it is written now, was written. Structures may have holes: of a range, each
/// eight bytes must have one that was written.
void check_states(unsigned char* states, std::uintptr_t a, std::size_t bytes, Kind kind, std::uint32_t place,
                  bool range) {
  constexpr std::uint64_t kEach = 0x0101010101010101u;
  for (std::size_t i = 0; i < bytes;) {
    const std::size_t n = bytes - i < 8 - (a + i) % 8 ? bytes - i : 8 - (a + i) % 8;
    std::uint64_t word = 0;
    std::memcpy(&word, states + i, n);
    const std::uint64_t each = kEach >> (64 - 8 * n);
    if (word != each * kWritten) {
      // A byte has state 1 or 2 when its two low bits differ.
      const bool there = ((word ^ word >> 1) & each) == each;
      const bool good = there && (kind == Kind::write || kind == Kind::volatile_write || (range && (word >> 1 & each)));
      if (!good) wrong_byte(states + i, a + i, n, kind, place);
      if (kind == Kind::write || kind == Kind::volatile_write) std::memset(states + i, kWritten, n);
    }
    i += n;
  }
}

template <bool kShared>
void check_races(State& s, std::uintptr_t a, std::size_t bytes, Kind kind, std::uint32_t place) {
  Worker& worker = *running.worker;
  const unsigned thread = worker.thread();
  const Knowledge& knowledge = worker.block().knowledge();
  Access now = knowledge.stamp(thread);
  now.place = place;
  now.atomic = kind > Kind::write;
  now.write = kind != Kind::read && kind != Kind::volatile_read;
  now.bytes = kAllBytes;
  const auto ordered = [&](const Access& earlier) {
    if (earlier.instance == now.instance && earlier.thread == now.thread) return true;
    if (kShared && earlier.instance != now.instance) return true;  // of a block that was here before
    if (earlier.instance - s.grid_first < s.grid_blocks) return knowledge.ordered(earlier, thread);
    return operation_before(s, earlier.instance);
  };
  Region& region = kShared ? s.shared : s.device;
  Cell* cell = region.cells(a);
  const std::uintptr_t end = a + bytes;
  for (std::uintptr_t at = a & ~std::uintptr_t{1}; at < end; at += 2, ++cell) {
    if (bytes < 2 || at < a || at + 2 > end) now.bytes = (at >= a ? 1u : 0u) | (at + 2 <= end ? 2u : 0u);
    if (const Access* other = visit(*cell, now, ordered)) race(at < a ? a : at, kind, place, *other);
    now.bytes = kAllBytes;
  }
}

}  // namespace

bool enabled() { return instrumented; }
void enable() { instrumented = true; }

void access(std::uintptr_t a, std::size_t bytes, Kind kind, std::uint32_t place, bool range) {
  State& s = *ready;
  if (s.device.holds(a)) {
    check_states(s.device.states(a), a, bytes, kind, place, range);
    check_races<false>(s, a, bytes, kind, place);
  } else if (s.shared.holds(a)) {
    if (!running.worker->block().owns(reinterpret_cast<const void*>(a)))
      fault_at("", a, bytes, kind, place, " (another block's)");
    check_states(s.shared.states(a), a, bytes, kind, place, range);
    check_races<true>(s, a, bytes, kind, place);
  } else {
    return elsewhere(a, bytes, kind, place);
  }
  if (kind > Kind::write) {
    const Unchecked own;
    Worker& worker = *running.worker;
    worker.block().knowledge().atomic(worker.thread(), reinterpret_cast<const void*>(a), s.releases);
  }
}

void misaligned(std::uintptr_t a, std::size_t bytes, Kind kind, std::uint32_t place) {
  fault_at("misaligned: ", a, bytes, kind, place, "");
}

void atomic_access(void* p, std::size_t bytes, const std::source_location& where) {
  if (!running.checked) return;
  const auto a = reinterpret_cast<std::uintptr_t>(p);
  if (a % bytes != 0) misaligned(a, bytes, Kind::atomic, encode_place(where));
  access(a, bytes, Kind::atomic, encode_place(where), false);
}

void fence(bool device) {
  if (!running.checked) return;
  const Unchecked own;
  running.worker->block().knowledge().fence(running.worker->thread(), device);
}

std::uint32_t grid_begins(const Grid& grid) {
  State& s = state();
  ready = &s;
  s.releases.clear();
  operation_begins(s, grid.operation);
  s.grid_first = s.instances.take(grid.operation, grid.blocks, grid.threads);
  s.grid_blocks = grid.blocks.x * grid.blocks.y * grid.blocks.z;
  return s.grid_first;
}

void shared_room(const void* begin, std::size_t bytes) {
  if (enabled()) state().shared.map(reinterpret_cast<std::uintptr_t>(begin), bytes);
}
void shared_appears(const void* data, std::size_t bytes) {
  if (enabled()) state().shared.set(reinterpret_cast<std::uintptr_t>(data), bytes, kFresh);
}
void shared_gone(const void* data, std::size_t bytes) {
  if (enabled()) state().shared.set(reinterpret_cast<std::uintptr_t>(data), bytes, kAbsent);
}

void allocated(const void* data, std::size_t bytes) {
  const auto a = reinterpret_cast<std::uintptr_t>(data);
  if (!enabled() || !state().device.holds(a)) return;
  state().device.set(a, bytes, kFresh);
  state().device.forget(a, bytes);
}
void freed(const void* data, std::size_t bytes) {
  const auto a = reinterpret_cast<std::uintptr_t>(data);
  if (!enabled() || !state().device.holds(a)) return;
  state().device.set(a, bytes, kFreed);
  state().device.forget(a, bytes);
}

namespace {

/// A copy's or a fill's access.
std::string whole_range(OperationId operation, std::uintptr_t a, std::size_t bytes, bool write) {
  if (!enabled() || bytes == 0 || !state().device.holds(a)) return {};
  State& s = state();
  for (std::size_t i = 0; i < bytes; ++i)
    if (const unsigned char byte = s.device.states(a)[i]; byte == kAbsent || byte == kFreed)
      return (write ? "writes " : "reads ") + memory_text(a + i);
  operation_begins(s, operation);
  Access now;
  now.instance = s.instances.take(operation, {1, 1, 1}, {0, 0, 0});
  now.write = write;
  const auto ordered = [&](const Access& earlier) { return operation_before(s, earlier.instance); };
  Cell* cell = s.device.cells(a);
  for (std::uintptr_t at = a & ~std::uintptr_t{1}; at < a + bytes; at += 2, ++cell) {
    now.bytes = (at >= a ? 1u : 0u) | (at + 2 <= a + bytes ? 2u : 0u);
    if (const Access* other = visit(*cell, now, ordered))
      return "race: " + std::string(write ? "writes " : "reads ") + memory_text(at < a ? a : at) + ", which was " +
             party(*other) + ": nothing orders the two";
  }
  if (write && !(s.handed_to == a && s.handed_bytes == bytes)) s.device.set(a, bytes, kWritten);
  if (write) s.handed_bytes = 0;
  return {};
}

}  // namespace

void copy_initialised(void* to, const void* from, std::size_t bytes) {
  const auto a = reinterpret_cast<std::uintptr_t>(to), b = reinterpret_cast<std::uintptr_t>(from);
  if (!enabled() || !state().device.holds(a) || !state().device.holds(b)) return;
  State& s = state();
  for (std::size_t i = 0; i < bytes; ++i)
    if (s.device.states(a)[i] == kFresh || s.device.states(a)[i] == kWritten)
      s.device.states(a)[i] = s.device.states(b)[i] == kWritten ? kWritten : kFresh;
  s.handed_to = a;
  s.handed_bytes = bytes;
}

std::string read_range(OperationId operation, const void* data, std::size_t bytes) {
  return whole_range(operation, reinterpret_cast<std::uintptr_t>(data), bytes, false);
}
std::string write_range(OperationId operation, void* data, std::size_t bytes) {
  return whole_range(operation, reinterpret_cast<std::uintptr_t>(data), bytes, true);
}

}  // namespace simt::check
