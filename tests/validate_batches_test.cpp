// Losses over pairs of rows and penalties on groups as `fuselage validate` judges them: they pass, and faults that are
// planted in a backend do not.
#include <gtest/gtest.h>

#include "host/reference/pairs.h"
#include "host/validate/batch_problem.h"
#include "host/validate/sweep.h"
#include "tests/support/files.h"
#include "tests/support/wrapped_backend.h"

namespace fuselage::validate {
namespace {

/// A backend that is right but for what a test does to what it gives.
class Bent : public test::WrappedBackend {
 public:
  std::function<void(const TripletBatch&, LossReport&)> after_triplets;
  std::function<void(const GroupBatch&, LossReport&)> after_penalty;
  std::function<void(const PairStep&)> after_pair_step;

  void pair_step(const PairStep& step) override {
    WrappedBackend::pair_step(step);
    if (after_pair_step) after_pair_step(step);
  }

 protected:
  void run_batch_triplet(const BatchTriplet& spec, const TripletBatch& batch, LossReport* report) override {
    WrappedBackend::run_batch_triplet(spec, batch, report);
    if (after_triplets) after_triplets(batch, *report);
  }
  void run_penalty(const AnyPenalty& penalty, const GroupBatch& batch, LossReport* report) override {
    WrappedBackend::run_penalty(penalty, batch, report);
    if (after_penalty) after_penalty(batch, *report);
  }
};

Solver right() { return solver_of("right", std::shared_ptr<Backend>(make_cpu_backend({1, cpu_targets().back()}))); }

template <class F>
Solver bent(F&& bend) {
  auto backend = std::make_shared<Bent>();
  bend(*backend);
  return solver_of("bent", backend);
}

void scale_first(const View& gradient, float by) {
  if (gradient.size() > 0 && gradient.dtype == DType::f32) *static_cast<float*>(gradient.data) *= by;
}

TEST(ValidateBatches, AllPassByTheirNames) {
  ValidateOptions options{.device = "cpu", .quick = true};
  for (const std::string_view name : PairLosses::names) options.names.emplace_back(name);
  for (const std::string_view name : Penalties::names) options.names.emplace_back(name);
  const ValidationReport report = run_validation(options);
  EXPECT_EQ(report.rows.size(), 3u * 2 + 3u * 4 + 2);  // the values of rows are fp32
  for (const ValidationRow& row : report.rows) {
    EXPECT_TRUE(row.passed()) << row.name << " " << name_of(row.dtype) << "\n  value " << row.value_ulp << " "
                              << row.worst_value << "\n  gradient " << row.gradient_ulp << " " << row.worst_gradient
                              << "\n  " << row.mismatch << "\n  " << row.disagreement;
    EXPECT_GE(row.cases, 12) << row.name;
    EXPECT_EQ(row.same_bits, row.name != "info_nce");
    EXPECT_GT(row.gradient_ulp, 0) << row.name << ": something is compared";
  }
}

TEST(ValidateBatches, TheReferenceHasEveryPairLoss) {
  EXPECT_EQ(std::vector<std::string>(PairLosses::names.begin(), PairLosses::names.end()), reference::pair_loss_names());
}

TEST(ValidateBatches, FaultsOfTripletsAreSeen) {
  const auto row = [](auto&& fault) {
    return check_pairs(BatchTriplet{}, DType::f32, {bent([&](Bent& b) { b.after_triplets = fault; })}, true, 0);
  };
  EXPECT_TRUE(row([](const TripletBatch&, LossReport&) {}).passed());
  EXPECT_FALSE(row([](const TripletBatch& b, LossReport&) { scale_first(b.gradient, 1.00001f); }).passed());
  EXPECT_FALSE(row([](const TripletBatch&, LossReport& r) { r.value *= 1.00001; }).passed());
  EXPECT_FALSE(row([](const TripletBatch&, LossReport& r) { ++r.count; }).mismatch.empty());
  EXPECT_FALSE(row([](const TripletBatch&, LossReport& r) { --r.correct; }).mismatch.empty());
}

TEST(ValidateBatches, FaultsOfInfoNceAreSeen) {
  const auto row = [](auto&& fault) {
    return check_pairs(InfoNce{}, DType::f32, {right(), bent([&](Bent& b) { b.after_pair_step = fault; })}, true, 0);
  };
  EXPECT_TRUE(row([](const PairStep&) {}).passed()) << "the second is judged, too";
  EXPECT_FALSE(row([](const PairStep& step) {
                 if (const auto* end = std::get_if<EndPairs>(&step)) end->report->value *= 1.0001;
               }).passed());
  EXPECT_FALSE(row([](const PairStep& step) {
                 if (const auto* end = std::get_if<EndPairs>(&step)) ++end->report->nonfinite;
               }).passed());
}

TEST(ValidateBatches, FaultsOfPenaltiesAreSeen) {
  for (const AnyPenalty& penalty : {AnyPenalty(penalty::EqualizedOdds{}), AnyPenalty(penalty::GroupDro{})}) {
    const auto row = [&](auto&& fault) {
      return check_penalty(penalty, DType::f32, {right(), bent([&](Bent& b) { b.after_penalty = fault; })}, true, 0);
    };
    EXPECT_TRUE(row([](const GroupBatch&, LossReport&) {}).passed());
    const ValidationRow slope = row([](const GroupBatch& b, LossReport&) { scale_first(b.gradient, 1.0001f); });
    EXPECT_FALSE(slope.agrees());
    EXPECT_GT(slope.gradient_ulp, slope.budget.gradient);
    EXPECT_FALSE(row([](const GroupBatch&, LossReport& r) { r.value *= 1.0001; }).passed());
    EXPECT_FALSE(row([](const GroupBatch&, LossReport& r) { ++r.nonfinite; }).mismatch.empty());
    if (!std::holds_alternative<penalty::GroupDro>(penalty)) continue;
    const ValidationRow moved = row([](const GroupBatch& b, LossReport&) {
      if (b.q) b.q[0] *= 1.00001;
    });
    EXPECT_FALSE(moved.agrees());
    EXPECT_GT(moved.value_ulp, moved.budget.value);
  }
  EXPECT_EQ(check_penalty(penalty::GroupDro{}, DType::bf16, {right()}, true, 0).cases, 0);
}

TEST(ValidateBatches, UnknownNamesAreRefused) {
  test::expect_error(Errc::unknown_name, {"'info_nse'", "did you mean 'info_nce'"},
                     [] { run_validation({.device = "cpu", .names = {"info_nse"}}); });
}

}  // namespace
}  // namespace fuselage::validate
