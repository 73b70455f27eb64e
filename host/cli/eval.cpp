// `fuselage eval`: one loss, with its gradient, on the user's arrays.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>
#include <set>

#include "fuselage/compat.h"
#include "fuselage/core/suggest.h"
#include "fuselage/data.h"
#include "fuselage/episodes.h"
#include "fuselage/fairness.h"
#include "fuselage/pair_losses.h"
#include "host/cli/array_files.h"
#include "host/cli/json_output.h"
#include "host/cli/loss_inputs.h"
#include "host/cli/verbs.h"
#include "host/validate/problem.h"

namespace fuselage::cli {
namespace {

using validate::LossProblem;
using validate::LossSolution;

constexpr std::size_t kMostValuesPrinted = 1000;

struct Options {
  std::string loss, compat, reduction, dtype, device = "auto", values_out;
  std::vector<std::string> inputs, grad_out;
  std::map<std::string, std::string> short_inputs;  // by name; empty: not given
  int threads = 0;
  bool json = false;
};

Reduction parse_reduction(const std::string& text) {
  std::vector<std::string> names;
  for (const Reduction r :
       {Reduction::mean, Reduction::sum, Reduction::mean_over_batch, Reduction::none, Reduction::mean_over_outputs}) {
    if (name_of(r) == text) return r;
    names.emplace_back(name_of(r));
  }
  throw Error(Errc::unknown_name, "unknown reduction '" + text + "'" + suggest(text, names));
}

/// `list losses` names more than losses of one batch of predictions.
void refuse_other_lists(const std::string& loss) {
  const std::string name = loss.substr(0, loss.find(':'));
  const auto has = [&](const auto& names) { return std::find(names.begin(), names.end(), name) != names.end(); };
  if (has(PairLosses::names) || has(Penalties::names) || has(EpisodeFunctions::names))
    throw Error(Errc::unknown_name,
                fmt::format("{} has a call of its own in C++ (docs/conventions.md), and eval does not take it", name));
}

/// The user's files as a problem.
class Reader {
 public:
  Reader(const Options& options, DType type) : type_(type), reference_(options.device == "reference") {
    if (options.compat.empty()) {
      refuse_other_lists(options.loss);
      problem_.loss = Losses::parse(options.loss, "loss");
    } else {
      const Convention found = convention(parse_peer(options.compat), options.loss);
      problem_.loss = found.loss;
      problem_.reduction = found.reduction;
    }
    problem_.text = Losses::to_string(problem_.loss);
    if (!options.reduction.empty()) problem_.reduction = parse_reduction(options.reduction);
    traits_ = traits_of(problem_.loss);
    row_ = problem_.is_row();
    const std::vector<LossInputInfo> inputs = loss_inputs(traits_);
    std::vector<std::string> known;
    for (const LossInputInfo& input : inputs) known.emplace_back(input.name);
    if (!inputs[0].means.empty()) known.emplace_back(inputs[0].means);
    files_ = as_pred(parse_files(options.inputs, "--input", known));
    for (const auto& [name, path] : options.short_inputs) {
      if (path.empty()) continue;
      if (std::find(known.begin(), known.end(), name) == known.end())
        throw Error(Errc::unknown_name,
                    fmt::format("{} has no input '{}'{}", problem_.text, name, suggest(name, known)));
      if (!files_.emplace(name, path).second) throw Error(Errc::bad_argument, fmt::format("'{}' is given twice", name));
    }
    for (const LossInputInfo& input : inputs)
      if (input.required && !files_.contains(std::string(input.name)))
        throw Error(Errc::bad_argument,
                    fmt::format("{} needs the input '{}': --input {}=FILE.npy", problem_.text, input.name, input.name));
  }

  LossProblem read() {
    read_prediction();
    problem_.second = read_further(traits_.inputs.second, traits_.row_second);
    problem_.third = read_further(traits_.inputs.third, false);
    if (has("target")) read_target();
    problem_.weight = read_weights("weight", {});
    problem_.mask = read_mask();
    if (traits_.has_classes()) problem_.class_weight = read_weights("class_weight", {problem_.cols()});
    read_upstream();
    return std::move(problem_);
  }
  const std::vector<std::int64_t>& prediction_shape() const { return shape_; }
  const LossTraits& traits() const { return traits_; }
  /// Where the gradients go, by the names of the inputs that the loss has a derivative by.
  std::map<std::string, std::string> gradient_files(const std::vector<std::string>& options) const {
    const std::vector<LossInputInfo> inputs = loss_inputs(traits_);
    std::vector<std::string> names;
    for (const LossInputInfo& input : inputs)
      if (input.gradient) names.emplace_back(input.name);
    if (!inputs[0].means.empty()) names.emplace_back(inputs[0].means);
    return as_pred(parse_files(options, "--grad-out", names, "pred"));
  }

 private:
  /// What the loss calls its prediction, such as the mean or x1, is pred.
  std::map<std::string, std::string> as_pred(std::map<std::string, std::string> files) const {
    auto own = files.extract(std::string(loss_inputs(traits_)[0].means));
    if (own.empty()) return files;
    const std::string name = own.key();
    own.key() = "pred";
    if (!files.insert(std::move(own)).inserted)
      throw Error(Errc::bad_argument, fmt::format("'{}' is pred, which is given twice", name));
    return files;
  }

  Array load(const std::string& name) const { return read_npy(files_.at(name)); }
  bool has(const std::string& name) const { return files_.contains(name); }
  DType side_type() const { return reference_ ? DType::f64 : DType::f32; }
  [[noreturn]] void wrong_shape(const std::string& name, const Array& a, const std::string& expected) const {
    throw Error(Errc::bad_shape,
                fmt::format("{} ({}) has shape {} and pred ({}) has {}; expected {}", name, files_.at(name),
                            shape_text(a.shape()), files_.at("pred"), shape_text(shape_), expected));
  }

  void read_prediction() {
    Array pred = load("pred");
    shape_ = pred.shape();
    if (row_ && pred.rank() != 2)
      throw Error(Errc::bad_shape, fmt::format("pred ({}) has shape {}; {} needs {}", files_.at("pred"),
                                               shape_text(shape_), problem_.text, loss_inputs(traits_)[0].shape));
    if (pred.rank() < 2)
      pred.reshape({pred.size(), 1});
    else
      pred.reshape({pred.rows(), pred.row_size()});
    problem_.prediction = validate::converted(pred, type_);
  }

  /// What the loss calls `name`: of pred's shape, or a number for each row.
  std::optional<Array> read_further(std::string_view name, bool of_rows) const {
    if (name.empty()) return {};
    const std::string input(name);
    Array array = load(input);
    if (!of_rows) {
      if (array.shape() != shape_) wrong_shape(input, array, "pred's shape (nothing is broadcast)");
      array.reshape(problem_.prediction.shape());
      return validate::converted(array, type_);
    }
    if (array.size() != problem_.rows() || array.rows() != problem_.rows())
      wrong_shape(input, array, fmt::format("[{}]", problem_.rows()));
    array.reshape({problem_.rows()});
    return validate::converted(array, side_type());
  }

  void read_target() {
    Array target = load("target");
    const std::int64_t rows = problem_.rows();
    const bool single = row_ && traits_.target == RowTarget::single;
    if (row_ && (single || is_label(target.dtype())) && target.size() == rows && target.rows() == rows) {
      target.reshape({rows});
      problem_.target = is_label(target.dtype()) ? std::move(target) : validate::converted(target, side_type());
      return;
    }
    if (single) wrong_shape("target", target, fmt::format("[{}]", rows));
    if (traits_.has_classes() && target.shape() != shape_) {
      if (is_real(target.dtype()) && target.shape() == std::vector<std::int64_t>{rows})
        throw Error(
            Errc::bad_dtype,
            fmt::format("target ({}) is {} {}: class labels must be integers (in NumPy: target.astype('int64'))",
                        files_.at("target"), name_of(target.dtype()), shape_text(target.shape())));
      const bool dense = traits_.target == RowTarget::classes;
      wrong_shape("target", target,
                  fmt::format("integer labels [{}]{}", rows, dense ? ", or dense targets of pred's shape" : ""));
    }
    if (target.shape() != shape_) wrong_shape("target", target, "pred's shape (nothing is broadcast)");
    target.reshape(problem_.prediction.shape());
    problem_.target = validate::converted(target, side_type());
  }

  /// [rows], or pred's shape for pointwise losses; or exactly `only`.
  void check_side_shape(const std::string& name, const Array& a, const std::vector<std::int64_t>& only) const {
    const std::vector<std::int64_t> of_rows{problem_.rows()};
    if (!only.empty() && a.shape() != only) wrong_shape(name, a, shape_text(only));
    if (!only.empty() || a.shape() == of_rows || (!row_ && a.shape() == shape_)) return;
    wrong_shape(name, a, row_ ? shape_text(of_rows) : fmt::format("{} or pred's shape", shape_text(of_rows)));
  }

  std::optional<Array> read_weights(const std::string& name, const std::vector<std::int64_t>& only) const {
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

  std::optional<Array> read_mask() const {
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

  void read_upstream() {
    if (!has("upstream")) return;
    const Array raw = load("upstream");
    const bool each = problem_.reduction == Reduction::none;
    const std::vector<std::int64_t> outputs = row_ ? std::vector<std::int64_t>{problem_.rows()} : shape_;
    if (each ? raw.shape() != outputs : raw.size() != 1)
      wrong_shape("upstream", raw, each ? shape_text(outputs) : "one number, or --reduction none");
    problem_.upstream = validate::converted(raw, side_type());
  }

  DType type_;
  bool reference_, row_ = false;
  LossTraits traits_;
  LossProblem problem_;
  std::map<std::string, std::string> files_;
  std::vector<std::int64_t> shape_;  // pred's, as in its file
};

LossSolution by_reference(const LossProblem& problem) {
  try {
    const reference::LossOutput out = validate::solve_by_reference(problem);
    LossSolution result;
    result.report.value = out.value;
    result.report.weight_sum = out.weight_sum;
    result.report.count = out.count;
    result.report.bad_labels = out.bad_labels;
    result.report.first_bad_row = out.first_bad_row;
    result.report.first_bad_label = std::nan("");  // the reference keeps none
    result.report.nonfinite = out.nonfinite;
    result.gradient = Array::of(problem.prediction.shape(), out.gradient);
    if (!out.second_gradient.empty())
      result.second_gradient = Array::of(problem.prediction.shape(), out.second_gradient);
    if (!out.third_gradient.empty()) result.third_gradient = Array::of(problem.prediction.shape(), out.third_gradient);
    result.values = Array::of({static_cast<std::int64_t>(out.values.size())}, out.values);
    return result;
  } catch (const std::invalid_argument& error) {
    throw Error(Errc::bad_argument, error.what());
  }
}

Json to_json(const LossProblem& problem, const LossSolution& solution, std::string_view device) {
  const LossReport& r = solution.report;
  Json json{{"loss", problem.text},
            {"value", number(r.value)},
            {"weight_sum", number(r.weight_sum)},
            {"count", r.count},
            {"bad_labels", r.bad_labels},
            {"first_bad_row", r.first_bad_row},
            {"first_bad_label", r.bad_labels > 0 ? number(r.first_bad_label) : Json(nullptr)},
            {"nonfinite", r.nonfinite},
            {"reduction", name_of(problem.reduction)},
            {"dtype", name_of(problem.prediction.dtype())},
            {"device", device}};
  const std::vector<double> values = validate::to_doubles(solution.values);
  if (problem.reduction == Reduction::none && values.size() <= kMostValuesPrinted) {
    json["values"] = Json::array();
    for (const double v : values) json["values"].push_back(number(v));
  }
  return json;
}

void print_text(const Json& json) {
  for (const auto& [key, value] : json.items())
    std::cout << fmt::format("{:<14} {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
}

void run(const Options& options) {
  const bool reference = options.device == "reference";
  const DType type = parse_dtype(!options.dtype.empty() ? options.dtype : reference ? "fp64" : "fp32");
  if (!is_real(type) || (type == DType::f64 && !reference))
    throw Error(Errc::bad_argument,
                fmt::format("--dtype {}: expected fp32, bf16 or fp16 (fp64 with --device reference)", name_of(type)));
  Reader reader(options, type);
  const auto grad_out = reader.gradient_files(options.grad_out);
  std::set<std::string> outputs{options.values_out};
  for (const auto& [name, file] : grad_out)
    if (!outputs.insert(file).second)
      throw Error(Errc::bad_argument, fmt::format("'{}' is the file of two outputs", file));
  const std::unique_ptr<Backend> backend = reference ? nullptr : make_backend(options.device, nullptr, options.threads);
  const LossProblem problem = reader.read();
  if (!options.values_out.empty() && problem.reduction != Reduction::none)
    throw Error(Errc::bad_argument, "--values-out needs --reduction none");
  LossSolution solution = reference ? by_reference(problem) : validate::solve(*backend, problem);

  const Inputs& inputs = reader.traits().inputs;
  const auto write_gradient = [&](std::string_view input, Array& gradient) {
    const auto file = grad_out.find(std::string(input));
    if (input.empty() || file == grad_out.end()) return;
    gradient.reshape(reader.prediction_shape());
    write_npy(file->second, gradient);
  };
  write_gradient("pred", solution.gradient);
  write_gradient(inputs.second, solution.second_gradient);
  write_gradient(inputs.third, solution.third_gradient);
  if (!options.values_out.empty()) {
    if (!problem.is_row()) solution.values.reshape(reader.prediction_shape());
    write_npy(options.values_out, solution.values);
  }
  const Json json = to_json(problem, solution, reference ? "reference" : backend->device());
  if (options.json)
    print(json);
  else
    print_text(json);
}

}  // namespace

void add_eval(CLI::App& parent, int&) {
  const auto o = std::make_shared<Options>();
  CLI::App* verb = parent.add_subcommand("eval", "Evaluate a loss and its gradient on .npy arrays");
  verb->add_option("--loss", o->loss, "Loss and its fields: huber:delta=0.5 (see `fuselage list losses`)")->required();
  verb->add_option("--compat", o->compat,
                   "torch, keras or optax: --loss is named as there, and reduced as there (`fuselage list compat`)");
  verb->add_option("--input", o->inputs, "NAME=FILE.npy; the names are those of `fuselage list losses --json`");
  for (const char* name : {"pred", "target", "weight", "mask", "class_weight", "upstream"}) {
    std::string option = "--" + std::string(name);
    std::replace(option.begin(), option.end(), '_', '-');
    verb->add_option(option, o->short_inputs[name], fmt::format("Short for --input {}=FILE.npy", name));
  }
  verb->add_option("--reduction", o->reduction,
                   "mean, sum, mean_over_batch, mean_over_outputs or none [mean, or that of --compat]");
  verb->add_option("--dtype", o->dtype, "Storage of predictions and gradient: fp32, bf16, fp16 [fp32]");
  verb->add_option("--device", o->device, known_devices() + ", or reference (double precision)")->capture_default_str();
  verb->add_option("--threads", o->threads, "CPU threads; 0: all")->check(CLI::Range(0, 4096));
  verb->add_option("--grad-out", o->grad_out,
                   "pred=FILE.npy: where the gradient goes; of further inputs by their names");
  verb->add_option("--values-out", o->values_out, "FILE.npy for the values, with --reduction none");
  verb->add_flag("--json", o->json, "Print JSON");
  verb->footer(
      "Bad labels count as masked and are reported. Shapes must fit as they are; nothing is broadcast.\nExamples:\n"
      "  fuselage eval --loss huber:delta=0.5 --pred y.npy --target t.npy --grad-out pred=g.npy\n"
      "  fuselage eval --loss softmax_cross_entropy --input pred=x.npy --input target=labels.npy --json\n"
      "  fuselage eval --loss gaussian_nll --pred mean.npy --input variance=v.npy --target t.npy");
  verb->callback([o] { run(*o); });
}

}  // namespace fuselage::cli
