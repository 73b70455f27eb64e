// Losses of rows: known numbers worked out by hand, kinks, zeros and tiny losses.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "support/batches.h"
#include "support/row_shape.h"

namespace fuselage {
namespace {

using testing::shape_of;
using Shape = testing::TakenRows;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
using Floats = std::vector<float>;

/// One row and what is known of it.
struct Known {
  const char* loss;
  std::vector<Floats> x;  ///< prediction, second, third
  Floats target;          ///< a label, the row's own number, numbers, or nothing
  double value;
  std::vector<Floats> gradient;
};

const Known kKnown[] = {
    {"nll", {{-1, -2, -kInf}}, {1}, 2, {{0, -1, 0}}},
    {"nll:label_smoothing=0.3", {{-1, -2, -4}}, {1}, 2.1, {{-0.1f, -0.8f, -0.1f}}},
    // u = 1/4, and (A - q/u)/sum
    {"cross_entropy", {{1, 3}}, {0}, 1.3862943611198906, {{-0.75f, 0.25f}}},
    {"cross_entropy:normalise=false", {{0.25f, 0.75f}}, {0}, 1.3862943611198906, {{-4, 0}}},
    {"cross_entropy:clip=0.1", {{1, 15}}, {0}, 2.3025850929940457, {{0, 0}}},
    {"cross_entropy:clip=0.25", {{1, 7}}, {1}, 0.28768207245178093, {{0, 0}}},
    {"cross_entropy:clip=0", {{1, 0x1p-30f}}, {0}, 0x1p-30 - 0x1p-61, {{-0x1p-30f, 1}}},
    {"cross_entropy:clip=0", {{0, 1}}, {1}, 0, {{1, 0}}},
    // log 2/16, and (2 log 2 + 1)/32
    {"categorical_focal", {{0, 0}}, {0}, 0.043321698784996582, {{-0.074571698784996582f, 0.074571698784996582f}}},
    {"categorical_focal:gamma=0,alpha=1", {{0, -kInf, 0}}, {2}, 0.69314718055994531, {{0.5f, 0, -0.5f}}},
    {"categorical_focal:gamma=0.5", {{0, -1000}}, {0}, 0, {{0, 0}}},
    {"poly1", {{0, 0}}, {0}, 1.1931471805599453, {{-0.75f, 0.75f}}},
    {"poly1:epsilon=0", {{0, -17}}, {0}, 4.1399376330888e-8, {{-4.1399375473941e-8f, 4.1399375473941e-8f}}},
    // 2 - sqrt 2
    {"generalized_cross_entropy", {{0, 0}}, {0}, 0.58578643762690495, {{-0.35355339059327376f, 0.35355339059327376f}}},
    {"generalized_cross_entropy:q=1", {{0, -17}}, {0}, 4.1399375473941e-8, {{-4.139937376005e-8f, 4.139937376005e-8f}}},
    {"multi_margin", {{1, 2, 4}}, {0}, 2, {{-2 / 3.0f, 1 / 3.0f, 1 / 3.0f}}},
    {"multi_margin:p=2", {{1, 2, 4}}, {0}, 20 / 3.0, {{-4, 4 / 3.0f, 8 / 3.0f}}},
    {"multi_margin", {{1, 0, -kInf}}, {0}, 0, {{0, 0, 0}}},
    {"multi_margin", {{3}}, {0}, 0, {{0}}},
    {"categorical_hinge", {{1, 2, 2}}, {0}, 2, {{-1, 1, 0}}},
    {"categorical_hinge", {{1, 0}}, {0}, 0, {{0, 0}}},
    {"categorical_hinge", {{-7}}, {0}, 0, {{0}}},
    {"categorical_hinge", {{-1, -3}}, {0}, 0, {{0, 0}}},
    {"categorical_hinge:zero=true", {{-1, -3}}, {0}, 2, {{-1, 0}}},
    {"policy_gradient", {{0, 0}, {2}}, {0}, 1.3862943611198906, {{-1, 1}}},
    {"policy_gradient:entropy=0.5", {{0, 0}, {2}}, {0}, 1.0397207708399179, {{-1, 1}}},
    {"policy_gradient:form=log_probabilities", {{-1, -2}, {3}}, {1}, 6, {{0, -3}}},
    {"policy_gradient:form=log_probabilities,entropy=1",
     {{-1, -2}, {3}},
     {1},
     5.3614499923553320,
     {{0, -3.1353352832366127f}}},
    {"policy_gradient:form=scores", {{5, 7}, {-2}}, {0}, 10, {{2, 0}}},
    // cosine 24/25
    {"cosine_similarity", {{3, 4}}, {4, 3}, 0.04, {{-0.0448f, 0.0336f}}},
    {"cosine_similarity:form=negative", {{3, 4}}, {4, 3}, -0.96, {{-0.0448f, 0.0336f}}},
    {"cosine_similarity:eps=10", {{3, 4}}, {0, 30}, 0.6, {{0, -0.1f}}},
    {"cosine_similarity:eps=1", {{0, 0}}, {4, 3}, 1, {{-0.8f, -0.6f}}},
    {"cosine_similarity:eps=0", {{0, 0}}, {4, 3}, 1, {{0, 0}}},
    {"cosine_embedding", {{3, 4}, {4, 3}}, {1}, 0.04, {{-0.0448f, 0.0336f}, {0.0336f, -0.0448f}}},
    {"cosine_embedding:margin=0.5", {{3, 4}, {4, 3}}, {-1}, 0.46, {{0.0448f, -0.0336f}, {-0.0336f, 0.0448f}}},
    {"cosine_embedding:margin=0.5,eps=0", {{2, 0}, {1, 0}}, {1}, 0, {{0, 0}, {0, 0}}},
    {"cosine_embedding:margin=1,eps=0", {{2, 0}, {1, 0}}, {-1}, 0, {{0, 0}, {0, 0}}},
    {"cosine_embedding:eps=0", {{0, 0}, {1, 2}}, {1}, 1, {{0, 0}, {0, 0}}},
    {"contrastive:eps=0", {{3, 4}, {0, 0}}, {1}, 12.5, {{3, 4}, {-3, -4}}},
    {"contrastive:eps=0,half=false", {{3, 4}, {0, 0}}, {1}, 25, {{6, 8}, {-6, -8}}},
    {"contrastive:eps=0,margin=6", {{3, 4}, {0, 0}}, {0}, 0.5, {{-0.6f, -0.8f}, {0.6f, 0.8f}}},
    {"contrastive:eps=0,margin=6,labels=similar_is_zero", {{3, 4}, {0, 0}}, {1}, 0.5, {{-0.6f, -0.8f}, {0.6f, 0.8f}}},
    {"contrastive:eps=0,margin=5", {{3, 4}, {0, 0}}, {0}, 0, {{0, 0}, {0, 0}}},
    {"contrastive:eps=0", {{3, 4}, {3, 4}}, {0}, 0.5, {{0, 0}, {0, 0}}},
    {"contrastive:eps=0.5", {{3, 4}, {3, 4}}, {1}, 0.25, {{0.5f, 0.5f}, {-0.5f, -0.5f}}},
    {"triplet:eps=0,margin=6", {{0, 0}, {3, 4}, {0, 10}}, {}, 1, {{-0.6f, 0.2f}, {0.6f, 0.8f}, {0, -1}}},
    {"triplet:eps=0,margin=6,p=1", {{0, 0}, {3, 4}, {0, 10}}, {}, 3, {{-1, 0}, {1, 1}, {0, -1}}},
    {"triplet:eps=0,margin=6,swap=true", {{0, 0}, {3, 4}, {3, 10}}, {}, 5, {{-0.6f, -0.8f}, {0.6f, 1.8f}, {0, -1}}},
    {"triplet:eps=0,margin=5", {{0, 0}, {3, 4}, {0, 10}}, {}, 0, {{0, 0}, {0, 0}, {0, 0}}},
    {"triplet:eps=0", {{1, 2}, {1, 2}, {1, 2}}, {}, 1, {{0, 0}, {0, 0}, {0, 0}}},
    // the cube root of 9, and its square below 1 and 4
    {"triplet:eps=0,p=3",
     {{0, 0}, {1, 2}, {1, 0}},
     {},
     2.0800838230519041,
     {{0.76887957521645513f, -0.92448169913417948f}, {0.23112042478354487f, 0.92448169913417948f}, {-1, 0}}},
    {"triplet:eps=0,p=12", {{0, 0}, {1e-3f, 3e-3f}, {1e4f, 0}}, {}, 0, {{0, 0}, {0, 0}, {0, 0}}},
};

TEST(RowLosses, KnownNumbers) {
  const auto near = [](double got, double expected) {
    return got == expected || std::abs(got - expected) <= 4 * 0x1p-23 * std::max(std::abs(expected), 1e-7);
  };
  std::set<std::string> seen;
  for (const auto& backend : testing::cpu_backends())
    for (const Known& known : kKnown) {
      const AnyLoss loss = Losses::parse(known.loss, "loss");
      const Shape shape = shape_of(loss).value();
      const auto cols = static_cast<std::int64_t>(known.x[0].size());
      const std::vector<std::int32_t> label{known.target.empty() ? 0 : static_cast<std::int32_t>(known.target[0])};
      std::vector<Floats> g(3, Floats(static_cast<std::size_t>(cols), kNaN));
      LossBatch b;
      b.prediction = {known.x[0].data(), 1, cols};
      b.gradient = {g[0].data(), 1, cols};
      if (shape.inputs > 1) b.second = {known.x[1].data(), 1, static_cast<std::int64_t>(known.x[1].size())};
      if (shape.inputs > 2) b.third = {known.x[2].data(), 1, cols};
      if (known.gradient.size() > 1) b.second_gradient = {g[1].data(), 1, cols};
      if (known.gradient.size() > 2) b.third_gradient = {g[2].data(), 1, cols};
      if (shape.row.target == RowTarget::single || shape.row.target == RowTarget::dense)
        b.target = {known.target.data(), 1, static_cast<std::int64_t>(known.target.size())};
      else if (shape.row.target != RowTarget::none)
        b.target = {label.data(), 1};
      LossReport report;
      backend->loss(loss, b, &report);
      EXPECT_TRUE(near(report.value, known.value)) << known.loss << ": " << report.value << ", not " << known.value;
      EXPECT_EQ(report.count, 1);
      EXPECT_EQ(report.nonfinite, 0);
      for (std::size_t i = 0; i < known.gradient.size(); ++i)
        for (std::size_t c = 0; c < known.gradient[i].size(); ++c)
          EXPECT_TRUE(near(g[i][c], known.gradient[i][c]))
              << known.loss << " gradient " << i << " at " << c << ": " << g[i][c] << ", not " << known.gradient[i][c];
      seen.insert(std::string(known.loss).substr(0, std::string(known.loss).find(':')));
    }
  Losses::for_each(
      [&]<class L>() { EXPECT_TRUE(!loss::RowSums<L> || seen.contains(std::string(L::name))) << L::name; });
}

TEST(RowLosses, ScoresHaveNoEntropy) {
  EXPECT_THROW(Losses::parse("policy_gradient:form=scores,entropy=0.1", "loss"), Error);
  EXPECT_THROW(Losses::parse("multi_margin:p=3", "loss"), Error);
  EXPECT_THROW(Losses::parse("triplet:p=0.5", "loss"), Error);
  EXPECT_EQ(Losses::to_string(Losses::parse("contrastive:labels=similar_is_zero", "loss")),
            "contrastive:labels=similar_is_zero");
}

}  // namespace
}  // namespace fuselage
