// What `fuselage eval` says beside the loss: scores of decisions, and sums of losses by class.
#pragma once

#include "host/cli/json_output.h"
#include "host/validate/problem.h"

namespace fuselage::cli {

/// The most classes that are told apart.
inline constexpr std::int64_t kMostScoredClasses = 4096;
static_assert(kMostScoredClasses <= kMostGroups && kMostScoredClasses <= reference::kMostConfused);

/// Asks a problem for what scores need; `bins` of the calibration where the loss has probabilities. Throws
/// Error(bad_argument) where the loss decides nothing.
void ask_scores(validate::LossProblem& problem, std::int64_t bins);
/// Accuracy; of each class its rows and predictions, precision, recall and F1, and their means; the expected
/// calibration error. Of a binary loss class 0 is no and class 1 is yes.
void add_scores(const validate::LossProblem& problem, const validate::LossSolution& solution, Json (*number)(double),
                Json& to);

/// Of each class of the labels, over the rows that count: their number, their weight, their mean loss. Null backend: in
/// double, by the reference. Throws Error(bad_argument) where the targets are no labels of classes.
void add_class_sums(Backend* backend, const validate::LossProblem& problem, const validate::LossSolution& solution,
                    Json (*number)(double), Json& to);

}  // namespace fuselage::cli
