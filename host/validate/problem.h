// A loss pass or a few optimizer steps as plain host data, and what became of them: the currency between the inputs
// (generated or read from files), whoever solves them (a backend, the reference) and whoever compares.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fuselage/array.h"
#include "fuselage/backend.h"
#include "fuselage/optimizer.h"
#include "fuselage/validate.h"
#include "host/reference/definition.h"
#include "host/reference/reference.h"

namespace fuselage::validate {

/// Everything that LossBatch borrows, owned. Shapes and meanings as there.
struct LossProblem {
  std::string text;  ///< names it in messages
  Regime regime = Regime::ordinary;
  AnyLoss loss;
  Array prediction;  ///< [rows, cols], fp32, bf16 or fp16; fp64 for the reference alone
  Array target;      ///< [rows, cols] or [rows] fp32 (fp64 for the reference), or [rows] labels; or empty
  std::optional<Array> second, third;  ///< as prediction, or [rows] fp32 (a constant of each row)
  std::optional<Array> weight, mask, class_weight, upstream;
  std::optional<Array> lengths;  ///< [sequences] i32 or i64
  Reduction reduction = Reduction::mean;
  BadLabels bad_labels = BadLabels::ignore;
  float scale = 1;
  double divisor = 0;
  MetricRequest metrics;        ///< without its views
  bool confusion = false;       ///< confusion counts are asked for
  std::int64_t bins = 0;        ///< of the calibration
  std::int64_t row_gap = 0;     ///< unused elements after each row of predictions and gradients on the device
  bool in_place = false;        ///< gradients take the memory of what they are by
  bool without_values = false;  ///< only the report and the gradient

  std::int64_t rows() const { return prediction.rows(); }
  std::int64_t cols() const { return prediction.row_size(); }
  bool is_row() const;
  /// Outputs: elements of a pointwise loss, rows of a row loss.
  std::int64_t outputs() const { return is_row() ? rows() : rows() * cols(); }
};

struct LossSolution {
  LossReport report;
  Array gradient;                         ///< prediction's type and shape
  Array second_gradient, third_gradient;  ///< likewise; empty where there is none
  Array values;                           ///< fp32, one for each output
  std::vector<std::int64_t> confusion;    ///< [cols, cols], or empty
  std::vector<std::int64_t> calibration;  ///< [bins, 3]
  bool gap_kept = true;                   ///< what stands between the rows was not touched
};

/// Runs the problem on a backend and waits for it.
LossSolution solve(Backend& backend, const LossProblem& problem);

/// The same question to the reference; `scale` enters through its upstream gradient.
reference::LossInput reference_input(const LossProblem& problem);
reference::Definition definition_of(const LossProblem& problem);
reference::LossOutput solve_by_reference(const LossProblem& problem);

/// One update for each entry of `gradients`, in order.
struct StepProblem {
  std::string text;
  OptimizerSpec optimizer;
  ScheduleSpec schedule;
  std::int64_t steps_before = 0;              ///< updates made before
  std::vector<Array> parameters;              ///< of one type
  std::vector<std::vector<Array>> state;      ///< [slot][tensor] fp32; empty: zeros
  GroupState group;                           ///< before the first step
  std::vector<double> kept;                   ///< [tensor], where the rule keeps a number; empty: zeros
  std::vector<std::vector<Array>> gradients;  ///< [step][tensor], the parameters' type
  bool skip_non_finite = false;               ///< a step whose gradient holds NaN or infinity changes nothing
};

/// What stands after a step.
struct StepSolution {
  std::vector<Array> parameters;
  std::vector<std::vector<Array>> state;  ///< [slot][tensor]; zeros where the rule does not use it
  StepState counters;
  GroupState group;
  std::vector<double> kept;
};

std::vector<StepSolution> solve(Backend& backend, const StepProblem& problem);

/// Whoever solves problems.
struct Solver {
  std::string name;
  std::function<LossSolution(const LossProblem&)> loss;
  std::function<std::vector<StepSolution>(const StepProblem&)> steps;
  std::shared_ptr<Backend> backend;  ///< of pairs and groups of rows
};

/// The fields of an entry as the reference takes them, those of a list as "at.0", "at.1" ... `without` is left out (the
/// learning rate of an optimizer).
reference::Options reference_options(const detail::Entry& entry, const void* value, std::string_view without = {});
template <class T>  // a definition, or a variant of a list
reference::Options reference_options(const T& value, std::string_view without = {}) {
  return reference_options(detail::entry_for(value), detail::held_by(value), without);
}

/// The options of an optimizer as the reference takes them: those of the rule but lr, and those of every update.
reference::Options reference_options(const OptimizerSpec& optimizer);

/// What the reference makes of a schedule at a step counted from 0; its plateau, if it has one, stands at `plateau`.
double reference_factor(const ScheduleSpec& schedule, std::int64_t step, const schedule::PlateauState& plateau);

/// The elements of any array as double, exactly (i64 beyond 2^53 is rounded).
std::vector<double> to_doubles(const Array& array);
/// Elements as `type`: each is rounded to float, then to a narrower type. To an integer type: only from integers.
Array converted(const Array& array, DType type);

}  // namespace fuselage::validate
