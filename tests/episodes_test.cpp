// Discounted returns and generalised advantages on the CPU: numbers by hand, against the reference, and the contract.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "fuselage/backend.h"
#include "host/reference/episodes.h"
#include "tests/support/files.h"

namespace fuselage {
namespace {

using test::expect_error;
using Floats = std::vector<float>;
constexpr float kNaN = __builtin_nanf("");

class EpisodesTest : public ::testing::Test {
 protected:
  std::unique_ptr<Backend> cpu_ = make_cpu_backend({2, {}});
};

TEST_F(EpisodesTest, ReturnsByHand) {
  Floats reward{1, 2, 3, 4}, returns(4);
  const Floats bootstrap{8};
  Episodes e;
  e.reward = {reward.data(), 1, 4};
  e.returns = {returns.data(), 1, 4};
  e.gamma = 0.5;
  cpu_->discounted_returns(e);
  EXPECT_EQ(returns, (Floats{3.25f, 4.5f, 5, 4}));
  e.bootstrap = {bootstrap.data(), 1};
  cpu_->discounted_returns(e);
  EXPECT_EQ(returns, (Floats{3.75f, 5.5f, 7, 8}));
  const std::vector<std::uint8_t> done{0, 1, 0, 0};
  e.done = {done.data(), 1, 4};
  cpu_->discounted_returns(e);
  EXPECT_EQ(returns, (Floats{2, 2, 7, 8}));
  const std::vector<std::int32_t> length{3};
  e.length = {length.data(), 1};
  cpu_->discounted_returns(e);
  EXPECT_EQ(returns, (Floats{2, 2, 7, 0}));  // 3 + 8/2: the value after the last step that counts
  e.gamma = 0;
  cpu_->discounted_returns(e);
  EXPECT_EQ(returns, (Floats{1, 2, 3, 0}));
}

TEST_F(EpisodesTest, AdvantagesByHand) {
  // gamma = 1/2, lambda = 1/2: delta = 1 + 2/2 - 4, 2 + 6/2 - 2, 3 + 8/2 - 6; A = delta + A/4.
  Floats reward{1, 2, 3}, value{4, 2, 6}, returns(3), advantage(3);
  const Floats bootstrap{8};
  Episodes e;
  e.reward = {reward.data(), 1, 3};
  e.value = {value.data(), 1, 3};
  e.bootstrap = {bootstrap.data(), 1};
  e.returns = {returns.data(), 1, 3};
  e.advantage = {advantage.data(), 1, 3};
  e.gamma = e.lambda = 0.5;
  cpu_->gae(e);
  EXPECT_EQ(advantage, (Floats{-1.1875f, 3.25f, 1}));
  EXPECT_EQ(returns, (Floats{2.8125f, 5.25f, 7}));
  const std::vector<std::uint8_t> done{0, 0, 1};
  e.done = {done.data(), 1, 3};
  cpu_->gae(e);
  EXPECT_EQ(advantage, (Floats{-1.4375f, 2.25f, -3}));
  e.lambda = 0;  // the one-step errors
  cpu_->gae(e);
  EXPECT_EQ(advantage, (Floats{-2, 3, -3}));
}

/// Random episodes of [sequences, steps] in memory with time first.
struct Problem {
  reference::EpisodesInput in;
  Floats reward, value, bootstrap;
  std::vector<std::uint8_t> done;
  std::vector<std::int64_t> length;

  Problem(std::int64_t sequences, std::int64_t steps, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    in.sequences = sequences;
    in.steps = steps;
    const auto size = static_cast<std::size_t>(sequences * steps);
    reward.resize(size), value.resize(size), done.resize(size);
    in.reward.resize(size), in.value.resize(size), in.done.resize(size);
    for (std::int64_t s = 0; s < sequences; ++s) {
      bootstrap.push_back(normal(random));
      in.bootstrap.push_back(bootstrap.back());
      length.push_back(static_cast<std::int64_t>(random() % static_cast<unsigned>(steps + 1)));
      in.length.push_back(length.back());
      for (std::int64_t t = 0; t < steps; ++t) {
        const auto mine = static_cast<std::size_t>(t * sequences + s), theirs = static_cast<std::size_t>(s * steps + t);
        in.reward[theirs] = reward[mine] = normal(random);
        in.value[theirs] = value[mine] = normal(random);
        in.done[theirs] = done[mine] = random() % 9 == 0;
      }
    }
    in.gamma = 0.97;
    in.lambda = 0.9;
  }
  ConstView view(const Floats& x) const { return {x.data(), DType::f32, in.sequences, in.steps, 1, in.sequences}; }
  View view(Floats& x) const { return {x.data(), DType::f32, in.sequences, in.steps, 1, in.sequences}; }
  Episodes episodes() const {
    Episodes e;
    e.reward = view(reward);
    e.done = {done.data(), DType::u8, in.sequences, in.steps, 1, in.sequences};
    e.bootstrap = {bootstrap.data(), in.sequences};
    e.length = {length.data(), in.sequences};
    e.gamma = in.gamma;
    e.lambda = in.lambda;
    return e;
  }
  /// Rounded once: within half an ulp, and a little for the sum in double.
  void expect_near(const Floats& got, const std::vector<double>& expected) const {
    for (std::int64_t s = 0; s < in.sequences; ++s)
      for (std::int64_t t = 0; t < in.steps; ++t) {
        const double x = expected[static_cast<std::size_t>(s * in.steps + t)];
        const double y = got[static_cast<std::size_t>(t * in.sequences + s)];
        ASSERT_NEAR(x, y, std::abs(x) * 0x1.01p-24 + 1e-13) << s << ", " << t;
      }
  }
};

TEST_F(EpisodesTest, AgreeWithTheReference) {
  for (const auto& [sequences, steps] : {std::pair{1, 1}, {5, 40}, {130, 17}, {3, 300}}) {
    const Problem p(sequences, steps, 7);
    Floats returns(p.reward.size()), advantage(p.reward.size());
    Episodes e = p.episodes();
    e.returns = p.view(returns);
    EpisodesReport report;
    cpu_->discounted_returns(e, &report);
    p.expect_near(returns, reference::discounted_returns(p.in).returns);
    std::int64_t counted = 0;
    for (const std::int64_t n : p.length) counted += n;
    EXPECT_EQ(report.steps, counted);
    EXPECT_EQ(report.nonfinite, 0);
    e.value = p.view(p.value);
    e.advantage = p.view(advantage);
    cpu_->gae(e, &report);
    const auto expected = reference::gae(p.in);
    p.expect_near(advantage, expected.advantage);
    p.expect_near(returns, expected.returns);
  }
}

TEST_F(EpisodesTest, InPlaceGivesTheSameBits) {
  Problem p(70, 33, 3);
  Floats returns(p.reward.size()), advantage(p.reward.size());
  Episodes e = p.episodes();
  e.value = p.view(p.value);
  e.returns = p.view(returns);
  e.advantage = p.view(advantage);
  cpu_->gae(e);
  Floats reward = p.reward, value = p.value;
  Episodes in_place = e;
  in_place.reward = in_place.advantage = p.view(reward);
  in_place.value = in_place.returns = p.view(value);
  cpu_->gae(in_place);
  EXPECT_EQ(reward, advantage);
  EXPECT_EQ(value, returns);
  e.value = {}, e.advantage = {};
  cpu_->discounted_returns(e);
  reward = p.reward;
  e.reward = e.returns = p.view(reward);
  cpu_->discounted_returns(e);
  EXPECT_EQ(reward, returns);
}

TEST_F(EpisodesTest, WhatIsNotFiniteStaysInItsEpisode) {
  Floats reward{1, 1, kNaN, 1}, returns(4);
  const std::vector<std::uint8_t> done{1, 0, 0, 0};
  Episodes e;
  e.reward = {reward.data(), 1, 4};
  e.returns = {returns.data(), 1, 4};
  e.done = {done.data(), 1, 4};
  EpisodesReport report;
  cpu_->discounted_returns(e, &report);
  EXPECT_EQ(returns[0], 1);
  EXPECT_TRUE(std::isnan(returns[1]) && std::isnan(returns[2]));
  EXPECT_EQ(returns[3], 1);
  EXPECT_EQ(report.nonfinite, 2);
}

TEST_F(EpisodesTest, BadLengthsAreCountedAndNamed) {
  Floats reward(6, 1), returns(6, 9);
  const std::vector<std::int64_t> length{2, -1, 3};
  Episodes e;
  e.reward = {reward.data(), 3, 2};
  e.returns = {returns.data(), 3, 2};
  e.length = {length.data(), 3};
  e.gamma = 1;
  EpisodesReport report;
  cpu_->discounted_returns(e, &report);
  EXPECT_EQ(returns, (Floats{2, 1, 0, 0, 0, 0}));
  EXPECT_EQ(report.bad_lengths, 2);
  EXPECT_EQ(report.first_bad_sequence, 1);
  EXPECT_EQ(report.first_bad_length, -1);
  EXPECT_EQ(report.steps, 2);
}

TEST_F(EpisodesTest, EmptyOnes) {
  EpisodesReport report{1, 2, 3, 4, 5};
  Episodes e;
  cpu_->discounted_returns(e, &report);
  EXPECT_EQ(report.steps, 0);
  EXPECT_EQ(report.first_bad_sequence, -1);
  Floats bootstrap{3, 4};
  e.reward = ConstView(static_cast<const float*>(nullptr), 2, 0);
  e.bootstrap = {bootstrap.data(), 2};
  cpu_->discounted_returns(e, &report);
  EXPECT_EQ(report.steps, 0);
}

TEST_F(EpisodesTest, RefusesByName) {
  Floats a(12), b(12), c(12), bootstrap(3);
  std::vector<std::uint8_t> done(12);
  Episodes e;
  e.reward = {a.data(), 3, 4};
  const auto refuse = [&](Errc code, std::initializer_list<std::string_view> words, auto&& change, bool gae = false) {
    Episodes changed = e;
    if (gae) changed.value = {b.data(), 3, 4}, changed.advantage = {c.data(), 3, 4};
    if (!gae) changed.returns = {c.data(), 3, 4};
    change(changed);
    expect_error(code, words, [&] { gae ? cpu_->gae(changed) : cpu_->discounted_returns(changed); });
  };
  refuse(Errc::bad_argument, {"gamma", "1.5", "[0, 1]"}, [](Episodes& x) { x.gamma = 1.5; });
  refuse(Errc::bad_argument, {"gamma", "nan"}, [](Episodes& x) { x.gamma = std::nan(""); });
  refuse(
      Errc::bad_argument, {"lambda", "-1"}, [](Episodes& x) { x.lambda = -1; }, true);
  refuse(Errc::bad_argument, {"reward is missing"}, [](Episodes& x) { x.reward.data = nullptr; });
  refuse(Errc::bad_argument, {"returns is missing"}, [](Episodes& x) { x.returns = {}; });
  refuse(
      Errc::bad_argument, {"value is missing"}, [](Episodes& x) { x.value.data = nullptr; }, true);
  refuse(
      Errc::bad_argument, {"advantage is missing"}, [](Episodes& x) { x.advantage = {}; }, true);
  refuse(Errc::bad_argument, {"bootstrap"}, [&](Episodes& x) { x.value = {b.data(), 3, 4}; });
  refuse(Errc::bad_shape, {"done", "[4, 3]", "[3, 4]"}, [&](Episodes& x) { x.done = {done.data(), 4, 3}; });
  refuse(Errc::bad_dtype, {"done", "fp32", "u8"}, [&](Episodes& x) { x.done = {b.data(), 3, 4}; });
  refuse(Errc::bad_dtype, {"length", "fp32", "integer"}, [&](Episodes& x) { x.length = {bootstrap.data(), 3}; });
  refuse(Errc::bad_shape, {"bootstrap"}, [&](Episodes& x) { x.bootstrap = {bootstrap.data(), 1, 3}; });
  refuse(Errc::bad_argument, {"returns overlaps reward in part"}, [&](Episodes& x) {
    x.reward = {a.data(), 2, 4};
    x.returns = {a.data() + 1, 2, 4};
  });
  refuse(Errc::bad_argument, {"returns overlaps bootstrap"}, [&](Episodes& x) { x.bootstrap = {c.data() + 2, 3}; });
  refuse(
      Errc::bad_argument, {"advantage overlaps returns"}, [&](Episodes& x) { x.returns = x.advantage; }, true);
  std::vector<double> memory(64);
  Episodes at = e;
  at.returns = {reinterpret_cast<float*>(memory.data()), 3, 4};
  auto* const report = reinterpret_cast<EpisodesReport*>(memory.data());
  expect_error(Errc::bad_argument, {"report overlaps the returns"}, [&] { cpu_->discounted_returns(at, report); });
  refuse(Errc::bad_shape, {"returns", "stride of 0"}, [&](Episodes& x) { x.returns.row_stride = 0; });
}

}  // namespace
}  // namespace fuselage
