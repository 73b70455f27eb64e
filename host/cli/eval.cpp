// `fuselage eval`: one loss, with its gradient, on the user's arrays.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "fuselage/data.h"
#include "host/cli/eval_reader.h"
#include "host/cli/eval_scores.h"
#include "host/cli/json_output.h"
#include "host/cli/verbs.h"

namespace fuselage::cli {
namespace {

using validate::LossProblem;
using validate::LossSolution;

constexpr std::size_t kMostValuesPrinted = 1000;

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
    result.report.correct = static_cast<std::int64_t>(out.accuracy_correct);
    result.report.positives = static_cast<std::int64_t>(out.positives);
    result.report.chosen = static_cast<std::int64_t>(out.chosen);
    result.report.hits = static_cast<std::int64_t>(out.hits);
    result.confusion.assign(out.confusion.begin(), out.confusion.end());
    for (const reference::CalibrationBin& bin : out.calibration)
      for (const double x : {bin.rows, bin.right, bin.confidence * 0x1p32})
        result.calibration.push_back(std::llround(x));
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

Json to_json(const LossProblem& problem, const LossSolution& solution, std::string_view device,
             Json (*number)(double)) {
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

/// JSON has no NaN and no infinity; a text has.
Json number_or_name(double x) {
  return std::isfinite(x) ? Json(x) : Json(std::isnan(x) ? "nan" : x > 0 ? "inf" : "-inf");
}

std::string text_of(const Json& value) {
  if (!value.is_array()) return value.is_string() ? value.get<std::string>() : value.dump();
  std::string list;
  for (const Json& item : value) list += (list.empty() ? "" : ",") + text_of(item);
  return "[" + list + "]";
}

void print_text(const Json& json) {
  for (const auto& [key, value] : json.items()) std::cout << fmt::format("{:<14} {}\n", key, text_of(value));
}

void run(const EvalOptions& options) {
  const bool reference = options.device == "reference";
  const DType type = parse_dtype(!options.dtype.empty() ? options.dtype : reference ? "fp64" : "fp32");
  if (!is_real(type) || (type == DType::f64 && !reference))
    throw Error(Errc::bad_argument,
                fmt::format("--dtype {}: expected fp32, bf16 or fp16 (fp64 with --device reference)", name_of(type)));
  EvalReader reader(options, type);
  const auto grad_out = reader.gradient_files();
  const std::unique_ptr<Backend> backend = reference ? nullptr : make_backend(options.device, nullptr, options.threads);
  LossProblem problem = reader.read();
  if (options.scores) ask_scores(problem, options.bins);
  if (!options.values_out.empty() && problem.reduction != Reduction::none)
    throw Error(Errc::bad_argument, "--values-out needs --reduction none");
  LossSolution solution = reference ? by_reference(problem) : validate::solve(*backend, problem);

  Json (*const as_json)(double) = options.json ? number : number_or_name;
  Json class_sums;  // before anything is written
  if (options.class_sums) add_class_sums(backend.get(), problem, solution, as_json, class_sums);

  const Inputs& inputs = reader.traits().inputs;
  std::vector<NpyFile> files;
  const auto write_gradient = [&](std::string_view input, Array& gradient) {
    const auto file = grad_out.find(std::string(input));
    if (input.empty() || file == grad_out.end()) return;
    gradient = reader.as_pred(gradient);
    files.push_back({file->second, &gradient});
  };
  write_gradient("pred", solution.gradient);
  write_gradient(inputs.second, solution.second_gradient);
  write_gradient(inputs.third, solution.third_gradient);
  if (!options.values_out.empty()) {
    solution.values.reshape(reader.output_shape());
    files.push_back({options.values_out, &solution.values});
  }
  write_npy(files);
  Json json = to_json(problem, solution, reference ? "reference" : backend->device(), as_json);
  if (options.scores) add_scores(problem, solution, as_json, json);
  if (options.class_sums) json.update(class_sums);
  if (options.json)
    print(json);
  else
    print_text(json);
}

}  // namespace

void add_eval(CLI::App& parent, int&) {
  const auto o = std::make_shared<EvalOptions>();
  Verb verb(parent, "eval", "Evaluate a loss and its gradient on .npy arrays");
  verb.option("--loss", o->loss, "Loss and its fields: huber:delta=0.5 (see `fuselage list losses`)").required();
  verb.option("--compat", o->compat,
              "torch, keras or optax: --loss is named as there, and reduced as there (`fuselage list compat`)");
  verb.option("--input", o->inputs, "NAME=FILE.npy; the names are those of `fuselage list losses --json`");
  for (const char* name : {"pred", "target", "weight", "mask", "lengths", "class_weight", "upstream"}) {
    std::string option = "--" + std::string(name);
    std::replace(option.begin(), option.end(), '_', '-');
    verb.option(option, o->short_inputs[name], fmt::format("Short for --input {}=FILE.npy", name));
  }
  verb.option("--reduction", o->reduction,
              "mean, sum, mean_over_batch, mean_over_outputs, mean_over_counted or none [mean, or that of --compat]");
  verb.option("--divisor", o->divisor, "What a mean is divided by, in place of its own divisor");
  verb.option("--class-axis", o->class_axis,
              "Losses of rows: which axis of pred is a row, -1 the last [-1]; labels and weights have the others");
  verb.option("--dtype", o->dtype, "Storage of predictions and gradient: fp32, bf16, fp16 [fp32]");
  verb.option("--device", o->device, known_devices() + ", or reference (double precision)").shows_default();
  verb.option("--threads", o->threads, "CPU threads; 0: all").within(0, 4096);
  verb.option("--grad-out", o->grad_out, "pred=FILE.npy: where the gradient goes; of further inputs by their names");
  verb.option("--values-out", o->values_out, "FILE.npy for the values, with --reduction none");
  verb.flag("--scores", o->scores,
            "Losses that decide: accuracy, and of each class precision, recall and F1; of probabilities also the "
            "expected calibration error");
  verb.option("--bins", o->bins, "Of the calibration").within(1, 65536).shows_default();
  verb.flag("--class-sums", o->class_sums, "Losses of class labels: rows, weight and mean loss of each class");
  verb.flag("--json", o->json, "Print JSON");
  verb.footer(
      "Bad labels count as masked and are reported. Shapes must fit as they are; nothing is broadcast.\nExamples:\n"
      "  fuselage eval --loss huber:delta=0.5 --pred y.npy --target t.npy --grad-out pred=g.npy\n"
      "  fuselage eval --loss softmax_cross_entropy --input pred=x.npy --input target=labels.npy --json\n"
      "  fuselage eval --loss softmax_cross_entropy --pred x.npy --target labels.npy --scores --class-sums\n"
      "  fuselage eval --loss gaussian_nll --pred mean.npy --input variance=v.npy --target t.npy\n"
      "  fuselage eval --loss softmax_cross_entropy --pred image.npy --target pixels.npy --class-axis 1\n"
      "  fuselage eval --loss softmax_cross_entropy --pred tokens.npy --target words.npy --lengths lengths.npy");
  verb.does([o] { run(*o); });
}

}  // namespace fuselage::cli
