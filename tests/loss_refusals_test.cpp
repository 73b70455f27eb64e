// What a loss does not take is refused before anything is written: one error each, which names the input and what was
// expected of it.
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "support/batches.h"

namespace fuselage {
namespace {

using testing::message_of;

constexpr std::int64_t kRows = 4, kCols = 3;
constexpr double kNaNDivisor = std::numeric_limits<double>::quiet_NaN();

/// Memory for a batch of four rows of three, and for what may be put in it wrongly.
struct Arrays {
  std::vector<float> x = std::vector<float>(12, 0.5f), second = x, third = x, target = x,
                     row = std::vector<float>(4, 1), gradient = std::vector<float>(12, 7), other = gradient;
  std::vector<bf16> narrow = std::vector<bf16>(12);
  std::vector<std::int64_t> labels = {0, 1, 2, 0}, tally = std::vector<std::int64_t>(9);
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(12, 1);

  ConstView matrix(const std::vector<float>& v) const { return {v.data(), kRows, kCols}; }
};

/// A batch that `loss` takes.
LossBatch batch_for(const AnyLoss& loss, Arrays& a) {
  const LossTraits traits = traits_of(loss);
  LossBatch b;
  b.prediction = a.matrix(a.x);
  if (!traits.inputs.second.empty()) b.second = a.matrix(a.second);
  if (traits.row_second) b.second = {a.row.data(), kRows};
  if (!traits.inputs.third.empty()) b.third = a.matrix(a.third);
  if (traits.elementwise || traits.target == RowTarget::dense) b.target = a.matrix(a.target);
  if (traits.takes_labels()) b.target = {a.labels.data(), kRows};
  b.gradient = {a.gradient.data(), kRows, kCols};
  return b;
}

struct Refusal {
  const char *name, *loss;
  std::function<void(LossBatch&, Arrays&)> change;
  const char* message;
};

const std::vector<Refusal>& refusals() {
  static const std::vector<Refusal> list{
      {"NoPrediction", "mse", [](auto& b, auto&) { b.prediction.data = nullptr; }, "prediction is missing"},
      {"ATypeThatNoPredictionHas", "gaussian_nll", [](auto& b, auto&) { b.prediction.dtype = DType::f64; },
       "bad_dtype: mean is fp64, expected fp32, bf16 or fp16"},
      {"ARowOfNothing", "cosine_similarity", [](auto& b, auto&) { b.prediction.cols = 0; },
       "bad_shape: prediction has the shape [4, 0]: a row has an element at least"},
      {"AGradientOverItself", "mse", [](auto& b, auto&) { b.gradient.row_stride = 1; },
       "bad_shape: gradient has the strides 1 and 1: elements would overwrite each other"},
      {"AnAddressBetweenElements", "mse",
       [](auto& b, auto& a) {
         b.target = {reinterpret_cast<const std::byte*>(a.target.data()) + 2, DType::f32, 4, 2, 2};
       },
       "bad_argument: target begins at no multiple of the 4 bytes of fp32"},
      {"NoTarget", "mse", [](auto& b, auto&) { b.target = {}; }, "bad_argument: target is missing"},
      {"ATargetThatIsNotTaken", "triplet",
       [](auto& b, auto& a) {
         b.target = {a.labels.data(), kRows};
       },
       "bad_argument: target is given; triplet has none"},
      {"NoSecond", "gaussian_nll", [](auto& b, auto&) { b.second = {}; },
       "variance is missing; gaussian_nll takes mean and variance"},
      {"NoThird", "triplet", [](auto& b, auto&) { b.third = {}; },
       "negative is missing; triplet takes anchor, positive and negative"},
      {"ASecondThatIsNotTaken", "mse", [](auto& b, auto& a) { b.second = a.matrix(a.second); },
       "bad_argument: second is given; mse takes prediction alone"},
      {"AThirdThatIsNotTaken", "gaussian_nll", [](auto& b, auto& a) { b.third = a.matrix(a.third); },
       "bad_argument: third is given; gaussian_nll takes mean and variance"},
      {"ASecondOfAnotherShape", "gaussian_nll",
       [](auto& b, auto& a) {
         b.second = {a.second.data(), kRows};
       },
       "bad_shape: variance has the shape [4, 1], expected [4, 3]"},
      {"ASecondOfAnotherType", "gaussian_nll",
       [](auto& b, auto& a) {
         b.second = {a.narrow.data(), kRows, kCols};
       },
       "bad_dtype: variance is bf16, expected fp32"},
      {"ARowConstantOfAnotherShape", "policy_gradient", [](auto& b, auto& a) { b.second = a.matrix(a.second); },
       "bad_shape: returns has the shape [4, 3], expected [4, 1]"},
      {"AnotherTypeOfTarget", "mse",
       [](auto& b, auto& a) {
         b.target = {a.narrow.data(), kRows, kCols};
       },
       "bad_dtype: target is bf16, expected fp32 or the prediction's fp32"},
      {"LabelsForElements", "mse",
       [](auto& b, auto& a) {
         b.target = {a.labels.data(), kRows};
       },
       "bad_dtype: target is i64: a pointwise loss takes real targets"},
      {"LabelsForADenseTarget", "cosine_similarity",
       [](auto& b, auto& a) {
         b.target = {a.labels.data(), kRows};
       },
       "bad_dtype: target is i64: cosine_similarity takes numbers of the prediction's shape"},
      {"NumbersForLabels", "multi_margin", [](auto& b, auto& a) { b.target = a.matrix(a.target); },
       "bad_dtype: target is fp32: multi_margin takes class labels, of an integer type"},
      {"TooFewLabels", "nll",
       [](auto& b, auto& a) {
         b.target = {a.labels.data(), 3};
       },
       "bad_shape: target (class labels) has the shape [3, 1], expected [4, 1]"},
      {"ClassWeightsOfElements", "mse",
       [](auto& b, auto& a) {
         b.class_weight = {a.row.data(), 1, kCols};
       },
       "bad_argument: class_weight is for losses with classes, not for mse"},
      {"ClassWeightsOfPairs", "cosine_similarity",
       [](auto& b, auto& a) {
         b.class_weight = {a.row.data(), 1, kCols};
       },
       "bad_argument: class_weight is for losses with classes, not for cosine_similarity"},
      {"AWeightOfAnotherType", "mse",
       [](auto& b, auto& a) {
         b.weight = {a.bytes.data(), kRows};
       },
       "bad_dtype: weight is u8, expected fp32"},
      {"AMaskOfAnotherType", "mse",
       [](auto& b, auto& a) {
         b.mask = {a.row.data(), kRows};
       },
       "bad_dtype: mask is fp32, expected u8"},
      {"AWeightForEachClass", "nll", [](auto& b, auto& a) { b.weight = a.matrix(a.second); },
       "bad_shape: weight has the shape [4, 3], which does not fit the prediction's [4, 3]"},
      {"AnUpstreamForEachOutputOfAMean", "mse", [](auto& b, auto& a) { b.upstream = a.matrix(a.second); },
       "bad_shape: upstream has a value for each output, but the reduction leaves one; give [1, 1]"},
      {"LengthsOfElements", "mse",
       [](auto& b, auto& a) {
         b.lengths = {a.labels.data(), 2};
       },
       "bad_argument: lengths are for losses of rows"},
      {"LengthsOfAnotherType", "nll",
       [](auto& b, auto& a) {
         b.lengths = {a.row.data(), 2};
       },
       "bad_dtype: lengths is fp32, expected i32 or i64"},
      {"LengthsThatDoNotDivide", "nll",
       [](auto& b, auto& a) {
         b.lengths = {a.labels.data(), 3};
       },
       "bad_shape: lengths has the shape [3, 1], expected [sequences, 1] with sequences a divisor of the 4 rows"},
      {"ATypeThatThereIsNot", "mse", [](auto& b, auto&) { b.target.dtype = static_cast<DType>(99); },
       "bad_dtype: target has the type 99, which there is not"},
      {"AStrideOutOfAnyMemory", "mse", [](auto& b, auto&) { b.target.row_stride = std::int64_t{1} << 60; },
       "bad_shape: target has the row stride 1152921504606846976: 4 such steps lead out of any memory"},
      {"AReductionThatThereIsNot", "mse", [](auto& b, auto&) { b.reduction = static_cast<Reduction>(77); },
       "bad_argument: reduction 77 or bad_labels 0: there is no such choice"},
      {"ANegativeDivisor", "mse", [](auto& b, auto&) { b.divisor = -1; }, "bad_argument: divisor is -1: expected"},
      {"ADivisorThatIsNaN", "mse", [](auto& b, auto&) { b.divisor = kNaNDivisor; },
       "bad_argument: divisor is nan: expected"},
      {"ADivisorOfASum", "mse", [](auto& b, auto&) { b.divisor = 2, b.reduction = Reduction::sum; },
       "bad_argument: divisor is 2, but the reduction sum divides by nothing"},
      {"ARootOfNothing", "rmse", [](auto& b, auto&) { b.reduction = Reduction::none; },
       "bad_argument: rmse is the root of a reduced value, and the reduction none leaves nothing to take it of"},
      {"AccuracyOfALossWithoutClasses", "huber", [](auto& b, auto&) { b.metrics.accuracy = true; },
       "bad_argument: metrics.accuracy is asked of huber, which has no classes"},
      {"AccuracyOfRowsWithoutClasses", "triplet", [](auto& b, auto&) { b.metrics.accuracy = true; },
       "bad_argument: metrics.accuracy is asked of triplet, which has no classes"},
      {"TopKOfADecision", "bce", [](auto& b, auto&) { b.metrics.top_k = 2; },
       "bad_argument: metrics.top_k is asked of bce, which has no classes"},
      {"ErrorsOfRows", "nll", [](auto& b, auto&) { b.metrics.errors = true; },
       "bad_argument: metrics.errors is asked of nll, which has no target for each element"},
      {"SpreadOfTargetsOfRows", "nll", [](auto& b, auto&) { b.metrics.targets = true; },
       "bad_argument: metrics.targets is asked of nll, which has no target for each element"},
      {"ANegativeTopK", "nll", [](auto& b, auto&) { b.metrics.top_k = -1; }, "bad_argument: metrics.top_k is negative"},
      {"AGradientOfAnotherType", "mse",
       [](auto& b, auto& a) {
         b.gradient = {a.narrow.data(), kRows, kCols};
       },
       "bad_dtype: gradient is bf16, expected fp32"},
      {"AGradientOfNothing", "mse",
       [](auto& b, auto& a) {
         b.second_gradient = {a.other.data(), kRows, kCols};
       },
       "bad_argument: second_gradient is given; mse takes prediction alone"},
      {"AGradientOfAConstant", "ppo_clip",
       [](auto& b, auto& a) {
         b.second_gradient = {a.other.data(), kRows, kCols};
       },
       "bad_argument: second_gradient is given, but ppo_clip takes old_log_probability as a constant"},
      {"ConfusionOfElements", "mse",
       [](auto& b, auto& a) {
         b.metrics.confusion = {a.tally.data(), kCols, kCols};
       },
       "bad_argument: metrics.confusion is asked of mse, which has no rows of classes"},
      {"ConfusionOfRowsWithoutClasses", "cosine_similarity",
       [](auto& b, auto& a) {
         b.metrics.confusion = {a.tally.data(), kCols, kCols};
       },
       "bad_argument: metrics.confusion is asked of cosine_similarity, which has no rows of classes"},
      {"CalibrationOfMargins", "multi_margin",
       [](auto& b, auto& a) {
         b.metrics.calibration = {a.tally.data(), 3, 3};
       },
       "bad_argument: metrics.calibration is asked of multi_margin, which has no rows of probabilities"},
      {"CalibrationOfScores", "policy_gradient:form=scores",
       [](auto& b, auto& a) {
         b.metrics.calibration = {a.tally.data(), 3, 3};
       },
       "bad_argument: metrics.calibration is asked of policy_gradient, which has no rows of probabilities"},
      {"ConfusionOfAnotherShape", "softmax_cross_entropy",
       [](auto& b, auto& a) {
         b.metrics.confusion = {a.tally.data(), kCols, 2};
       },
       "bad_shape: metrics.confusion has the shape [3, 2], expected [3, 3]"},
      {"CalibrationWithoutBins", "softmax_cross_entropy",
       [](auto& b, auto& a) {
         b.metrics.calibration = {a.tally.data(), 0, 3};
       },
       "bad_shape: metrics.calibration has no bins: it is [bins, 3]"},
      {"CalibrationOfAnotherType", "softmax_cross_entropy",
       [](auto& b, auto& a) {
         b.metrics.calibration = {a.other.data(), 4, 3};
       },
       "bad_dtype: metrics.calibration is fp32, expected i64"},
      {"AGradientThatMeetsTheTarget", "mse",
       [](auto& b, auto& a) {
         b.gradient = {a.target.data(), kRows, kCols};
       },
       "bad_argument: gradient overlaps the target"},
      {"AGradientThatIsTheOtherInput", "gaussian_nll",
       [](auto& b, auto& a) {
         b.gradient = {a.second.data(), kRows, kCols};
       },
       "bad_argument: gradient overlaps the variance"},
      {"TwoGradientsThatAreOne", "gaussian_nll",
       [](auto& b, auto& a) {
         b.second_gradient = {a.gradient.data(), kRows, kCols};
       },
       "bad_argument: second_gradient (variance) overlaps the gradient"},
      {"ValuesThatAreTheGradient", "mse",
       [](auto& b, auto& a) {
         b.values = {a.gradient.data(), kRows, kCols};
       },
       "bad_argument: values overlap the gradient"},
  };
  return list;
}

class LossRefusals : public ::testing::TestWithParam<Refusal> {};

TEST_P(LossRefusals, OneErrorThatNamesIt) {
  const Refusal& refusal = GetParam();
  const auto cpu = make_cpu_backend({1, {}});
  const AnyLoss loss = Losses::parse(refusal.loss, "loss");
  Arrays a;
  LossBatch batch = batch_for(loss, a);
  LossReport report;
  ASSERT_EQ(message_of([&] { cpu->loss(loss, batch, &report); }), "no error") << "without the fault";
  a = {};
  batch = batch_for(loss, a);
  refusal.change(batch, a);
  const std::string message = message_of([&] { cpu->loss(loss, batch, &report); });
  EXPECT_NE(message.find(refusal.message), std::string::npos) << message;
  EXPECT_EQ(a.gradient, Arrays().gradient) << "nothing is written";
  EXPECT_EQ(a.other, Arrays().other);
}

TEST(LossRefusalsOfTheReport, ItHasMemoryOfItsOwn) {
  const auto cpu = make_cpu_backend({1, {}});
  const loss::Mse mse;
  std::vector<double> memory(64, 0.5), more = memory;
  const auto floats = [](std::vector<double>& m) { return reinterpret_cast<float*>(m.data()); };
  const auto report = [](std::vector<double>& m) { return reinterpret_cast<LossReport*>(m.data()); };
  LossBatch b;
  b.prediction = {floats(memory), 10, 2};
  b.target = {floats(memory) + 20, 10, 2};
  b.gradient = {floats(more), 10, 2};
  const auto message = [&](LossReport* to) { return message_of([&] { cpu->loss(mse, b, to); }); };
  EXPECT_EQ(message(report(memory)), "bad_argument: report overlaps the prediction");
  EXPECT_EQ(message(report(more)), "bad_argument: report overlaps the gradient");
  EXPECT_EQ(message(nullptr), "bad_argument: report is missing");
  std::vector<double> own(64);
  EXPECT_EQ(message(reinterpret_cast<LossReport*>(reinterpret_cast<std::byte*>(own.data()) + 4)),
            "bad_argument: report begins at no multiple of 8 bytes");
  EXPECT_EQ(more, std::vector<double>(more.size(), 0.5)) << "nothing is written";
  EXPECT_EQ(message(report(own)), "no error");
}

INSTANTIATE_TEST_SUITE_P(All, LossRefusals, ::testing::ValuesIn(refusals()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace fuselage
