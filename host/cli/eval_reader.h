// What `fuselage eval` is given: its options, and the user's files as a problem.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fuselage/losses.h"
#include "host/validate/problem.h"

namespace fuselage::cli {

struct EvalOptions {
  std::string loss, compat, reduction, dtype, device = "auto", values_out;
  std::vector<std::string> inputs, grad_out;
  std::map<std::string, std::string> short_inputs;  // by name; empty: not given
  std::optional<double> divisor;
  std::optional<std::int64_t> class_axis;
  int threads = 0;
  std::int64_t bins = 15;
  bool scores = false, class_sums = false, json = false;
};

/// Reads the files of a loss. Those of rows may have any number of dimensions: one of them, the class axis, is the row;
/// the others, in order, are the rows.
class EvalReader {
 public:
  /// Finds the loss and its files; reads none of them. Borrows the options.
  EvalReader(const EvalOptions& options, DType type);

  validate::LossProblem read();
  const LossTraits& traits() const { return traits_; }
  /// Where the gradients go, by the names of the inputs that the loss has a derivative by.
  std::map<std::string, std::string> gradient_files() const;
  /// A gradient of the problem, in the shape of pred's file.
  Array as_pred(const Array& gradient) const;
  /// The shape of pred's file without the class axis; all of it where outputs are elements.
  std::vector<std::int64_t> output_shape() const;

 private:
  using Shape = std::vector<std::int64_t>;

  std::map<std::string, std::string> pred_by_name(std::map<std::string, std::string> files) const;
  Array load(const std::string& name) const;
  bool has(const std::string& name) const { return files_.contains(name); }
  DType side_type() const { return reference_ ? DType::f64 : DType::f32; }
  [[noreturn]] void wrong_shape(const std::string& name, const Array& a, const std::string& expected) const;

  void find_class_axis();
  /// An array of pred's shape as [rows, cols].
  Array as_rows(const Array& a) const;
  void read_prediction();
  std::optional<Array> read_further(std::string_view name, bool of_rows) const;
  Array in_form_of_peer(Array target) const;
  void read_target();
  void check_side_shape(const std::string& name, const Array& a, const Shape& only) const;
  std::optional<Array> read_weights(const std::string& name, const Shape& only) const;
  std::optional<Array> read_mask() const;
  std::optional<Array> read_lengths() const;
  void read_upstream();

  const EvalOptions& options_;
  DType type_;
  bool reference_, row_ = false;
  bool adds_last_axis_ = false;  // a peer's loss of elements that it adds over the last axis: the others are the rows
  LossTraits traits_;
  validate::LossProblem problem_;
  std::map<std::string, std::string> files_;
  Shape shape_;           // pred's, as in its file
  Shape rows_;            // of losses of rows, or that add over the last axis: the same without this or the class axis
  std::size_t axis_ = 0;  // the class axis
  TargetForm form_ = TargetForm::as_given;
};

}  // namespace fuselage::cli
