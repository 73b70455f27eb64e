// Test cases that any backend can run: one call with its inputs, and everything that it leaves behind.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "fuselage/backend.h"
#include "tests/cases/pairwise.h"

namespace fuselage::cases {

/// How much of a device the kernels may use; 0: as much as it has. Results do not depend on it.
struct DeviceLimits {
  std::int64_t blocks = 0;
  int threads = 0;
  std::int64_t shared_bytes = -1;  ///< -1: as much as the device has
  std::int64_t sums = 0;           ///< that one block adds up
};

/// A piece of memory that a case leaves, or a number of its report.
struct Part {
  std::string name;
  DType dtype = DType::f32;
  std::vector<unsigned char> bytes;
  std::int64_t guard = 0;  ///< elements before the first one of the view
  std::int64_t rows = 1, cols = 1, row_stride = 0, col_stride = 0, block = 0, block_stride = 0;

  template <class T>
  static Part number(std::string name, T value) {
    Part part{std::move(name), dtype_of<T>(), std::vector<unsigned char>(sizeof value)};
    __builtin_memcpy(part.bytes.data(), &value, sizeof value);
    return part;
  }
};

/// What a case leaves.
struct Outcome {
  std::vector<Part> parts;
  /// Of all bytes: FNV-1a over words of eight, with the upper half of each product folded into the lower.
  std::uint64_t hash() const;
};

/// Adds every number of a report, as "report.value" and so on.
void add_report(const LossReport& report, Outcome& outcome);

/// What differs first: "gradient[3, 7] is 0.5 (0x3f000000) on cpu, 0.25 (0x3e800000) on cuda; 12 elements differ";
/// empty: nothing.
std::string difference(const Outcome& a, const std::string& a_name, const Outcome& b, const std::string& b_name);

/// A case with its inputs made: runs on a backend and waits for it.
using CaseRun = std::function<Outcome(Backend&)>;

/// All cases of one entry of a list with one storage type.
struct Group {
  std::string name;          ///< "loss mse bf16"
  std::string entry;         ///< groups of one entry of a list differ in the storage type alone; empty: there are none
  std::string kind;          ///< groups of one kind differ in a formula or in the storage type, and share their drivers
  bool own_kernels = false;  ///< that no other entry of the lists has
  Space space;
  std::function<CaseRun(const Levels&)> prepare;
  std::function<DeviceLimits(const Levels&)> limits;

  /// For messages.
  std::string text(const Levels& levels) const { return name + ": " + space.text(levels); }
  friend void PrintTo(const Group& group, std::ostream* out) { *out << group.name; }
};

/// How much of the cases a run takes.
enum class Extent {
  brief,  ///< small cases; each two levels meet in groups with kernels of their own, each level stands in one group of
          ///< every other entry, whose storage types take turns
  small,  ///< small cases; each level stands in every group, and each two levels meet in one group of every kind as
          ///< well
  full,   ///< each two levels meet, in cases of every size
};
struct ChosenGroup {
  Group group;
  bool pairs;  ///< each two levels meet
  std::vector<Levels> cases() const { return pairs ? all_pairs(group.space) : all_levels(group.space); }
  friend void PrintTo(const ChosenGroup& chosen, std::ostream* out) { *out << chosen.group.name; }
};
std::vector<ChosenGroup> choose_groups(Extent extent);

/// What differs first between the first of the backends and another one in a case, with the case in words; empty:
/// nothing.
std::string disagreement(const Group& group, const Levels& levels,
                         const std::vector<std::unique_ptr<Backend>>& backends);

enum class Size {
  small,  ///< no case of more than about 10,000 elements: for devices where an access costs 50 ns
  full,
  beyond_a_sequence,  ///< losses whose sums have more than 4,096 chunks: 16.8 million elements each
};

/// A group for each loss and each storage type; each optimizer and each storage type; each activation;
/// returns and advantages; each penalty.
std::vector<Group> all_groups(Size size);
std::vector<Group> loss_groups(Size size);
std::vector<Group> optimizer_groups(Size size);
std::vector<Group> layer_groups(Size size);
std::vector<Group> episode_groups(Size size);
std::vector<Group> penalty_groups(Size size);

/// The number of cases of a group, and the hash of their hashes in order.
struct Bits {
  std::int64_t cases = 0;
  std::uint64_t hash = 1469598103934665603ull;
  void add(std::uint64_t of_case);
  bool operator==(const Bits&) const = default;
};

}  // namespace fuselage::cases
