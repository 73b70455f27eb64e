// What was queued and in which order: the clocks that tell whether one operation is ordered before another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "tests/simt/operation.h"

namespace simt {

/// How many operations of each queue are known to have gone before.
class Clock {
 public:
  std::uint32_t at(std::size_t slot) const { return slot < seen_.size() ? seen_[slot] : 0; }
  void know(std::size_t slot, std::uint32_t count);
  /// Whether there was anything to learn.
  bool join(const Clock& other);

 private:
  std::vector<std::uint32_t> seen_;
};

/// An operation as the history keeps it. `what` lives as long as the program: a launch's name, or what else was done.
struct Deed {
  enum class Kind : std::uint8_t { kernel, copy, fill, product, mark };
  Kind kind = Kind::mark;
  const char* what = "";
  std::size_t bytes = 0;
};

/// Orders of one queue, or of one branch of a graph: its place in clocks, and what it knows by now.
class Timeline {
 public:
  Timeline();
  ~Timeline();
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;

  /// The next operation, which knows all that this line knows.
  OperationId append(const Deed& deed, int stream);
  void join(const Clock& other);
  const Clock& clock() const { return clock_; }

 private:
  std::size_t slot_;
  Clock clock_;
  std::shared_ptr<const Clock> shared_;  ///< of clock_, for the history; null where it has changed since
};

}  // namespace simt
