// Spaces of test cases: factors with levels, and the few combinations in which every pair of levels meets.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace fuselage::cases {

/// One level of each factor, by its number; kOpen where it is not chosen yet.
using Levels = std::vector<int>;
inline constexpr int kOpen = -1;

/// Something that cases differ in. Level 0 is the plain one.
struct Factor {
  std::string name;
  std::vector<std::string> levels;
};

struct Space {
  std::vector<Factor> factors;
  /// Whether these levels can stand together. Asked with open factors too, and then refuses what no choice can mend.
  std::function<bool(const Levels&)> possible = [](const Levels&) { return true; };

  /// "shape [7, 1], target i32, ...": the first factor's level, and every level that is not plain.
  std::string text(const Levels& levels) const;
  /// How many combinations there are, the impossible ones among them.
  double size() const;
};

/// Combinations in which each pair of levels that can meet does, and each level stands with plain ones alone, but
/// for one other that it may need; the same ones every time. Greedy: each combination starts from a pair that has not
/// met, and takes for every other factor the level that meets the most new ones.
std::vector<Levels> all_pairs(const Space& space);

/// Combinations in which each level that can stand does; greedy too, and far fewer.
std::vector<Levels> all_levels(const Space& space);

/// Calls f with every possible combination, the last factor running fastest.
void for_each_combination(const Space& space, const std::function<void(const Levels&)>& f);

/// Combination `number` of an endless walk through the space. Throws Error(bad_argument) where nothing is possible.
Levels random_combination(const Space& space, std::uint64_t seed, std::uint64_t number);

}  // namespace fuselage::cases
