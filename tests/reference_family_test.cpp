// The reference losses of pairs, rows and vectors, and their contracts. Numbers come from mpmath with 40 digits.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "host/reference/reference.h"
#include "host/reference/tape.h"

namespace fuselage::reference {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity(), kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr char kSoftmax[] = "softmax_cross_entropy";
const std::vector<double> kLogits{0.5, -1.25, 2, 0.75};

LossInput column(std::vector<double> y, std::vector<double> t) {
  LossInput in;
  in.rows = static_cast<std::int64_t>(y.size());
  in.cols = 1;
  in.prediction = std::move(y);
  in.target = std::move(t);
  return in;
}

LossInput pair(std::vector<double> y, std::vector<double> z, std::vector<double> t) {
  LossInput in = column(std::move(y), std::move(t));
  in.second = std::move(z);
  return in;
}

LossInput labelled(std::vector<double> x, std::int64_t label) {
  LossInput in;
  in.rows = 1;
  in.cols = static_cast<std::int64_t>(x.size());
  in.prediction = std::move(x);
  in.labels = {label};
  return in;
}

LossInput vectors(std::vector<double> a, std::vector<double> b, std::vector<double> t) {
  LossInput in;
  in.rows = 1;
  in.cols = static_cast<std::int64_t>(a.size());
  in.prediction = std::move(a);
  in.second = std::move(b);
  in.target = std::move(t);
  return in;
}

void expect_near(double got, double expected, double relative = 1e-14) {
  if (got == expected) return;
  EXPECT_LE(std::abs(got - expected), relative * std::abs(expected)) << "got " << got << ", expected " << expected;
}
void expect_near(const std::vector<double>& got, const std::vector<double>& expected, double relative = 1e-14) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) expect_near(got[i], expected[i], relative);
}

// ---- known numbers ----

TEST(ReferenceFamily, LogitsOfClasses) {
  const auto value = [](const char* name, const Options& o, LossInput in) { return loss(name, o, in).value; };
  expect_near(value("categorical_focal", {}, labelled(kLogits, 1)), 0.876218523006635162);
  expect_near(value("poly1", {{"epsilon", 2}}, labelled(kLogits, 1)), 5.6371454206236785);
  expect_near(value("generalized_cross_entropy", {{"q", 0.7}}, labelled(kLogits, 1)), 1.32043749527831226);
  // Tiny losses keep their digits.
  expect_near(value("categorical_focal", {}, labelled({0, -17}, 0)), 1.77386835697855723e-23);
  expect_near(value("poly1", {}, labelled({0, -17}, 0)), 8.27987518048407805e-8);
  expect_near(value("generalized_cross_entropy", {}, labelled({0, -17}, 0)), 4.13993759024203873e-8);
}

TEST(ReferenceFamily, OptionsOfTheSoftmax) {
  const Options options{{"temperature", 0.5}, {"softcap", 3}, {"z_loss", 0.125}};
  const LossOutput out = loss(kSoftmax, options, labelled(kLogits, 2));
  expect_near(out.value, 1.53811742123879449);
  expect_near(out.gradient, {0.40526435745697121, 0.0118928835622445901, 0.0834099259840670947, 0.541983909185436744});
  // The z term knows no class weights, and a capped -inf is the cap.
  LossInput in = labelled(kLogits, 2);
  in.class_weight = {1, 1, 0, 1};
  in.reduction = "sum";
  expect_near(loss(kSoftmax, {{"z_loss", 1}}, in).value, std::pow(2.43722805861390256, 2));
  expect_near(loss(kSoftmax, {{"softcap", 2}}, labelled({0, -kInfinity}, 1)).value, 2 + std::log1p(std::exp(-2.0)));
}

TEST(ReferenceFamily, ScoresAndProbabilitiesOfClasses) {
  EXPECT_EQ(loss("nll", {}, labelled({-1, -0.25, -kInfinity}, 1)).value, 0.25);
  const LossOutput plain = loss("cross_entropy", {}, labelled({1, 2, 5}, 1));
  expect_near(plain.value, std::log(4.0));
  expect_near(plain.gradient, {0.125, 0.125 - 0.5, 0.125});
  const LossOutput clipped = loss("cross_entropy", {{"normalise", 0}, {"clip", 0.25}}, labelled({0.125, 0.5}, 0));
  expect_near(clipped.value, -std::log(0.25));
  EXPECT_EQ(clipped.gradient, (std::vector<double>{0, 0}));
  EXPECT_TRUE(std::isnan(loss("cross_entropy", {}, labelled({0, 0}, 0)).value));
  // 1 - 2 + 3 and 1 - 2 + 1, over 4 classes; the third is at its kink.
  const LossOutput margin = loss("multi_margin", {}, labelled({3, 2, 1, 1.5}, 1));
  EXPECT_EQ(margin.value, 0.625);
  EXPECT_EQ(margin.gradient, (std::vector<double>{0.25, -0.5, 0, 0.25}));
  EXPECT_EQ(loss("multi_margin", {{"p", 2}}, labelled({3, 2, 1, 1.5}, 1)).value, 1.0625);
  const LossOutput hinge = loss("categorical_hinge", {}, labelled({3, 2, 3, 1}, 1));
  EXPECT_EQ(hinge.value, 2);
  EXPECT_EQ(hinge.gradient, (std::vector<double>{1, -1, 0, 0}));
  EXPECT_EQ(loss("categorical_hinge", {}, labelled({-3, -2}, 1)).value, 0);
  EXPECT_EQ(loss("categorical_hinge", {{"zero", 1}}, labelled({-3, -2}, 1)).value, 3);
  EXPECT_EQ(loss("categorical_hinge", {}, labelled({7}, 0)).value, 0);
}

TEST(ReferenceFamily, PolicyGradient) {
  LossInput in = labelled(kLogits, 1);
  in.second = {1.5};
  const LossOutput out = loss("policy_gradient", {{"entropy", 0.25}}, in);
  expect_near(out.value, 5.28932802645694896);
  expect_near(out.gradient, {0.181167107547745871, -1.47947345435827881, 1.05411869412354439, 0.244187652686988547},
              1e-13);
  EXPECT_TRUE(out.second_gradient.empty());
  EXPECT_EQ(loss("policy_gradient", {{"form", 2}}, in).value, 1.5 * 1.25);
  EXPECT_EQ(loss("policy_gradient", {{"form", 1}}, in).value, 1.5 * 1.25);
}

TEST(ReferenceFamily, PairsOfElements) {
  const auto one = [](const char* name, const Options& o, double y, double z, double t) {
    return loss(name, o, pair({y}, {z}, {t}));
  };
  const LossOutput gauss = one("gaussian_nll", {}, 1.5, 0.25, 0.75);
  expect_near(gauss.value, 0.431852819440054691);
  expect_near(gauss.gradient[0], 3);
  expect_near(gauss.second_gradient[0], -2.5);
  expect_near(one("gaussian_nll", {{"full", 1}}, 1.5, 0.25, 0.75).value, 1.35079135264472743);
  EXPECT_EQ(one("gaussian_nll", {}, 1, 1e-7, 1).second_gradient[0], 0) << "held at eps";
  const LossOutput ranking = one("margin_ranking", {{"margin", 0.5}}, 1, 0.75, -1);
  EXPECT_EQ(ranking.value, 0.75);
  EXPECT_EQ(ranking.gradient[0], 1);
  EXPECT_EQ(ranking.second_gradient[0], -1);
  EXPECT_EQ(one("margin_ranking", {}, 2, 2, 1).gradient[0], 0);
  const LossOutput ppo = one("ppo_clip", {}, -1, -1.125, 2);
  expect_near(ppo.value, -2.26629690613365263);
  expect_near(ppo.gradient[0], -2.26629690613365263);
  EXPECT_TRUE(ppo.second_gradient.empty());
  EXPECT_EQ(one("ppo_clip", {{"clip", 0.1}}, -1, -1.125, 2).value, -2.2);
  EXPECT_EQ(one("ppo_clip", {{"clip", 0.1}}, -1, -1.125, 2).gradient[0], 0);
  expect_near(one("ppo_clip", {{"clip", 0.1}}, -1, -1.125, -2).gradient[0], 2.26629690613365263);
}

TEST(ReferenceFamily, DivergencesAndElements) {
  const auto one = [](const char* name, const Options& o, double y, double t) {
    return loss(name, o, column({y}, {t}));
  };
  const double q = 0.75, t = 0.25;
  for (const bool log_target : {false, true}) {
    const Options o{{"log_target", log_target}}, reverse{{"log_target", log_target}, {"order", 1}};
    const double target = log_target ? std::log(t) : t;
    expect_near(one("kl", o, std::log(q), target).value, -0.274653072167027423);
    expect_near(one("kl", reverse, std::log(q), target).value, 0.823959216501082269);
  }
  expect_near(one("kl", {{"prediction", 1}}, q, t).value, -0.274653072167027423);
  expect_near(one("kl", {{"prediction", 1}}, q, t).gradient[0], -1.0 / 3);
  EXPECT_EQ(one("kl", {}, -kInfinity, 0).value, 0);
  expect_near(one("generalized_kl", {}, q, t).value, 0.225346927832972577);
  EXPECT_EQ(one("generalized_kl", {}, q, 0).gradient[0], 1);
  expect_near(one("js", {}, q, t).value, 0.0654060179705684796);
  expect_near(one("js", {}, q, t).gradient[0], 0.202732554054082191);
  expect_near(one("js", {{"beta", 0.125}}, q, t).value, 0.0254886876594920364);
  expect_near(one("js", {{"beta", 0.125}}, q, t).gradient[0], 0.0761349548659260454);
  EXPECT_EQ(one("total_variation", {}, q, t).value, 0.25);
  EXPECT_EQ(one("total_variation", {}, t, t).gradient[0], 0);
  EXPECT_EQ(one("hinge_embedding", {}, 0.25, 1).value, 0.25);
  EXPECT_EQ(one("hinge_embedding", {}, 0.25, -1).value, 0.75);
  EXPECT_EQ(one("hinge_embedding", {}, 1, -1).gradient[0], 0);
  expect_near(one("asymmetric", {}, 1.5, 1).value, 0.036742922737558867);
  expect_near(one("asymmetric", {}, 1.5, 0).value, 0.506515319492847651);
  expect_near(one("asymmetric", {}, -2.9, 0).value, 4.63720232412233179e-14, 1e-12);
  EXPECT_EQ(one("asymmetric", {}, -4, 0).value, 0) << "clipped";
  const LossOutput root = loss("rmse", {}, column({3, -4}, {0, 0}));
  expect_near(root.value, std::sqrt(12.5));
  expect_near(root.gradient, {1.5 / std::sqrt(12.5), -2 / std::sqrt(12.5)});
  EXPECT_EQ(loss("rmse", {}, column({3}, {3})).gradient[0], 0);
}

TEST(ReferenceFamily, Vectors) {
  const std::vector<double> a{1, 2, -2}, b{3, 0, 4}, c{0, 1, -1};
  LossInput in = vectors(a, {}, b);
  const LossOutput cosine = loss("cosine_similarity", {}, in);
  expect_near(cosine.value, 4.0 / 3);
  expect_near(cosine.gradient, {-0.237037037037037037, -0.0740740740740740741, -0.192592592592592593});
  expect_near(loss("cosine_similarity", {{"form", 1}}, in).value, 1.0 / 3);
  EXPECT_EQ(loss("cosine_similarity", {{"eps", 0}}, vectors({0, 0}, {}, {1, 2})).value, 1);
  expect_near(loss("cosine_embedding", {{"eps", 0}}, vectors(a, b, {1})).value, 4.0 / 3);
  expect_near(loss("cosine_embedding", {{"eps", 0}}, vectors(a, a, {-1})).value, 1);
  EXPECT_EQ(loss("cosine_embedding", {}, vectors(a, b, {-1})).value, 0);
  expect_near(loss("contrastive", {}, vectors(a, b, {1})).value, 21.9999940000015);
  expect_near(loss("contrastive", {{"labels", 1}}, vectors(a, b, {0})).value, 21.9999940000015);
  expect_near(loss("contrastive", {{"margin", 8}}, vectors(a, b, {0})).value, 0.934004590586056594);
  expect_near(loss("contrastive", {{"margin", 8}, {"half", 0}}, vectors(a, b, {0})).value, 1.868009181172113188);
  expect_near(loss("contrastive", {{"margin", 8}}, vectors(a, b, {0.5})).value,
              (21.9999940000015 + 0.934004590586056594) / 2);
  const LossOutput same = loss("contrastive", {{"eps", 0}}, vectors(a, a, {0}));
  EXPECT_EQ(same.value, 0.5);
  EXPECT_EQ(same.gradient, (std::vector<double>{0, 0, 0})) << "there is no direction to go";
  LossInput triple = vectors(a, c, {});
  triple.third = b;
  expect_near(loss("triplet", {{"margin", 6}}, triple).value, 1.09880270874298586);
  expect_near(loss("triplet", {{"margin", 8}, {"p", 1}}, triple).value, 1.000002, 1e-9);
  expect_near(loss("triplet", {{"margin", 6}, {"p", 3}}, triple).value, 6 + 1.44225005105854715 - 6.14463269789417593);
  EXPECT_EQ(loss("triplet", {}, triple).gradient, (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(loss("triplet", {{"margin", 6}}, triple).third_gradient.size(), 3u);
}

// ---- contracts ----

TEST(ReferenceFamily, DivisorsOfMeans) {
  LossInput in = column({1, 2, 3, 4}, {0, 0, 0, 0});
  in.weight = {1, 0, 2, 1};
  in.mask = {1, 1, 1, 0};
  EXPECT_EQ(loss("mae", {}, in).value, 7.0 / 3);
  in.reduction = "mean_over_outputs";
  EXPECT_EQ(loss("mae", {}, in).value, 7.0 / 4);
  EXPECT_EQ(loss("mae", {}, in).gradient, (std::vector<double>{0.25, 0, 0.5, 0}));
  in.divisor = 14;
  EXPECT_EQ(loss("mae", {}, in).value, 0.5);
  in.reduction = "sum";
  EXPECT_EQ(loss("mae", {}, in).value, 7);
}

TEST(ReferenceFamily, TargetsOutsideTheDomainAreBad) {
  const auto bad = [](const char* name, double t) { return loss(name, {}, column({0.5, 0.5}, {1, t})).bad_labels; };
  EXPECT_EQ(bad("bce", 1.5), 1);
  EXPECT_EQ(bad("hinge", 0), 1);
  EXPECT_EQ(bad("gamma_nll", 0), 1);
  EXPECT_EQ(bad("tweedie", 0), 0);
  EXPECT_EQ(bad("tweedie", -1), 1);
  EXPECT_EQ(bad("mse", -1), 0);
  EXPECT_EQ(loss("cosine_embedding", {}, vectors({1, 2}, {2, 3}, {0.5})).bad_labels, 1);
  const LossOutput out = loss("bce", {}, column({0.5, 0.5}, {1, 1.5}));
  EXPECT_EQ(out.first_bad_row, 1);
  EXPECT_EQ(out.first_bad_label, 1.5);
  EXPECT_EQ(out.gradient[1], 0);
  EXPECT_EQ(out.count, 1);
}

TEST(ReferenceFamily, BadWeightsAreCountedAndLeftOut) {
  LossInput in = column({1, 2, 3, 4, 5}, {0, 0, 0, 0, 0});
  in.weight = {1, -1, kNaN, kInfinity, -2};
  in.mask = {1, 1, 1, 1, 0};
  const LossOutput out = loss("mae", {}, in);
  EXPECT_EQ(out.bad_weights, 3);
  EXPECT_EQ(out.first_bad_weight_row, 1);
  EXPECT_EQ(out.value, 1);
  EXPECT_EQ(out.gradient, (std::vector<double>{1, 0, 0, 0, 0}));
}

TEST(ReferenceFamily, LengthsOfSequences) {
  LossInput in;
  in.rows = 6;
  in.cols = 2;
  in.prediction = {1, 2, 3, 5, kNaN, 0, 1, 0, 0, 1, 1, 1};
  in.labels = {0, 1, 7, 0, 1, 0};
  in.lengths = {2, 3};
  const LossOutput out = loss(kSoftmax, {}, in);
  EXPECT_EQ(out.count, 5);
  EXPECT_EQ(out.bad_labels, 0);
  LossInput masked = in;
  masked.lengths = {};
  masked.mask = {1, 1, 0, 1, 1, 1};
  EXPECT_EQ(out.value, loss(kSoftmax, {}, masked).value);
  in.lengths = {2, 4};
  EXPECT_EQ(loss(kSoftmax, {}, in).bad_labels, 1);
  EXPECT_EQ(loss(kSoftmax, {}, in).first_bad_row, 3);
  EXPECT_EQ(loss(kSoftmax, {}, in).count, 2);
  in.lengths = {2, 1, 1, 1};
  EXPECT_THROW(loss(kSoftmax, {}, in), std::invalid_argument);
}

TEST(ReferenceFamily, ConfusionAndCalibration) {
  LossInput in;
  in.rows = 4;
  in.cols = 2;
  in.prediction = {0, 1, 0, 1, 3, 0, 0, 0};
  in.labels = {1, 0, 0, 1};
  in.bins = 4;
  const LossOutput out = loss(kSoftmax, {}, in);
  EXPECT_EQ(out.confusion, (std::vector<double>{1, 1, 1, 1}));
  ASSERT_EQ(out.calibration.size(), 4u);
  EXPECT_EQ(out.calibration[2].rows, 3);
  EXPECT_EQ(out.calibration[2].right, 1);
  expect_near(out.calibration[2].confidence, 2 / (1 + std::exp(-1.0)) + 0.5);
  EXPECT_EQ(out.calibration[3].rows, 1);
  EXPECT_EQ(out.calibration[0].rows, 0);
}

TEST(ReferenceFamily, SumsOfTargets) {
  LossInput in = column({1, 1, 1}, {100, 101, 103});
  in.mask = {1, 1, 0};
  const LossOutput out = loss("mse", {}, in);
  EXPECT_EQ(out.target_shift, 100);
  EXPECT_EQ(out.target_sum, 1);
  EXPECT_EQ(out.target_squared_sum, 1);
}

// ---- the tape ----

TEST(ReferenceTape, TermsAreTheLargestThatWereAdded) {
  Tape tape;
  const Var x = tape.input(1e8), y = tape.input(1);
  const Var exact = x - y;
  EXPECT_EQ(exact.number.term, 1e8 - 1) << "one rounding of exact numbers";
  const Var cancelled = (exp(y) + 1e8) - 1e8;
  EXPECT_GE(cancelled.number.term, 1e8);
  EXPECT_GE((cancelled * 0.5).number.term, 5e7);
  const Var z = x * y + y;
  tape.differentiate(z);
  EXPECT_EQ(tape.at(x).value, 1);
  EXPECT_EQ(tape.at(y).value, 1e8 + 1);
}

TEST(ReferenceTape, SlopesThatCancelSaySo) {
  Tape tape;
  const Var x = tape.input(0.5);
  const Var y = 1e6 * x - 999999.0 * x;
  tape.differentiate(y);
  EXPECT_EQ(tape.at(x).value, 1);
  EXPECT_EQ(tape.at(x).term, 1e6);
}

}  // namespace
}  // namespace fuselage::reference
