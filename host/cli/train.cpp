// `fuselage train`: a run from a file.
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "host/cli/progress.h"
#include "host/cli/verbs.h"
#include "host/data/atomic_file.h"
#include "host/train/history_files.h"
#include "host/train/run_file.h"

namespace fuselage::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kFooter = R"(
Examples:
  fuselage train examples/fashion_mnist/run.toml
  fuselage train run.toml train.epochs=3 optimizer.lr=1e-3 --device cpu
  fuselage train run.toml loss=softmax_cross_entropy:label_smoothing=0.1 --json
  fuselage train --resume runs/fashion_mnist

A run folder (train.out) holds run.toml with every setting, checkpoint/, history.jsonl, history.csv and report.html.
Killed at any moment, a run goes on with --resume, and on the CPU ends with the same bits.)";

constexpr double kHistoryInterval = 1;  // seconds between two writings of the history

struct TrainArguments {
  std::vector<std::string> words;  ///< the run file, then overrides
  std::string device, resume;
  bool json = false;
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

train::RunFile read_run(const TrainArguments& arguments) {
  std::vector<std::string> overrides = arguments.words;
  fs::path path = fs::path(arguments.resume) / "run.toml";
  if (!overrides.empty() && overrides[0].find('=') == std::string::npos) {
    path = overrides[0];
    overrides.erase(overrides.begin());
  } else if (arguments.resume.empty()) {
    throw Error(Errc::bad_argument, "train needs a run file, or --resume with the folder of a run; see train --help");
  }
  train::RunFile run = train::read_run_file(path, overrides);
  if (!arguments.device.empty()) run.train.device = arguments.device;
  if (!arguments.resume.empty()) run.train.out = arguments.resume;
  return run;
}

TrainSpec spec_of(const train::RunFile& run, std::int64_t features) {
  TrainSpec spec;
  spec.model = {features, run.layers, run.init, run.train.seed};
  spec.loss = run.loss;
  spec.reduction = run.reduction;
  spec.optimizer = run.optimizer;
  spec.schedule = run.schedule;
  spec.metrics = run.metrics;
  spec.gradient = run.gradient;
  spec.non_finite = run.train.non_finite;
  spec.validate_every = run.train.validate_every;
  return spec;
}

train::ReportSettings report_settings(const train::RunFile& run, const TrainSpec& spec, const train::RunDatasets& data,
                                      const std::string& device) {
  train::ReportSettings settings;
  settings.title = "Run " + fs::path(run.train.out).filename().string();
  for (const AnyMetric& metric : spec.metrics) settings.metrics.push_back(Metrics::to_string(metric));
  settings.values = {{"model", spec.model.to_string()},
                     {"initial weights", std::string(name_of(spec.model.init))},
                     {"loss", Losses::to_string(spec.loss)},
                     {"optimizer", spec.optimizer.to_string()},
                     {"schedule", spec.schedule.to_string()},
                     {"gradient", spec.gradient.any() ? to_string(spec.gradient) : "as it is"},
                     {"training samples", std::to_string(data.train.size())},
                     {"test samples", data.test ? std::to_string(data.test->size()) : "none"},
                     {"epochs", std::to_string(run.train.epochs)},
                     {"batch size", std::to_string(run.train.batch_size)},
                     {"seed", std::to_string(run.train.seed)},
                     {"non-finite steps", std::string(name_of(run.train.non_finite))},
                     {"device", device}};
  return settings;
}

/// A checkpoint that does not fit the run is bad data, not a result that differs.
void resume(Trainer& trainer, const fs::path& folder) {
  try {
    trainer.restore(load_checkpoint(folder / "checkpoint"));
  } catch (const Error& error) {
    if (error.code() != Errc::mismatch) throw;
    throw Error(Errc::format, fmt::format("cannot resume '{}': {}", folder.string(), error.what()));
  }
}

/// A new run must not be mistaken for the one that was in its folder before, nor destroy it: what stands there moves to
/// `previous`, in the place of what stood there. True when there was something.
bool prepare_folder(const fs::path& folder) {
  const auto refuse = [&](const char* what, const std::error_code& error) {
    if (error) throw Error(Errc::io, fmt::format("cannot {} '{}': {}", what, folder.string(), error.message()));
  };
  std::error_code error;
  fs::create_directories(folder, error);
  refuse("create", error);
  const fs::path previous = folder / "previous";
  bool moved = false;
  for (const char* name : {"checkpoint", "history.csv", "history.jsonl", "report.html", "run.toml"}) {
    if (!fs::exists(folder / name, error)) continue;
    if (!moved) {
      fs::remove_all(previous, error);
      refuse("empty the folder of the previous run in", error);
      fs::create_directory(previous, error);
      refuse("make a folder for the previous run in", error);
    }
    fs::rename(folder / name, previous / name, error);
    refuse("move the previous run in", error);
    moved = true;
  }
  return moved;
}

std::string final_json(const Trainer& trainer, const train::RunFile& run, const std::vector<std::string>& metrics,
                       std::string_view device, const std::string& why, double seconds) {
  Json json = Json::object();
  if (!trainer.history().empty()) json = Json::parse(train::epoch_json(trainer.history().back(), metrics));
  for (const char* key : {"epoch", "seconds"}) json.erase(key);
  json["epochs"] = trainer.history().size();
  json["device"] = device;
  json["device_reason"] = why;
  json["seconds"] = seconds;
  json["out"] = run.train.out;
  return json.dump();
}

void train_run(const TrainArguments& arguments, int& exit_code) {
  const double began = now();
  const train::RunFile run = read_run(arguments);
  std::string why;
  const std::unique_ptr<Backend> backend = make_backend(run.train.device, &why, static_cast<int>(run.train.threads));
  const train::RunDatasets data = train::load_run_data(run);
  Trainer trainer(*backend, spec_of(run, data.train.feature_size()));
  const TrainSpec& spec = trainer.spec();
  const train::ReportSettings settings = report_settings(run, spec, data, backend->description());
  const fs::path out = run.train.out;

  Progress progress(style_of_stdout(arguments.json), run.train.epochs, data.train.size(), run.train.log_every,
                    settings.metrics, spec.metrics);
  progress.note(why);
  progress.note(fmt::format("{} training and {} test samples, model {}", data.train.size(),
                            data.test ? data.test->size() : 0, spec.model.to_string()));
  if (!arguments.resume.empty()) {
    resume(trainer, out);
    progress.note(fmt::format("going on after {} epochs", trainer.history().size()));
  }

  double written = 0;
  FitOptions options;
  options.on_start = [&] {
    if (arguments.resume.empty() && prepare_folder(out))
      progress.note(fmt::format("the run that was in {} is now in {}", out.string(), (out / "previous").string()));
    data::write_atomically(out / "run.toml", run.to_toml());
  };
  options.epochs = run.train.epochs;
  options.batch_size = run.train.batch_size;
  options.seed = run.train.seed;
  options.validation = data.test ? &*data.test : nullptr;
  options.checkpoint = out / "checkpoint";
  options.checkpoint_every = run.train.checkpoint_every;
  options.on_step = [&](const StepReport& report, const LossReport& totals) { progress.step(report, totals); };
  options.on_epoch = [&](const EpochRecord& record) {
    progress.epoch(record);
    if (now() - written < kHistoryInterval) return true;
    train::write_history(out, trainer.history(), settings);
    written = now();
    return true;
  };
  const RunEnd end = trainer.fit(data.train, options);
  train::write_history(out, trainer.history(), settings);
  if (end == RunEnd::non_finite) {
    exit_code = kCheckMissed;
    progress.note("stopped: a gradient is not finite; the checkpoint is the last good one");
  }
  if (arguments.json)
    fmt::print("{}\n", final_json(trainer, run, settings.metrics, backend->device(), why, now() - began));
  else
    progress.note(fmt::format("{:.1f} s; curves in {}", now() - began, (out / "report.html").string()));
}

}  // namespace

void add_train(CLI::App& parent, int& exit_code) {
  Verb verb(parent, "train", "Train a model as a run file says");
  auto arguments = std::make_shared<TrainArguments>();
  verb.option("run", arguments->words, "RUN.toml, and overrides such as train.epochs=3")
      .type_name("RUN.toml KEY=VALUE");
  verb.option("--device", arguments->device, known_devices() + "; stands above train.device").type_name("DEVICE");
  verb.option("--resume", arguments->resume, "Go on from the checkpoint in the folder of a run").type_name("DIR");
  verb.flag("--json", arguments->json, "One JSON object for each epoch, and one for the whole run");
  verb.footer(kFooter);
  verb.does([arguments, &exit_code] { train_run(*arguments, exit_code); });
}

}  // namespace fuselage::cli
