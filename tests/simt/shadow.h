// What is remembered of memory: for each byte whether it is there and was written, for each two bytes who accessed them
// last. A write takes the place of all that came before it, for that was ordered before it. Of the reads and atomic
// accesses since, two are kept, those farthest apart: of two blocks, else of two warps, else of two threads. So a read
// by many that one of them overwrites too early is always found.
//
// What may be missed: a race with a read that is not kept, where the writer learned by atomics from the two that are; a
// race with the earlier one of two threads that write two neighbouring bytes one by one; and unwritten bytes in an
// access to a structure as a whole, where each eight bytes need only have one that was written. Nothing is blamed
// wrongly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>
#include <vector>

#include "tests/simt/grid.h"
#include "tests/simt/knowledge.h"
#include "tests/simt/operation.h"

namespace simt::check {

enum ByteState : unsigned char { kAbsent, kFresh, kWritten, kFreed };

struct Cell {
  Access write;      ///< the last plain one
  Access others[2];  ///< since
};

/// A stretch of addresses with its shadow, which takes memory only where it is touched.
class Region {
 public:
  void map(std::uintptr_t begin, std::size_t bytes);
  bool holds(std::uintptr_t a) const { return a - begin_ < bytes_; }
  unsigned char* states(std::uintptr_t a) { return states_ + (a - begin_); }
  Cell* cells(std::uintptr_t a) { return cells_ + (a - begin_) / 2; }
  void set(std::uintptr_t a, std::size_t bytes, ByteState state);
  /// Nobody accessed these bytes.
  void forget(std::uintptr_t a, std::size_t bytes);

 private:
  std::uintptr_t begin_ = 0;
  std::size_t bytes_ = 0;
  unsigned char* states_ = nullptr;
  Cell* cells_ = nullptr;
};

/// What the numbers of blocks mean: a run of them for each operation.
class Instances {
 public:
  struct Run {
    std::uint32_t first;
    OperationId operation;
    dim3 blocks, threads;  ///< 0 threads: not a grid
  };
  std::uint32_t take(OperationId operation, const dim3& blocks, const dim3& threads);
  const Run& of(std::uint32_t instance) const;

 private:
  std::vector<Run> runs_;
  std::uint64_t next_ = 1;
};

/// A place in the source in 32 bits: an instruction, or what the compiler says of a call.
std::uint32_t encode_place(std::uintptr_t pc);
std::uint32_t encode_place(const std::source_location& where);
std::string place_text(std::uint32_t place);
/// Whether the address is that of a constant of the program.
bool is_constant(std::uintptr_t a);

inline bool conflict(const Access& a, const Access& b) {
  return (a.write | b.write) && !(a.atomic & b.atomic) && (a.bytes & b.bytes);
}
inline unsigned distance(const Access& a, const Access& b) {
  return a.instance != b.instance ? 3 : a.thread / 32 != b.thread / 32 ? 2 : a.thread != b.thread;
}

/// The earlier access that `now` races with, or null; `ordered(access)` tells which are ordered before `now`. Without a
/// race, `now` is remembered.
template <class Ordered>
const Access* visit(Cell& cell, const Access& now, Ordered&& ordered) {
  Access* const others = cell.others;
  if (cell.write.instance && conflict(cell.write, now) && !ordered(cell.write)) return &cell.write;
  bool after[2];
  for (int i = 0; i < 2; ++i) {
    after[i] = !others[i].instance || ordered(others[i]);
    if (!after[i] && conflict(others[i], now)) return &others[i];
  }
  if (now.write && !now.atomic) {
    cell.write = now;
    if (now.bytes == 3) others[0].instance = others[1].instance = 0;
    return nullptr;
  }
  for (int i = 0; i < 2; ++i) {
    const Access& old = others[i];
    const bool covers = old.atomic == now.atomic && old.write <= now.write && (old.bytes | now.bytes) == now.bytes;
    if (old.instance && !(after[i] && covers)) continue;
    others[i] = now;
    return nullptr;
  }
  const unsigned apart = distance(others[0], others[1]), d[2] = {distance(others[0], now), distance(others[1], now)};
  if (d[0] > apart || d[1] > apart) others[d[0] >= d[1]] = now;
  return nullptr;
}

}  // namespace simt::check
