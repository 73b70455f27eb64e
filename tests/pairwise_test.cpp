// The generator of combinations: every pair of levels that can meet does, and nothing impossible is made.
#include "tests/cases/pairwise.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/cases/group.h"

namespace fuselage::cases {
namespace {

using Pair = std::tuple<std::size_t, int, std::size_t, int>;

void add_pairs(const Levels& levels, std::set<Pair>& pairs) {
  for (std::size_t f = 0; f < levels.size(); ++f)
    for (std::size_t g = f + 1; g < levels.size(); ++g) pairs.emplace(f, levels[f], g, levels[g]);
}

Space space_of(const std::vector<int>& counts) {
  Space space;
  for (std::size_t f = 0; f < counts.size(); ++f) {
    Factor factor{"f" + std::to_string(f), {}};
    for (int level = 0; level < counts[f]; ++level) factor.levels.push_back(std::to_string(level));
    space.factors.push_back(factor);
  }
  return space;
}

/// All combinations by counting, judged when they are complete.
std::vector<Levels> by_counting(const Space& space) {
  std::vector<Levels> all;
  Levels levels(space.factors.size(), 0);
  while (true) {
    if (space.possible(levels)) all.push_back(levels);
    std::size_t f = levels.size();
    while (f > 0 && ++levels[f - 1] == static_cast<int>(space.factors[f - 1].levels.size())) levels[--f] = 0;
    if (f == 0) return all;
  }
}

/// Spaces with no rule, rules between two, and rules between three factors, chains of them that make pairs impossible
/// which no rule names, and rules that only judge what is complete.
std::vector<Space> spaces() {
  std::vector<Space> list{space_of({2, 3}), space_of({4, 1, 3, 2}), space_of({5, 4, 3, 2, 3})};
  Space needs = space_of({3, 3, 4, 2});
  needs.possible = [](const Levels& l) { return !(l[0] == 0 && l[1] > 0) && !(l[1] == 2 && l[2] == 1); };
  Space three = space_of({3, 3, 3, 3});
  three.possible = [](const Levels& l) {
    return l[0] == kOpen || l[1] == kOpen || l[2] == kOpen || (l[0] + l[1] + l[2]) % 3 != 0;
  };
  Space chain = space_of({2, 2, 2, 3});
  chain.possible = [](const Levels& l) { return !(l[0] == 1 && l[1] == 0) && !(l[1] == 1 && l[2] == 0); };
  Space late = space_of({3, 2, 3, 2});
  late.possible = [](const Levels& l) {
    for (const int level : l)
      if (level == kOpen) return true;
    return l[0] + l[1] + l[2] + l[3] < 4;
  };
  for (Space* more : {&needs, &three, &chain, &late}) list.push_back(*more);
  return list;
}

TEST(Pairwise, EveryPairThatCanMeetDoes) {
  for (const Space& space : spaces()) {
    std::set<Pair> can, do_meet;
    for (const Levels& levels : by_counting(space)) add_pairs(levels, can);
    const std::vector<Levels> chosen = all_pairs(space);
    for (const Levels& levels : chosen) {
      EXPECT_TRUE(space.possible(levels)) << space.text(levels);
      add_pairs(levels, do_meet);
    }
    EXPECT_EQ(can, do_meet) << space.factors.size() << " factors";
    EXPECT_LE(chosen.size(), by_counting(space).size());
  }
}

TEST(Pairwise, EveryLevelThatCanStandDoes) {
  for (const Space& space : spaces()) {
    using Level = std::pair<std::size_t, int>;
    std::set<Level> can, do_stand;
    const auto add = [](const Levels& levels, std::set<Level>& set) {
      for (std::size_t f = 0; f < levels.size(); ++f) set.emplace(f, levels[f]);
    };
    for (const Levels& levels : by_counting(space)) add(levels, can);
    const std::vector<Levels> chosen = all_levels(space);
    for (const Levels& levels : chosen) {
      EXPECT_TRUE(space.possible(levels)) << space.text(levels);
      add(levels, do_stand);
    }
    EXPECT_EQ(can, do_stand) << space.factors.size() << " factors";
    EXPECT_LE(chosen.size(), all_pairs(space).size());
  }
}

TEST(Pairwise, AChainOfRulesMakesAPairImpossible) {
  std::set<Pair> meet;
  for (const Levels& levels : all_pairs(spaces()[5])) add_pairs(levels, meet);
  EXPECT_FALSE(meet.contains(Pair{0, 1, 2, 0}));
  EXPECT_TRUE(meet.contains(Pair{0, 1, 2, 1}));
}

TEST(Pairwise, FewerThanAll) {
  const Space space = space_of({3, 3, 3, 3, 3, 3, 3, 3});
  EXPECT_LE(all_pairs(space).size(), 30u) << "of 6561; 9 at least";
}

TEST(Pairwise, TheSameEveryTime) {
  const Space space = spaces()[3];
  EXPECT_EQ(all_pairs(space), all_pairs(space));
}

TEST(Pairwise, TheFullProductIsEnumerated) {
  for (const Space& space : spaces()) {
    std::vector<Levels> walked;
    for_each_combination(space, [&](const Levels& levels) { walked.push_back(levels); });
    EXPECT_EQ(walked, by_counting(space));
  }
}

TEST(Pairwise, ARandomWalkGoesEverywherePossible) {
  for (const Space& space : spaces()) {
    std::set<Levels> seen;
    for (std::uint64_t i = 0; i < 4000; ++i) {
      const Levels levels = random_combination(space, 1, i);
      ASSERT_TRUE(space.possible(levels));
      seen.insert(levels);
    }
    EXPECT_EQ(seen.size(), by_counting(space).size());
    EXPECT_EQ(random_combination(space, 1, 7), random_combination(space, 1, 7));
  }
  Space nothing = space_of({2, 2});
  nothing.possible = [](const Levels&) { return false; };
  EXPECT_THROW(random_combination(nothing, 1, 0), Error);
}

TEST(Pairwise, OfTheRealCasesOnlyWhatARuleRefusesIsMissing) {
  for (const Size size : {Size::small, Size::full})
    for (const Group& group : all_groups(size)) {
      const Space& space = group.space;
      std::set<Pair> met;
      for (const Levels& levels : all_pairs(space)) {
        ASSERT_TRUE(space.possible(levels));
        add_pairs(levels, met);
      }
      for (std::size_t f = 0; f < space.factors.size(); ++f)
        for (std::size_t g = f + 1; g < space.factors.size(); ++g)
          for (int a = 0; a < static_cast<int>(space.factors[f].levels.size()); ++a)
            for (int b = 0; b < static_cast<int>(space.factors[g].levels.size()); ++b) {
              Levels pair(space.factors.size(), kOpen);
              pair[f] = a;
              pair[g] = b;
              ASSERT_EQ(met.contains(Pair{f, a, g, b}), space.possible(pair))
                  << group.name << ": " << space.factors[f].name << " "
                  << space.factors[f].levels[static_cast<std::size_t>(a)] << ", " << space.factors[g].name << " "
                  << space.factors[g].levels[static_cast<std::size_t>(b)];
            }
    }
}

}  // namespace
}  // namespace fuselage::cases
