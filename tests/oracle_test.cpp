// The numbers of PyTorch, Keras, Optax and mpmath (tests/oracle/data) against the CPU backend.
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

/// None where the list has no such loss or option.
std::optional<AnyLoss> listed(const OracleCase& c) {
  try {
    return Losses::parse(c.loss, "loss");
  } catch (const Error& error) {
    if (error.code() != Errc::unknown_name) throw;
    return {};
  }
}

TEST(Oracle, LossesGiveThePeersNumbers) {
  const auto backend = make_cpu_backend({1, ""});
  std::map<std::string, int> compared, left_out;
  for (const auto& [name, cases] : oracles())
    for (const OracleCase& c : cases) {
      const std::optional<AnyLoss> loss = listed(c);
      ++(loss ? compared[c.peer] : left_out[c.loss]);
      EXPECT_EQ(loss ? difference(answer(*backend, *loss, c), c, loss_budget(name, DType::f32)) : "", "");
    }
  for (const auto& [peer, count] : compared) std::cout << peer << ": " << count << " cases\n";
  for (const auto& [loss, count] : left_out) std::cout << "not in the list: " << loss << ", " << count << " cases\n";
}

TEST(Oracle, TheReferenceGivesThemInDouble) {
  const ErrorBudget budget{4, 4, {}};
  const int digits = 30, keras_digits = 24;  // Keras takes every mean in single precision
  for (const auto& [name, cases] : oracles())
    for (const OracleCase& c : cases) {
      const std::optional<AnyLoss> loss = listed(c);
      EXPECT_EQ(
          loss ? difference(reference_answer(*loss, c), c, budget, c.peer == "keras" ? keras_digits : digits) : "", "");
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

TEST(Oracle, EveryLossAndOptionHasItsCases) {
  Losses::for_each([]<class L>() {
    const std::string name(L::name);
    std::vector<L> settings;
    if (const auto found = oracles().find(name); found != oracles().end())
      for (const OracleCase& c : found->second)
        if (const auto loss = listed(c)) settings.push_back(std::get<L>(*loss));
    EXPECT_GE(settings.size(), std::size_t{kLeastCases}) << name;
    detail::for_each_field<L>([&](const auto& field) {
      const std::string option = name + "." + std::string(field.name);
      const auto count = std::count_if(settings.begin(), settings.end(),
                                       [&](const L& loss) { return !(loss.*field.member == L{}.*field.member); });
      EXPECT_TRUE(count >= kLeastCases || is_exempt(option)) << option << " has " << count << " cases";
    });
  });
}

}  // namespace
}  // namespace fuselage::test
