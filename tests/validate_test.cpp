// The validation passes on this machine, and does not pass over faults: each planted fault is flagged by the very code
// that judges the backends.
#include "fuselage/validate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <set>

#include "host/validate/compare.h"
#include "host/validate/derivative.h"
#include "host/validate/inputs.h"
#include "host/validate/peer_errors.h"
#include "host/validate/sweep.h"

namespace fuselage::validate {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity(), kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(Validate, QuickSweepPasses) {
  const ValidationReport report = run_validation({.device = "cpu", .quick = true});
  EXPECT_EQ(report.backends.size(), 2 * cpu_targets().size());
  EXPECT_EQ(report.rows.size(), 3 * (Losses::size + PairLosses::size + Optimizers::size) + 3 * 4 + 2) << "penalties";
  std::ptrdiff_t compared = 0;
  for (const ValidationRow& row : report.rows) {
    EXPECT_TRUE(row.passed()) << row.name << " " << name_of(row.dtype) << "\n  value " << row.value_ulp << " "
                              << row.worst_value << "\n  gradient " << row.gradient_ulp << " " << row.worst_gradient
                              << "\n  " << row.mismatch << "\n  " << row.disagreement;
    EXPECT_TRUE(row.is_no_worse_than_torch()) << row.name << " " << name_of(row.dtype);
    EXPECT_GT(row.cases, 10) << row.name;
    EXPECT_LE(row.budget.value, 16);
    EXPECT_LE(row.budget.gradient, 32);
    if (row.budget.value > 4 || row.budget.gradient > 4) {
      EXPECT_FALSE(row.budget.reason.empty()) << row.name;
    }
    for (const RegimeErrors& e : row.regimes) {
      compared += e.torch_value_ulp >= 0;
      EXPECT_EQ(e.torch_reason.empty(), e.torch_allowance == RegimeErrors::kTorchAllowance) << row.name;
    }
  }
  const auto of_quick = [](const PeerErrors& peer) { return peer.quick; };
  EXPECT_EQ(compared, std::count_if(std::begin(kTorchErrors), std::end(kTorchErrors), of_quick))
      << "what is stored of PyTorch and nobody looks at";
}

TEST(Validate, AnUnknownDeviceIsRefused) { EXPECT_THROW(run_validation({.device = "abacus", .quick = true}), Error); }

TEST(Validate, InputsAreAFunctionOfTheSeed) {
  std::vector<Array> first, again, other;
  const auto collect = [](std::vector<Array>& to) { return [&](const LossProblem& p) { to.push_back(p.prediction); }; };
  for_each_problem(AnyLoss(loss::Huber{}), DType::f32, true, 1, collect(first));
  for_each_problem(AnyLoss(loss::Huber{}), DType::f32, true, 1, collect(again));
  for_each_problem(AnyLoss(loss::Huber{}), DType::f32, true, 2, collect(other));
  EXPECT_EQ(first, again);
  EXPECT_NE(first, other);
}

// ---- the measure ----------------------------------------------------------------------------------------------------

TEST(Measure, UlpOfEachType) {
  EXPECT_EQ(ulp_at(DType::f32, 1), 0x1p-23);
  EXPECT_EQ(ulp_at(DType::f32, -1.99), 0x1p-23);
  EXPECT_EQ(ulp_at(DType::f32, 2), 0x1p-22);
  EXPECT_EQ(ulp_at(DType::f32, 0), 0x1p-149);
  EXPECT_EQ(ulp_at(DType::f32, 1e-44), 0x1p-149);
  EXPECT_EQ(ulp_at(DType::bf16, 1), 0x1p-7);
  EXPECT_EQ(ulp_at(DType::f16, 1), 0x1p-10);
  EXPECT_EQ(ulp_at(DType::f16, 1e-6), 0x1p-24);
}

TEST(Measure, ErrorsAreTakenAtTheLargerOfResultAndTerm) {
  EXPECT_EQ(error_in_ulp(DType::f32, 1 + 0x1p-23, 1), 1);
  EXPECT_EQ(error_in_ulp(DType::f32, 1 + 0x1p-23, 1, 8), 0.125);
  EXPECT_EQ(error_in_ulp(DType::f32, 1 + 0x1p-23, 1, 0.1), 1);
  EXPECT_EQ(error_in_ulp(DType::f32, -1, 1), 0x1p24);
}

TEST(Measure, NotFinite) {
  EXPECT_EQ(error_in_ulp(DType::f32, kNaN, kNaN), 0);
  EXPECT_EQ(error_in_ulp(DType::f32, kNaN, 1), kInf);
  EXPECT_EQ(error_in_ulp(DType::f32, 1, kNaN), kInf);
  EXPECT_EQ(error_in_ulp(DType::f32, kInf, kInf), 0);
  EXPECT_EQ(error_in_ulp(DType::f32, -kInf, kInf), kInf);
  EXPECT_EQ(error_in_ulp(DType::f32, kInf, 3), kInf);
  EXPECT_EQ(error_in_ulp(DType::f32, 3, kInf), kInf);
  EXPECT_EQ(error_in_ulp(DType::f16, kInf, 70000), 0) << "too large for the type";
  EXPECT_EQ(error_in_ulp(DType::f16, kInf, 60000), kInf);
}

TEST(Measure, WhatIsWorseThanPyTorch) {
  RegimeErrors errors;
  EXPECT_FALSE(errors.is_worse(1e9, -1)) << "nothing is stored";
  EXPECT_FALSE(errors.is_worse(0.5, 0)) << "correctly rounded";
  EXPECT_TRUE(errors.is_worse(0.51, 0));
  EXPECT_FALSE(errors.is_worse(2.5, 2));
  EXPECT_TRUE(errors.is_worse(2.52, 2));
  EXPECT_TRUE(errors.is_worse(kNaN, 2));
  EXPECT_TRUE(errors.is_worse(kInf, 2));
  EXPECT_FALSE(errors.is_worse(kInf, kInf));
  errors.torch_allowance = 1;
  EXPECT_FALSE(errors.is_worse(2.52, 2));
  EXPECT_TRUE(errors.is_worse(3.02, 2));
}

// ---- planted faults -------------------------------------------------------------------------------------------------

/// A backend that is right, and one with a fault in what it is given or in what it gives.
class Faults : public testing::Test {
 protected:
  using Bend = std::function<void(LossProblem&)>;
  using Spoil = std::function<void(const LossProblem&, LossSolution&)>;
  using BendSteps = std::function<void(StepProblem&)>;
  using SpoilSteps = std::function<void(std::vector<StepSolution>&)>;

  Solver right_ = solver_of("right", std::shared_ptr<Backend>(make_cpu_backend({1, cpu_targets().back()})));

  Solver wrong(Bend bend, Spoil spoil = {}) const {
    Solver solver = right_;
    solver.name = "wrong";
    solver.loss = [right = right_, bend, spoil](LossProblem p) {
      if (bend) bend(p);
      LossSolution s = right.loss(p);
      if (spoil) spoil(p, s);
      return s;
    };
    return solver;
  }
  Solver wrong_steps(BendSteps bend, SpoilSteps spoil = {}) const {
    Solver solver = right_;
    solver.name = "wrong";
    solver.steps = [right = right_, bend, spoil](StepProblem p) {
      if (bend) bend(p);
      auto s = right.steps(p);
      if (spoil) spoil(s);
      return s;
    };
    return solver;
  }
  static ValidationRow judge(const Solver& solver, const AnyLoss& loss = loss::Huber{}) {
    return check_loss(loss, DType::f32, {solver}, true, 0);
  }
  static ValidationRow judge_steps(const Solver& solver, const AnyOptimizer& rule = optim::Adam{}) {
    return check_optimizer(rule, DType::f32, {solver}, true, 0);
  }
};

TEST_F(Faults, WithoutOneEverythingPasses) {
  EXPECT_TRUE(judge(right_).passed());
  EXPECT_TRUE(judge(right_, loss::SoftmaxCrossEntropy{}).passed());
  EXPECT_TRUE(judge_steps(right_).passed());
}

TEST_F(Faults, ASignErrorInTheGradient) {
  const ValidationRow row = judge(wrong({}, [](const LossProblem&, LossSolution& s) {
    for (float& g : s.gradient.as<float>()) g = -g;
  }));
  EXPECT_GT(row.gradient_ulp, 1e6);
  EXPECT_LE(row.value_ulp, row.budget.value) << "the value is right";
  EXPECT_FALSE(row.passed());
}

TEST_F(Faults, ABf16GradientThatIsCutOffInsteadOfRounded) {
  const auto judge_bf16 = [](const Solver& solver) {
    return check_loss(loss::LogCosh{}, DType::bf16, {solver}, true, 0);
  };
  EXPECT_TRUE(judge_bf16(right_).passed());
  const ValidationRow row = judge_bf16(wrong({}, [right = right_](LossProblem p, LossSolution& s) {
    p.prediction = converted(p.prediction, DType::f32);
    const Array exact = right.loss(p).gradient;
    const auto e = exact.as<float>();
    const auto g = s.gradient.as<bf16>();
    for (std::size_t i = 0; i < g.size(); ++i)
      if (std::isfinite(e[i])) g[i].bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(e[i]) >> 16);
  }));
  EXPECT_LE(row.gradient_ulp, 1) << "never more than one off";
  EXPECT_LT(row.rounded_share, 0.9);
  EXPECT_FALSE(row.passed());
}

TEST_F(Faults, ResultsWithinTheBudgetThatPyTorchHasBetter) {
  const auto away = [](float x) { return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) + 1u); };
  const ValidationRow of_gradient = judge(wrong({}, [&](const LossProblem& p, LossSolution& s) {
    if (p.regime != Regime::confident) return;
    for (float& g : s.gradient.as<float>()) g = g == 0 ? g : away(g);
  }));
  const auto confident = static_cast<std::size_t>(Regime::confident);
  EXPECT_LE(of_gradient.gradient_ulp, of_gradient.budget.gradient);
  EXPECT_TRUE(of_gradient.regimes[confident].is_gradient_worse());
  EXPECT_FALSE(of_gradient.regimes[confident].is_value_worse());
  EXPECT_FALSE(of_gradient.is_no_worse_than_torch());
  EXPECT_FALSE(of_gradient.passed());

  const ValidationRow of_value = judge(wrong({}, [&](const LossProblem& p, LossSolution& s) {
    if (p.regime != Regime::confident || s.values.empty()) return;
    for (float& v : s.values.as<float>()) v = away(away(v));
  }));
  EXPECT_LE(of_value.value_ulp, of_value.budget.value);
  EXPECT_TRUE(of_value.regimes[confident].is_value_worse());
  EXPECT_FALSE(of_value.passed());
}

TEST_F(Faults, InputsThatPyTorchWasNotAskedWith) {
  const LossProblem* first = nullptr;
  LossProblem copy;
  for_each_problem(AnyLoss(loss::Huber{}), DType::f32, true, 0, [&](const LossProblem& p) {
    if (first == nullptr && p.rows() > 0) copy = p, first = &copy;
  });
  const std::uint64_t before = digest(7, copy);
  EXPECT_NE(before, digest(8, copy));
  copy.prediction.as<float>()[0] += 1;
  EXPECT_NE(before, digest(7, copy));
  const ValidationRow other_seed = check_loss(AnyLoss(loss::Huber{}), DType::f32, {right_}, true, 1);
  EXPECT_TRUE(other_seed.passed());
  for (const RegimeErrors& e : other_seed.regimes) EXPECT_LT(e.torch_value_ulp, 0) << "of other inputs";
}

TEST_F(Faults, ALastElementBeyondAChunkThatIsForgotten) {
  const ValidationRow row = judge(wrong({}, [](const LossProblem&, LossSolution& s) {
    const auto g = s.gradient.as<float>();
    if (g.size() % 4096 == 1 && g.size() > 1) g.back() = 0;
  }));
  EXPECT_GT(row.gradient_ulp, 1e6);
  EXPECT_NE(row.worst_gradient.find("element 4096"), std::string::npos) << row.worst_gradient;
}

TEST_F(Faults, AWrongDivisor) {
  const ValidationRow row = judge(wrong([](LossProblem& p) {
    if (p.reduction == Reduction::mean && p.weight) p.reduction = Reduction::mean_over_batch;
  }));
  EXPECT_GT(row.value_ulp, 1e3);
  EXPECT_FALSE(row.passed());
}

TEST_F(Faults, AGradientThatIsDividedByTheWrongSum) {
  const ValidationRow row = judge(wrong({}, [](const LossProblem& p, LossSolution& s) {
    if (p.reduction != Reduction::mean || !p.weight) return;
    for (float& g : s.gradient.as<float>()) g *= 1.00001f;
  }));
  EXPECT_GT(row.gradient_ulp, 50);
}

TEST_F(Faults, ARowWeightThatIsLost) {
  EXPECT_FALSE(judge(wrong([](LossProblem& p) { p.weight.reset(); })).passed());
  EXPECT_FALSE(judge(wrong([](LossProblem& p) { p.class_weight.reset(); }), loss::SoftmaxCrossEntropy{}).passed());
  EXPECT_FALSE(judge(wrong([](LossProblem& p) { p.mask.reset(); })).passed());
  EXPECT_FALSE(judge(wrong([](LossProblem& p) { p.scale = 1; })).passed());
}

TEST_F(Faults, ACountThatIsOneOff) {
  const ValidationRow row = judge(wrong({}, [](const LossProblem&, LossSolution& s) { s.report.count += 1; }));
  EXPECT_NE(row.mismatch.find("count"), std::string::npos) << row.mismatch;
  EXPECT_FALSE(row.passed());
}

TEST_F(Faults, AGapThatIsWrittenTo) {
  EXPECT_FALSE(judge(wrong({}, [](const LossProblem& p, LossSolution& s) { s.gap_kept = p.row_gap == 0; })).passed());
}

TEST_F(Faults, ASmoothingThatIsForgotten) {
  const auto forget = [](LossProblem& p) { std::get<loss::SoftmaxCrossEntropy>(p.loss).label_smoothing = 0; };
  EXPECT_FALSE(judge(wrong(forget), loss::SoftmaxCrossEntropy{}).passed());
}

TEST_F(Faults, OneBitBetweenTwoBackends) {
  const auto flip = [](const LossProblem&, LossSolution& s) {
    if (s.gradient.empty()) return;
    float& g = s.gradient.as<float>()[0];
    g = std::bit_cast<float>(std::bit_cast<std::uint32_t>(g) ^ 1u);
  };
  const ValidationRow row = check_loss(AnyLoss(loss::Mse{}), DType::f32, {right_, wrong({}, flip)}, true, 0);
  EXPECT_FALSE(row.agrees());
  EXPECT_NE(row.disagreement.find("right and wrong differ in gradient"), std::string::npos) << row.disagreement;
  EXPECT_LE(row.gradient_ulp, row.budget.gradient) << "a bit is within the budget, and a difference all the same";
  EXPECT_FALSE(row.passed());
}

TEST_F(Faults, AnInPlaceGradientThatDiffers) {
  const auto spoil = [](const LossProblem& p, LossSolution& s) {
    if (p.in_place && !s.gradient.empty()) s.gradient.as<float>()[0] += 1;
  };
  EXPECT_NE(judge(wrong({}, spoil)).disagreement.find("in place"), std::string::npos);
}

TEST_F(Faults, AnOptimizerThatClimbs) {
  const ValidationRow row = judge_steps(wrong_steps([](StepProblem& p) { p.optimizer.options.maximize ^= true; }));
  EXPECT_GT(row.gradient_ulp, 1e3);
}

TEST_F(Faults, ABiasCorrectionOneStepOff) {
  const ValidationRow row = judge_steps(wrong_steps([](StepProblem& p) { p.steps_before += 1; },
                                                    [](std::vector<StepSolution>& s) {
                                                      for (StepSolution& step : s) step.counters.step -= 1;
                                                    }));
  EXPECT_TRUE(row.mismatch.empty());
  EXPECT_GT(row.gradient_ulp, 1e3);
}

TEST_F(Faults, AStateThatIsNotStored) {
  const ValidationRow row = judge_steps(wrong_steps({}, [](std::vector<StepSolution>& s) {
    for (float& v : s.back().state[1].back().as<float>()) v = 0;
  }));
  EXPECT_GT(row.value_ulp, 1e6);
}

TEST_F(Faults, ALearningRateThatIsRounded) {
  const ValidationRow row = judge_steps(wrong_steps({}, [](std::vector<StepSolution>& s) {
    s[0].counters.lr = static_cast<double>(static_cast<float>(s[0].counters.lr));
  }));
  EXPECT_NE(row.mismatch.find("lr"), std::string::npos);
}

// ---- derivatives ----------------------------------------------------------------------------------------------------

TEST(Derivatives, OfEveryLoss) {
  const std::vector<DerivativeCheck> checks = check_derivatives();
  std::set<std::string> seen;
  for (const DerivativeCheck& check : checks) {
    EXPECT_TRUE(check.passed()) << check.loss << ": " << check.first_wrong;
    EXPECT_GT(check.points, 100) << check.loss;
    seen.insert(check.loss.substr(0, check.loss.find(':')));
  }
  EXPECT_EQ(seen.size(), Losses::size);
}

/// (y - t)^2 with a derivative that is multiplied by `factor` and flipped below `flip`.
struct Bent {
  static constexpr std::string_view name = "bent";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  double factor = 1, flip = -1e9;
  template <class S>
  ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t;
    return {d * d, S(factor) * (d + d) * (y < S(flip) ? S(-1) : S(1))};
  }
};

/// |y - t| with a derivative at the kink that is no subgradient.
struct BadKink {
  static constexpr std::string_view name = "bad_kink";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  template <class S>
  ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t;
    return {abs(d), d > S(0) ? S(1) : d < S(0) ? S(-1) : S(2)};
  }
};

TEST(Derivatives, WrongOnesAreFound) {
  EXPECT_TRUE(check_pointwise(Bent{}, "right").passed());
  EXPECT_FALSE(check_pointwise(Bent{.factor = 0.5}, "half").passed());
  EXPECT_FALSE(check_pointwise(Bent{.factor = -1}, "sign").passed());
  EXPECT_FALSE(check_pointwise(Bent{.factor = 1.0001}, "a little").passed());
  EXPECT_FALSE(check_pointwise(Bent{.flip = -9}, "in the tail").passed());
  EXPECT_FALSE(check_pointwise(BadKink{}, "kink").passed());
}

}  // namespace
}  // namespace fuselage::validate
