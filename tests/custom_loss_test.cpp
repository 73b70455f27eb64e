// Losses of one's own: derivatives of value-only formulas, what a loss states and what it leaves out, what is refused.
#include "fuselage/custom_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "fuselage/combination.h"
#include "support/batches.h"
#include "support/files.h"
#include "support/own_losses.h"
#include "support/paths.h"

namespace fuselage {
namespace {

using testing::message_of;
using testing::normal;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Elements {
  std::vector<float> value, gradient;
};

template <class Loss>
Elements elements(Backend& backend, const Loss& loss, const std::vector<float>& y, const std::vector<float>& t) {
  const auto n = static_cast<std::int64_t>(y.size());
  Elements out{std::vector<float>(y.size(), 7), std::vector<float>(y.size(), 7)};
  LossBatch b;
  b.prediction = {y.data(), n};
  b.target = {t.data(), n};
  b.values = {out.value.data(), n};
  b.gradient = {out.gradient.data(), n};
  b.reduction = Reduction::none;
  LossReport report;
  backend.loss(loss, b, &report);
  return out;
}

/// In order of size, with +0 and -0 the same.
std::int64_t rank(float x) {
  const std::int64_t word = bits(abs(x));
  return x < 0 ? -word : word;
}

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(CustomLoss, AValueOnlyHuberIsTheBuiltInOne) {
  for (const float delta : {1.0f, 0.1f, 0.75f, 3e-3f, 1e10f}) {
    std::vector<float> y, t;
    for (const float p : {0.0f, -0.0f, delta, -delta, std::nextafter(delta, 0.0f), std::nextafter(delta, kInf), 1e-41f,
                          -1e-45f, 1e20f, -3e38f, kInf, -kInf, kNaN})
      for (const float target : {0.0f, -0.0f, 1.0f, 1e-40f, 3e38f, kInf}) y.push_back(p), t.push_back(target);
    for (const float scale : {0.1f, 1.0f, 1e3f}) {
      const auto more = normal(40000, 3, scale), others = normal(40000, 4, scale);
      y.insert(y.end(), more.begin(), more.end()), t.insert(t.end(), others.begin(), others.end());
    }
    for (const auto& backend : testing::cpu_backends()) {
      const Elements is = elements(*backend, custom_loss(own::ValueHuber{delta}), y, t);
      const Elements should = elements(*backend, loss::Huber{delta}, y, t);
      EXPECT_TRUE(same(is.value, should.value)) << backend->description() << ", delta " << delta;
      for (std::size_t i = 0; i < y.size(); ++i) {
        const float a = is.gradient[i], b = should.gradient[i];
        ASSERT_TRUE((std::isnan(a) && std::isnan(b)) || std::abs(rank(a) - rank(b)) <= 1)
            << a << ", not " << b << ": prediction " << y[i] << ", target " << t[i] << ", delta " << delta;
      }
    }
  }
}

TEST(CustomLoss, AGivenGradientIsTaken) {
  const auto cpu = make_cpu_backend();
  EXPECT_EQ(elements(*cpu, custom_loss(own::Arbitrary{}), {1, 2, 5}, {1, 3, 1}).gradient,
            (std::vector<float>{7, 7, 7}));
  EXPECT_EQ(elements(*cpu, custom_loss(own::ValueMse{}), {1, 2, 5}, {1, 3, 1}).gradient,
            (std::vector<float>{0, -2, 8}));
}

TEST(CustomLoss, ItMayHold64Bytes) {
  own::Polynomial p{};
  for (int i = 0; i < 16; ++i) p.c[i] = static_cast<float>(i + 1);
  static_assert(sizeof p == CustomLoss::kBytes);
  CustomLoss first = custom_loss(p, "first");
  const CustomLoss copy = first;
  for (float& c : p.c) c = 0;
  first = custom_loss(p);
  const auto cpu = make_cpu_backend();
  const Elements e = elements(*cpu, copy, {3, 0}, {1, 0});
  EXPECT_EQ(copy.name(), "first");
  EXPECT_EQ(e.value, (std::vector<float>{983041, 1})) << "the sum of (i + 1) 2^i";
  EXPECT_EQ(e.gradient, (std::vector<float>{6946814, 2})) << "the sum of i (i + 1) 2^(i - 1)";
  EXPECT_EQ(elements(*cpu, first, {3}, {1}).value[0], 0);
}

TEST(CustomLoss, WhatALossDoesNotSayIsAsUsual) {
  for (const CustomLoss& plain : {custom_loss(own::ValueHuber{}), custom_loss(own::Fields{})}) {
    EXPECT_EQ(plain.name(), "custom");
    EXPECT_EQ(plain.traits().target_domain, Domain::real);
    EXPECT_EQ(plain.traits().prediction_domain, Domain::real);
    EXPECT_EQ(plain.traits().decision, Decision::none);
    EXPECT_EQ(plain.traits().inputs.count(), 1);
    EXPECT_FALSE(plain.traits().root);
    EXPECT_FALSE(plain.has_kernel()) << "no nvcc has seen this file";
  }
  EXPECT_EQ(custom_loss(own::RootOfSquares{}).name(), "own_rmse");
  EXPECT_EQ(custom_loss(own::RootOfSquares{}, "mine").name(), "mine");
  EXPECT_EQ(custom_loss(own::Scaled{}).traits().inputs.count(), 2);
}

TEST(CustomLoss, DomainAndDecisionAreHeeded) {
  const CustomLoss loss = custom_loss(own::YesOrNo{});
  EXPECT_EQ(loss.traits().prediction_domain, Domain::logit);
  const std::vector<float> y{1, -1, 2, 3}, t{1, 0, 0, 1.5f};
  LossBatch b;
  b.prediction = {y.data(), 4};
  b.target = {t.data(), 4};
  b.metrics.accuracy = true;
  for (const auto& backend : testing::cpu_backends()) {
    LossReport report;
    backend->loss(loss, b, &report);
    EXPECT_EQ(report.bad_labels, 1);
    EXPECT_EQ(report.first_bad_row, 3);
    EXPECT_EQ(report.first_bad_label, 1.5);
    EXPECT_EQ(report.correct, 2);
    EXPECT_TRUE(report.rejected);
  }
}

TEST(CustomLoss, IsATermOfASum) {
  const auto cpu = make_cpu_backend();
  const std::vector<float> y = normal(60, 1), t = normal(60, 2);
  std::vector<float> gradients[2] = {std::vector<float>(60), std::vector<float>(60)};
  LossReport totals[2];
  CombinedLoss sum(*cpu, 2);
  for (int i = 0; i < 2; ++i) {
    LossBatch b;
    b.prediction = {y.data(), 60};
    b.target = {t.data(), 60};
    b.gradient = {gradients[i].data(), 60};
    LossTerm first{loss::Mse{}, b, 0.5};
    if (i == 1) first.loss = custom_loss(own::ValueMse{}, "term");
    const std::vector<LossTerm> terms{first, {loss::Mae{}, b, 2}};
    sum.run(terms, &totals[i]);
  }
  EXPECT_EQ(totals[0].value, totals[1].value);
  EXPECT_TRUE(same(gradients[0], gradients[1]));
  const std::vector<LossTerm> bad(2, {custom_loss(own::ValueMse{}, "term"), {}, -1});
  const std::string text = message_of([&] { sum.run(bad, &totals[0]); });
  EXPECT_NE(text.find("term 0 (term): the weight is -1"), std::string::npos) << text;
}

/// Messages are those of built-in losses, but for the name.
TEST(CustomLoss, BadArgumentsAreRefusedByName) {
  const auto cpu = make_cpu_backend();
  const std::vector<float> x(12, 1);
  const std::vector<std::int32_t> labels(4, 1);
  std::vector<std::int64_t> confusion(9);
  LossBatch good;
  good.prediction = {x.data(), 4, 3};
  good.target = {x.data(), 4, 3};
  const auto message = [&](const auto& loss, auto&& change) {
    LossBatch b = good;
    change(b);
    LossReport report;
    return message_of([&] { cpu->loss(loss, b, &report); });
  };
  const auto refused = [&](const char* part, auto&& change) {
    const std::string text = message(custom_loss(own::GivenMse{}, "mse"), change);
    EXPECT_EQ(text, message(loss::Mse{}, change));
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  refused("target", [&](LossBatch& b) { b.target = {x.data(), 3, 4}; });
  refused("target", [&](LossBatch& b) { b.target = {labels.data(), 4}; });
  refused("target", [&](LossBatch& b) { b.target = {}; });
  refused("[0, 0]", [&](LossBatch& b) { b.prediction = {}; });
  refused("second", [&](LossBatch& b) { b.second = b.prediction; });
  refused("class_weight", [&](LossBatch& b) { b.class_weight = {x.data(), 1, 3}; });
  refused("weight", [&](LossBatch& b) { b.weight = {x.data(), 3}; });
  refused("divisor", [&](LossBatch& b) { b.divisor = -1; });
  EXPECT_EQ(message(custom_loss(own::GivenMse{}, "mse"), [](LossBatch&) {}), "no error");
  EXPECT_NE(message(custom_loss(own::Scaled{}), [](LossBatch&) {}).find("second"), std::string::npos);
  // The name of another loss gives nothing that is that loss's alone.
  EXPECT_NE(message(custom_loss(own::GivenMse{}, "softmax_cross_entropy"),
                    [&](LossBatch& b) {
                      b.metrics.confusion = {confusion.data(), 3, 3};
                    })
                .find("no rows of classes"),
            std::string::npos);
  EXPECT_NE(message_of([&] { cpu->loss(custom_loss(own::GivenMse{}), good, nullptr); }).find("report is missing"),
            std::string::npos);
}

TEST(CustomLoss, EmptyBatchesAreZero) {
  LossReport report;
  report.value = report.count = 5;
  make_cpu_backend()->loss(custom_loss(own::ValueMse{}), {}, &report);
  EXPECT_EQ(report.value, 0);
  EXPECT_EQ(report.count, 0);
}

TEST(CustomLoss, TheDocumentationQuotesTheExample) {
  const std::string root = test::source_dir().string();
  if (!std::filesystem::exists(root + "/examples")) GTEST_SKIP() << "no examples under " << root;
  const std::string example = test::bytes_of(root + "/examples/custom_loss/main.cpp");
  const std::size_t first = example.find("struct AbsolutePlusL1"), last = example.find("};\n", first);
  ASSERT_NE(last, std::string::npos);
  const std::string quoted = example.substr(first, last + 3 - first);
  for (const char* page : {"/README.md", "/docs/adding_a_loss.md"})
    EXPECT_NE(test::bytes_of(root + page).find(quoted), std::string::npos) << page << " does not have\n" << quoted;
}

}  // namespace
}  // namespace fuselage
