// Greedy all-pairs with rules between levels.
#include "tests/cases/pairwise.h"

#include <algorithm>
#include <numeric>

#include "fuselage/core/error.h"
#include "fuselage/core/rng.h"

namespace fuselage::cases {
namespace {

int count_of(const Space& space, std::size_t factor) { return static_cast<int>(space.factors[factor].levels.size()); }

/// Chooses the open factors from `order[at]` on, trying levels in the order that `rank(factor, levels)` gives. False,
/// with `levels` as they were, where no choice is possible.
template <class Rank>
bool complete(const Space& space, const std::vector<std::size_t>& order, std::size_t at, Levels& levels, Rank&& rank) {
  while (at < order.size() && levels[order[at]] != kOpen) ++at;
  if (at == order.size()) return space.possible(levels);
  const std::size_t factor = order[at];
  for (const int level : rank(factor, levels)) {
    levels[factor] = level;
    if (space.possible(levels) && complete(space, order, at + 1, levels, rank)) return true;
  }
  levels[factor] = kOpen;
  return false;
}

std::vector<std::size_t> factors_in_order(const Space& space) {
  std::vector<std::size_t> order(space.factors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  return order;
}

/// Which pairs of levels have met.
class Pairs {
 public:
  explicit Pairs(const Space& space) {
    std::size_t levels = 0;
    for (const Factor& factor : space.factors) {
      first_.push_back(levels);
      levels += factor.levels.size();
    }
    width_ = levels;
    met_.assign(levels * levels, false);
  }
  bool met(std::size_t f, int a, std::size_t g, int b) const { return met_[place(f, a) * width_ + place(g, b)]; }
  void meet(std::size_t f, int a, std::size_t g, int b) {
    met_[place(f, a) * width_ + place(g, b)] = true;
    met_[place(g, b) * width_ + place(f, a)] = true;
  }
  void meet_all(const Levels& levels) {
    for (std::size_t f = 0; f < levels.size(); ++f)
      for (std::size_t g = f + 1; g < levels.size(); ++g) meet(f, levels[f], g, levels[g]);
  }
  /// How many of the chosen levels `level` has not met.
  int news(const Levels& levels, std::size_t factor, int level) const {
    int count = 0;
    for (std::size_t g = 0; g < levels.size(); ++g)
      count += g != factor && levels[g] != kOpen && !met(factor, level, g, levels[g]);
    return count;
  }

 private:
  std::size_t place(std::size_t factor, int level) const { return first_[factor] + static_cast<std::size_t>(level); }
  std::vector<std::size_t> first_;
  std::size_t width_ = 0;
  std::vector<bool> met_;
};

/// Levels of a factor by gain(level), the greatest first; those of equal gain in turn.
template <class Gain>
std::vector<int> by_gain(int count, std::size_t turn, Gain&& gain) {
  std::vector<std::pair<int, int>> ranked;
  for (int i = 0; i < count; ++i) {
    const int level = static_cast<int>((static_cast<std::size_t>(i) + turn) % static_cast<std::size_t>(count));
    ranked.emplace_back(-gain(level), level);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<int> list;
  for (const auto& [lost, level] : ranked) list.push_back(level);
  return list;
}

}  // namespace

std::string Space::text(const Levels& levels) const {
  std::string text;
  for (std::size_t f = 0; f < factors.size(); ++f)
    if (f == 0 || levels[f] > 0)
      text +=
          (text.empty() ? "" : ", ") + factors[f].name + " " + factors[f].levels[static_cast<std::size_t>(levels[f])];
  return text;
}

double Space::size() const {
  double product = 1;
  for (const Factor& factor : factors) product *= static_cast<double>(factor.levels.size());
  return product;
}

std::vector<Levels> all_pairs(const Space& space) {
  Pairs pairs(space);
  std::vector<Levels> result;
  std::vector<std::size_t> order = factors_in_order(space);
  const auto rank = [&](std::size_t factor, const Levels& levels) {
    return by_gain(count_of(space, factor), result.size(),
                   [&](int level) { return pairs.news(levels, factor, level); });
  };
  const std::size_t n = space.factors.size();
  // One thing out of the plain at a time, or two where the one needs the other: only there a fast path that should not
  // be taken is.
  const auto nearly_plain = [&](std::size_t f, int a) {
    Levels levels(n, 0);
    levels[f] = a;
    if (space.possible(levels)) return levels;
    for (std::size_t g = 0; g < n; ++g)
      for (int b = 1; g != f && b < count_of(space, g); ++b) {
        Levels two = levels;
        two[g] = b;
        if (space.possible(two)) return two;
      }
    return Levels();
  };
  for (std::size_t f = 0; f < n; ++f)
    for (int a = f == 0 ? 0 : 1; a < count_of(space, f); ++a) {
      const Levels levels = nearly_plain(f, a);
      if (levels.empty()) continue;
      pairs.meet_all(levels);
      result.push_back(levels);
    }
  for (std::size_t f = 0; f < n; ++f)
    for (std::size_t g = f + 1; g < n; ++g)
      for (int a = 0; a < count_of(space, f); ++a)
        for (int b = 0; b < count_of(space, g); ++b) {
          if (pairs.met(f, a, g, b)) continue;
          Levels levels(n, kOpen);
          levels[f] = a;
          levels[g] = b;
          std::rotate(order.begin(), order.begin() + 1, order.end());
          if (!space.possible(levels) || !complete(space, order, 0, levels, rank)) {
            pairs.meet(f, a, g, b);  // they never can
            continue;
          }
          pairs.meet_all(levels);
          result.push_back(levels);
        }
  return result;
}

std::vector<Levels> all_levels(const Space& space) {
  const std::size_t n = space.factors.size();
  std::vector<std::vector<bool>> stood(n);
  for (std::size_t f = 0; f < n; ++f) stood[f].resize(space.factors[f].levels.size());
  std::vector<Levels> result;
  std::vector<std::size_t> order = factors_in_order(space);
  const auto rank = [&](std::size_t factor, const Levels&) {
    return by_gain(count_of(space, factor), result.size(),
                   [&](int level) { return stood[factor][static_cast<std::size_t>(level)] ? 0 : 1; });
  };
  for (std::size_t f = 0; f < n; ++f)
    for (int a = 0; a < count_of(space, f); ++a) {
      if (stood[f][static_cast<std::size_t>(a)]) continue;
      Levels levels(n, kOpen);
      levels[f] = a;
      std::rotate(order.begin(), order.begin() + 1, order.end());
      if (!space.possible(levels) || !complete(space, order, 0, levels, rank)) continue;  // it never can
      for (std::size_t g = 0; g < n; ++g) stood[g][static_cast<std::size_t>(levels[g])] = true;
      result.push_back(levels);
    }
  return result;
}

void for_each_combination(const Space& space, const std::function<void(const Levels&)>& f) {
  Levels levels(space.factors.size(), kOpen);
  const auto walk = [&](const auto& self, std::size_t factor) -> void {
    if (!space.possible(levels)) return;
    if (factor == levels.size()) return f(levels);
    for (int level = 0; level < count_of(space, factor); ++level) {
      levels[factor] = level;
      self(self, factor + 1);
    }
    levels[factor] = kOpen;
  };
  walk(walk, 0);
}

Levels random_combination(const Space& space, std::uint64_t seed, std::uint64_t number) {
  Levels levels(space.factors.size(), kOpen);
  std::uint64_t drawn = 0;
  const auto draw = [&](std::size_t count) {
    const std::uint64_t word =
        random_word64(seed, drawn++, stream_of(RandomUse::general), static_cast<std::uint32_t>(number));
    return static_cast<std::size_t>(word % count);
  };
  const auto shuffle = [&](auto& list) {
    for (std::size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[draw(i)]);
  };
  std::vector<std::size_t> order = factors_in_order(space);
  shuffle(order);
  const auto rank = [&](std::size_t factor, const Levels&) {
    std::vector<int> list(space.factors[factor].levels.size());
    std::iota(list.begin(), list.end(), 0);
    shuffle(list);
    return list;
  };
  require(complete(space, order, 0, levels, rank), Errc::bad_argument, "no combination of this space is possible");
  return levels;
}

}  // namespace fuselage::cases
