// The numbers of PyTorch, Keras, Optax and others (tests/oracle/data) against the CPU backend.
#include <gtest/gtest.h>

#include <iostream>
#include <set>

#include "fuselage/losses.h"
#include "fuselage/validate.h"
#include "tests/support/oracle.h"

namespace fuselage::test {
namespace {

constexpr int kLeastCases = 5;

const std::map<std::string, std::vector<OracleCase>>& oracles() {
  static const auto all = read_oracles();
  return all;
}

using AnyListed = std::variant<AnyLoss, AnyPairLoss>;

/// Of either list; throws Error(unknown_name) for what neither has.
AnyListed listed(const std::string& text) {
  try {
    return PairLosses::parse(text, "loss");
  } catch (const Error& error) {
    if (error.code() != Errc::unknown_name) throw;
  }
  return Losses::parse(text, "loss");
}

/// A loss over pairs of rows has no budget of its own, and no reference but in its tests.
ErrorBudget budget_of(const std::string& name, const AnyListed& loss) {
  return std::holds_alternative<AnyLoss>(loss) ? loss_budget(name, DType::f32) : ErrorBudget{4, 4, {}};
}

TEST(Oracle, LossesGiveThePeersNumbers) {
  const auto backend = make_cpu_backend({1, ""});
  std::map<std::string, int> compared;
  for (const auto& [name, cases] : oracles())
    for (const OracleCase& c : cases) {
      const AnyListed loss = listed(c.loss);  // a case that nobody can run is a failure
      const OracleAnswer got = std::visit([&](const auto& l) { return answer(*backend, l, c); }, loss);
      EXPECT_EQ(difference(got, c, budget_of(name, loss)), "");
      ++compared[c.peer];
    }
  for (const auto& [peer, count] : compared) std::cout << peer << ": " << count << " cases\n";
}

TEST(Oracle, ACaseThatNobodyCanRunIsAFailure) {
  EXPECT_THROW(listed("no_such_loss"), Error);
  EXPECT_THROW(listed("huber:no_such_option=1"), Error);
  EXPECT_THROW(listed("info_nce:no_such_option=1"), Error);
}

TEST(Oracle, TheReferenceGivesThemInDouble) {
  const ErrorBudget budget{4, 4, {}};
  const int digits = 30, keras_digits = 24;  // Keras takes every mean in single precision
  for (const auto& [name, cases] : oracles())
    for (const OracleCase& c : cases) {
      const AnyListed found = listed(c.loss);
      const auto* loss = std::get_if<AnyLoss>(&found);
      if (loss == nullptr) continue;
      const OracleAnswer got = reference_answer(*loss, c);
      EXPECT_EQ(difference(got, c, budget, c.peer == "keras" ? keras_digits : digits), "");
    }
}

/// Options that no peer has and no formula can judge.
bool is_exempt(const std::string& option) {
  static const std::set<std::string> exempt{
      "relative_l1.frozen", "relative_l2.frozen",  // tiny-cuda-nn's: the gradient is not that of the value
      // where no peer has it: the drivers leave rows out alike for all
      "categorical_focal.ignore_index", "poly1.ignore_index", "generalized_cross_entropy.ignore_index",
      "multi_margin.ignore_index", "categorical_hinge.ignore_index", "policy_gradient.ignore_index"};
  return exempt.contains(option);
}

template <class List>
void expect_cases_of_all() {
  for (const std::string_view entry : List::names) {
    const std::string name(entry);
    const auto usual = List::make(name, "loss");
    std::vector<typename List::Any> settings;
    if (const auto found = oracles().find(name); found != oracles().end())
      for (const OracleCase& c : found->second) settings.push_back(List::parse(c.loss, "loss"));
    EXPECT_GE(settings.size(), std::size_t{kLeastCases}) << name;
    for (const detail::AnyField& field : detail::entry_for(usual).fields) {
      const std::string option = name + "." + std::string(field.name);
      const auto count = std::count_if(settings.begin(), settings.end(), [&](const auto& loss) {
        return !field.type->equal(field.in(detail::held_by(loss)), field.in(detail::held_by(usual)));
      });
      EXPECT_TRUE(count >= kLeastCases || is_exempt(option)) << option << " has " << count << " cases";
    }
  }
}

TEST(Oracle, EveryLossAndOptionHasItsCases) {
  expect_cases_of_all<Losses>();
  expect_cases_of_all<PairLosses>();
}

}  // namespace
}  // namespace fuselage::test
