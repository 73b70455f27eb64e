// What the cases of one loss with one storage type differ in.
#pragma once

#include <vector>

#include "host/validate/numbers.h"
#include "tests/cases/image.h"

namespace fuselage::cases {

struct Shape {
  std::int64_t rows, cols;
};
std::string text_of(Shape shape);

/// The factors, in the order in which Levels has them.
enum LossFactor : std::size_t {
  kShape,
  kSetting,
  kTarget,
  kReduction,
  kWeight,
  kMask,
  kClassWeight,
  kUpstream,
  kScale,
  kPolicy,
  kGradient,
  kValues,
  kMetrics,
  kSpecial,
  kDivisor,
  kLengths,
  kPredictionLayout,
  kSecondLayout,
  kTargetLayout,
  kWeightLayout,
  kMaskLayout,
  kClassWeightLayout,
  kUpstreamLayout,
  kGradientLayout,
  kValuesLayout,
  kBlocks,
  kThreads,
  kShared,
  kSums,
};

enum class Given { none, row, element };  ///< weights and masks
enum class Upstream { none, one, each };  ///< of the whole pass, or of each output
enum class Gradient { out_of_place, none, in_place };
enum class Metrics { none, accuracy, more, all };  ///< more: top 3 of rows, errors of elements
enum class Special { none, not_finite, extreme, bad_targets, bad_weights };
enum class Lengths { none, i32, i64 };  ///< of two sequences, or of one

/// The levels as values.
struct LossPlan {
  DType dtype = DType::f32;
  validate::InputTraits traits;
  bool row = false;      ///< outputs are rows
  bool classes = false;  ///< rows are classified
  bool softmax = false;  ///< softmax_cross_entropy, which measures more
  int gradients = 1;     ///< of how many inputs
  std::vector<AnyLoss> settings;
  std::vector<Shape> shapes;
  std::vector<DType> targets;
  std::vector<Given> given;
  std::vector<Upstream> upstream;
  std::vector<bool> class_weight;
  std::vector<Reduction> reductions;
  std::vector<Lengths> lengths;
  std::vector<Layout> matrix, second_matrix, target_matrix, output, vector;

  /// `plain`: what has fast paths of its own, which a mixture of all layouts would seldom meet.
  LossPlan(const AnyLoss& entry, DType type, Size size, bool plain);

  Space space() const;
  /// What losses with the same drivers and kernels have in common, but for the storage type.
  std::string kind() const;
  template <class T>
  static T level(const std::vector<T>& values, const Levels& levels, LossFactor factor) {
    return values[static_cast<std::size_t>(levels[factor])];
  }
};

/// The inputs of a case, a function of its words.
struct LossInputs {
  AnyLoss loss;
  LossBatch options;  ///< without its views
  bool in_place = false;
  int gradients = 1;
  Image prediction, second, third, target, weight, mask, lengths, class_weight, upstream;
  Image gradient, second_gradient, third_gradient, values, confusion, calibration;
};
LossInputs make_inputs(const LossPlan& plan, const Levels& levels, const std::string& words);

}  // namespace fuselage::cases
