// The numbers in generated inputs: ordinary ones, in fixed places the ones that formulas stumble over, and the regimes.
#pragma once

#include <cstdint>
#include <vector>

#include "fuselage/core/rng.h"
#include "fuselage/loss/row.h"
#include "fuselage/validate.h"
#include "host/validate/problem.h"

namespace fuselage::validate {

/// What a loss looks at, from its definition.
struct InputTraits {
  Domain prediction = Domain::logit, second = Domain::real, target = Domain::probability;
  int inputs = 1;
  bool elementwise = false;
  RowTarget row_target = RowTarget::classes;
  bool row_second = false;  ///< the second input is a constant of each row
  bool of_logits = false;   ///< a row loss on a softmax of its rows
  bool decides = false;     ///< accuracy can be measured
  bool of_classes() const { return row_target == RowTarget::classes || row_target == RowTarget::labels; }
};
InputTraits input_traits(const AnyLoss& loss);

/// Uniform numbers for one problem; each array has its stream.
class Noise {
 public:
  Noise(std::uint64_t seed, std::uint32_t problem) : seed_(seed), problem_(problem) {}
  double at(std::uint32_t array, std::int64_t i) const {
    return uniform_double(
        random_word64(seed_, static_cast<std::uint64_t>(i), stream_of(RandomUse::synthetic, array), problem_));
  }
  /// An array of make(u, i), rounded to `type`.
  template <class F>
  Array array(std::uint32_t stream, DType type, std::vector<std::int64_t> shape, F&& make) const {
    Array exact(DType::f64, std::move(shape));
    const auto elements = exact.as<double>();
    for (std::int64_t i = 0; i < exact.size(); ++i) elements[static_cast<std::size_t>(i)] = make(at(stream, i), i);
    return converted(exact, type);
  }

 private:
  std::uint64_t seed_;
  std::uint32_t problem_;
};

enum Stream : std::uint32_t { kPrediction, kTarget, kWeight, kMask, kClassWeight, kUpstream, kLabel, kSecond, kThird };

struct Shape {
  std::int64_t rows, cols;
};

/// Whether a regime says anything about a loss.
bool concerns(Regime regime, const InputTraits& traits);

/// Sets predictions and targets of a problem whose loss is set; `dense` for coefficients of the classes in place of
/// labels.
void add_data(LossProblem& problem, const Noise& noise, DType type, Shape shape, Regime regime, bool dense);

/// Spoils the third target, and every tenth from there: outside the classes or the loss's domain, or NaN.
void add_bad_labels(LossProblem& problem);

}  // namespace fuselage::validate
