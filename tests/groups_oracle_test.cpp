// Returns, advantages and penalties on groups against the numbers of tests/oracle/groups.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "fuselage/fairness_pass.h"
#include "tests/support/fairness.h"
#include "tests/support/paths.h"

namespace fuselage::test {
namespace {

using Json = nlohmann::json;

constexpr int kLeastCases = 5;

const Json& oracle() {
  static const Json file = Json::parse(std::ifstream(source_dir() / "tests/oracle/groups.json"));
  return file;
}

Floats floats(const Json& json) { return json.get<Floats>(); }

/// In 4 units of the last place of a float at the largest number of the case, 1 at least.
void expect_near(const Floats& got, const std::vector<double>& want, const std::string& text) {
  ASSERT_EQ(got.size(), want.size());
  double largest = 1;
  for (const double x : want) largest = std::max(largest, std::abs(x));
  for (std::size_t i = 0; i < want.size(); ++i)
    EXPECT_NEAR(static_cast<double>(got[i]), want[i], 4 * 0x1p-23 * largest) << text << ", element " << i;
}

TEST(EpisodeOracle, EpisodesGiveTheRecurrencesNumbers) {
  const auto cpu = make_cpu_backend({1, {}});
  for (const Json& c : oracle().at("episodes")) {
    const std::int64_t sequences = c["shape"][0], steps = c["shape"][1];
    const Floats reward = floats(c["reward"]), value = floats(c["value"]), bootstrap = floats(c["bootstrap"]);
    const auto done = c["done"].get<std::vector<std::uint8_t>>();
    const auto length = c["length"].get<std::vector<std::int64_t>>();
    Floats returns(reward.size()), advantage(reward.size());
    Episodes e;
    e.reward = {reward.data(), sequences, steps};
    e.done = {done.data(), sequences, steps};
    e.bootstrap = {bootstrap.data(), sequences};
    e.length = {length.data(), sequences};
    e.returns = {returns.data(), sequences, steps};
    e.gamma = c["gamma"];
    e.lambda = c["lambda"];
    cpu->discounted_returns(e);
    expect_near(returns, c["returns"], "returns of " + c["shape"].dump());
    e.value = {value.data(), sequences, steps};
    e.advantage = {advantage.data(), sequences, steps};
    cpu->gae(e);
    expect_near(advantage, c["advantage"], "advantages of " + c["shape"].dump());
  }
  EXPECT_GE(oracle().at("episodes").size(), std::size_t{kLeastCases});
}

using PenaltyOracle = Fairness;

TEST_F(PenaltyOracle, PenaltiesGivePyTorchsNumbers) {
  std::map<std::string_view, int> cases;
  for (const Json& c : oracle().at("penalties")) {
    const std::string text = c["penalty"];
    const AnyPenalty penalty = Penalties::parse(text, "penalty");
    const Floats y = floats(c["prediction"]), target = floats(c["target"]), weight = floats(c["weight"]);
    const auto group = c["group"].get<Groups>();
    GroupBatch batch = batch_of(y, group, c["groups"]);
    const PenaltyRule rule = rule_of(penalty);
    if (rule.needs_labels() || rule.residual) batch.target = {target.data(), batch.prediction.rows};
    batch.weight = {weight.data(), batch.prediction.rows};
    const Result got = run(text, batch);
    expect_near({static_cast<float>(got.value())}, {c["value"].get<double>()}, text);
    expect_near(got.gradient, c["gradient"], text);
    ++cases[Penalties::name_of(penalty)];
  }
  for (const std::string_view name : Penalties::names) EXPECT_GE(cases[name], kLeastCases) << name;
}

}  // namespace
}  // namespace fuselage::test
