// Reads the files of `fuselage eval`.
#include "host/cli/eval_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "fuselage/compat.h"
#include "fuselage/core/suggest.h"
#include "fuselage/data.h"
#include "fuselage/episodes.h"
#include "fuselage/fairness.h"
#include "fuselage/pair_losses.h"
#include "host/cli/array_files.h"
#include "host/cli/loss_inputs.h"

namespace fuselage::cli {
namespace {

Reduction parse_reduction(const std::string& text) {
  Reduction reduction{};
  const auto known = names_of(reduction);
  if (!detail::read_value(text, reduction))
    throw Error(Errc::unknown_name, "unknown reduction '" + text + "'" +
                                        suggest(text, std::vector<std::string>(known.begin(), known.end())));
  return reduction;
}

/// `list losses` names more than losses of one batch of predictions.
void refuse_other_lists(const std::string& loss) {
  const std::string name = loss.substr(0, loss.find(':'));
  const auto has = [&](const auto& names) { return std::find(names.begin(), names.end(), name) != names.end(); };
  if (has(PairLosses::names) || has(Penalties::names) || has(EpisodeFunctions::names))
    throw Error(Errc::unknown_name,
                fmt::format("{} has a call of its own in C++ (docs/conventions.md), and eval does not take it", name));
}

std::int64_t product(std::span<const std::int64_t> extents) {
  return std::accumulate(extents.begin(), extents.end(), std::int64_t{1}, std::multiplies<>());
}

/// [outer, a, b] as [outer, b, a].
Array swapped(const Array& array, std::int64_t outer, std::int64_t a, std::int64_t b) {
  Array result = Array::uninitialized(array.dtype(), {outer, b, a});
  const std::size_t element = size_of(array.dtype());
  const std::byte* from = array.data();
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t i = 0; i < a; ++i)
      for (std::int64_t j = 0; j < b; ++j, from += element)
        std::memcpy(result.data() + static_cast<std::size_t>((o * b + j) * a + i) * element, from, element);
  return result;
}

}  // namespace

EvalReader::EvalReader(const EvalOptions& options, DType type)
    : options_(options), type_(type), reference_(options.device == "reference") {
  if (options.compat.empty()) {
    refuse_other_lists(options.loss);
    problem_.loss = Losses::parse(options.loss, "loss");
  } else {
    const Peer peer = parse_peer(options.compat);
    const Convention found = convention(peer, options.loss);
    problem_.loss = found.loss;
    problem_.reduction = found.reduction;
    form_ = found.form;
    // PyTorch's batchmean divides by the first axis, whatever is behind it.
    adds_last_axis_ = found.reduction == Reduction::mean_over_batch && peer != Peer::torch;
  }
  problem_.text = Losses::to_string(problem_.loss);
  if (!options.reduction.empty()) problem_.reduction = parse_reduction(options.reduction);
  if (options.divisor) {
    if (!(*options.divisor > 0) || !std::isfinite(*options.divisor))
      throw Error(Errc::bad_argument, fmt::format("--divisor {}: expected a finite number above 0", *options.divisor));
    if (problem_.reduction == Reduction::sum || problem_.reduction == Reduction::none)
      throw Error(Errc::bad_argument, fmt::format("--divisor {}: the reduction {} divides by nothing", *options.divisor,
                                                  name_of(problem_.reduction)));
    problem_.divisor = *options.divisor;
  }
  traits_ = traits_of(problem_.loss);
  row_ = problem_.is_row();
  if (options.class_axis && !row_)
    throw Error(Errc::bad_argument,
                fmt::format("--class-axis is for losses of rows; {} takes elements as they come", problem_.text));
  const std::vector<LossInputInfo> inputs = loss_inputs(traits_);
  std::vector<std::string> known;
  for (const LossInputInfo& input : inputs) known.emplace_back(input.name);
  if (!inputs[0].means.empty()) known.emplace_back(inputs[0].means);
  files_ = pred_by_name(parse_files(options.inputs, "--input", known));
  for (const auto& [name, path] : options.short_inputs) {
    if (path.empty()) continue;
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw Error(Errc::unknown_name, fmt::format("{} has no input '{}'{}", problem_.text, name, suggest(name, known)));
    if (!files_.emplace(name, path).second) throw Error(Errc::bad_argument, fmt::format("'{}' is given twice", name));
  }
  for (const LossInputInfo& input : inputs)
    if (input.required && !files_.contains(std::string(input.name)))
      throw Error(Errc::bad_argument,
                  fmt::format("{} needs the input '{}': --input {}=FILE.npy", problem_.text, input.name, input.name));
}

validate::LossProblem EvalReader::read() {
  read_prediction();
  problem_.second = read_further(traits_.inputs.second, traits_.row_second);
  problem_.third = read_further(traits_.inputs.third, false);
  if (has("target")) read_target();
  problem_.weight = read_weights("weight", {});
  problem_.mask = read_mask();
  problem_.lengths = read_lengths();
  if (traits_.has_classes()) problem_.class_weight = read_weights("class_weight", {problem_.cols()});
  read_upstream();
  return std::move(problem_);
}

std::map<std::string, std::string> EvalReader::gradient_files() const {
  const std::vector<LossInputInfo> inputs = loss_inputs(traits_);
  std::vector<std::string> names;
  for (const LossInputInfo& input : inputs)
    if (input.gradient) names.emplace_back(input.name);
  if (!inputs[0].means.empty()) names.emplace_back(inputs[0].means);
  return pred_by_name(parse_files(options_.grad_out, "--grad-out", names, "pred"));
}

/// What the loss calls its prediction, such as the mean or x1, is pred.
std::map<std::string, std::string> EvalReader::pred_by_name(std::map<std::string, std::string> files) const {
  auto own = files.extract(std::string(loss_inputs(traits_)[0].means));
  if (own.empty()) return files;
  const std::string name = own.key();
  own.key() = "pred";
  if (!files.insert(std::move(own)).inserted)
    throw Error(Errc::bad_argument, fmt::format("'{}' is pred, which is given twice", name));
  return files;
}

Array EvalReader::load(const std::string& name) const { return read_npy(files_.at(name)); }

void EvalReader::wrong_shape(const std::string& name, const Array& a, const std::string& expected) const {
  throw Error(Errc::bad_shape,
              fmt::format("{} ({}) has shape {} and pred ({}) has {}; expected {}", name, files_.at(name),
                          shape_text(a.shape()), files_.at("pred"), shape_text(shape_), expected));
}

// ---- shapes ---------------------------------------------------------------------------------------------------------

void EvalReader::find_class_axis() {
  const auto rank = static_cast<std::int64_t>(shape_.size());
  if (rank < 2)
    throw Error(Errc::bad_shape, fmt::format("pred ({}) has shape {}; {} needs {}", files_.at("pred"),
                                             shape_text(shape_), problem_.text, loss_inputs(traits_)[0].shape));
  const std::int64_t asked = options_.class_axis.value_or(-1), axis = asked < 0 ? asked + rank : asked;
  if (axis < 0 || axis >= rank)
    throw Error(Errc::bad_argument, fmt::format("--class-axis {}: pred ({}) has shape {}, whose axes are {} to {}",
                                                asked, files_.at("pred"), shape_text(shape_), -rank, rank - 1));
  axis_ = static_cast<std::size_t>(axis);
  rows_ = shape_;
  rows_.erase(rows_.begin() + axis);
}

std::vector<std::int64_t> EvalReader::output_shape() const { return row_ ? rows_ : shape_; }

Array EvalReader::as_rows(const Array& a) const {
  const std::span<const std::int64_t> extents(shape_);
  const std::int64_t rows = product(rows_), cols = extents[axis_];
  const bool last = axis_ + 1 == extents.size();
  Array result = last ? a : swapped(a, product(extents.first(axis_)), cols, product(extents.subspan(axis_ + 1)));
  result.reshape({rows, cols});
  return result;
}

Array EvalReader::as_pred(const Array& gradient) const {
  const std::span<const std::int64_t> extents(shape_);
  const bool moved = row_ && axis_ + 1 < extents.size();
  Array result =
      !moved ? gradient
             : swapped(gradient, product(extents.first(axis_)), product(extents.subspan(axis_ + 1)), extents[axis_]);
  result.reshape(shape_);
  return result;
}

// ---- the inputs -----------------------------------------------------------------------------------------------------

void EvalReader::read_prediction() {
  Array pred = load("pred");
  shape_ = pred.shape();
  if (row_) {
    find_class_axis();
    pred = as_rows(pred);
  } else if (adds_last_axis_ && pred.rank() > 0) {
    rows_.assign(shape_.begin(), shape_.end() - 1);
    pred.reshape({product(rows_), shape_.back()});
  } else if (pred.rank() < 2) {
    pred.reshape({pred.size(), 1});
  } else {
    pred.reshape({pred.rows(), pred.row_size()});
  }
  problem_.prediction = validate::converted(pred, type_);
}

/// What the loss calls `name`: of pred's shape, or a number for each row.
std::optional<Array> EvalReader::read_further(std::string_view name, bool of_rows) const {
  if (name.empty()) return {};
  const std::string input(name);
  Array array = load(input);
  if (!of_rows) {
    if (array.shape() != shape_) wrong_shape(input, array, "pred's shape (nothing is broadcast)");
    if (row_) return validate::converted(as_rows(array), type_);
    array.reshape(problem_.prediction.shape());
    return validate::converted(array, type_);
  }
  if (array.shape() != rows_) wrong_shape(input, array, shape_text(rows_));
  array.reshape({problem_.rows()});
  return validate::converted(array, side_type());
}

/// Of one-hot rows, whatever the class axis, the labels.
Array EvalReader::in_form_of_peer(Array target) const {
  try {
    if (form_ != TargetForm::one_hot) return in_form(std::move(target), form_);
    if (target.shape() != shape_) return target;
    Array labels = in_form(as_rows(target), form_);
    labels.reshape(rows_);
    return labels;
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("target ({}): {}", files_.at("target"), error.what()));
  }
}

void EvalReader::read_target() {
  Array target = in_form_of_peer(load("target"));
  const bool single = row_ && traits_.target == RowTarget::single, label = is_label(target.dtype());
  if (row_ && (single || label) && target.shape() == rows_) {
    target.reshape({problem_.rows()});
    problem_.target = label ? std::move(target) : validate::converted(target, side_type());
    return;
  }
  if (single) wrong_shape("target", target, shape_text(rows_));
  if (traits_.has_classes() && target.shape() != shape_) {
    if (is_real(target.dtype()) && target.shape() == rows_)
      throw Error(Errc::bad_dtype,
                  fmt::format("target ({}) is {} {}: class labels must be integers (in NumPy: target.astype('int64'))",
                              files_.at("target"), name_of(target.dtype()), shape_text(target.shape())));
    const bool dense = traits_.target == RowTarget::classes;
    wrong_shape(
        "target", target,
        fmt::format("integer labels {}{}", shape_text(rows_), dense ? ", or dense targets of pred's shape" : ""));
  }
  if (target.shape() != shape_) wrong_shape("target", target, "pred's shape (nothing is broadcast)");
  if (row_)
    target = as_rows(target);
  else
    target.reshape(problem_.prediction.shape());
  problem_.target = validate::converted(target, side_type());
}

/// [rows], or pred's shape for pointwise losses; or exactly `only`.
void EvalReader::check_side_shape(const std::string& name, const Array& a, const Shape& only) const {
  const Shape of_rows = row_ || adds_last_axis_ ? rows_ : Shape{problem_.rows()};
  if (!only.empty() && a.shape() != only) wrong_shape(name, a, shape_text(only));
  if (!only.empty() || a.shape() == of_rows || (!row_ && a.shape() == shape_)) return;
  wrong_shape(name, a, row_ ? shape_text(of_rows) : fmt::format("{} or pred's shape", shape_text(of_rows)));
}

std::optional<Array> EvalReader::read_weights(const std::string& name, const Shape& only) const {
  if (!has(name)) return {};
  const Array raw = load(name);
  check_side_shape(name, raw, only);
  Array weights = validate::converted(raw, side_type());
  const std::vector<double> values = validate::to_doubles(weights);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!(values[i] >= 0 && std::isfinite(values[i])))
      throw Error(Errc::format, fmt::format("{} ({}): element {} is {}, expected a finite number >= 0", name,
                                            files_.at(name), i, values[i]));
  return weights;
}

std::optional<Array> EvalReader::read_mask() const {
  if (!has("mask")) return {};
  const Array raw = load("mask");
  check_side_shape("mask", raw, {});
  Array mask(DType::u8, raw.shape());
  const std::vector<double> values = validate::to_doubles(raw);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i]))
      throw Error(Errc::format, fmt::format("mask ({}): element {} is NaN, expected 0 or 1", files_.at("mask"), i));
    mask.as<std::uint8_t>()[i] = values[i] != 0;
  }
  return mask;
}

/// Of pred [sequences, steps, ..., classes] the first extent; of [rows, classes] any number that divides the rows.
std::optional<Array> EvalReader::read_lengths() const {
  if (!has("lengths")) return {};
  const Array raw = load("lengths");
  if (!is_label(raw.dtype()))
    throw Error(Errc::bad_dtype, fmt::format("lengths ({}) is {} {}, expected integers", files_.at("lengths"),
                                             name_of(raw.dtype()), shape_text(raw.shape())));
  if (rows_.size() > 1 && raw.shape() != Shape{rows_[0]}) wrong_shape("lengths", raw, shape_text({rows_[0]}));
  const std::int64_t rows = problem_.rows();
  if (raw.rank() != 1 || (raw.size() == 0 ? rows > 0 : rows % raw.size() != 0))
    wrong_shape("lengths", raw, fmt::format("[sequences], a number that divides the {} rows", rows));
  return validate::converted(raw, DType::i64);
}

void EvalReader::read_upstream() {
  if (!has("upstream")) return;
  const Array raw = load("upstream");
  const bool each = problem_.reduction == Reduction::none;
  if (each ? raw.shape() != output_shape() : raw.size() != 1)
    wrong_shape("upstream", raw, each ? shape_text(output_shape()) : "one number, or --reduction none");
  problem_.upstream = validate::converted(raw, side_type());
}

}  // namespace fuselage::cli
