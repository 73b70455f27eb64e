// A run as a file: what to train on, what to train, how. TOML, with overrides from the command line.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "fuselage/data.h"
#include "fuselage/train.h"

namespace fuselage::train {

/// The [data] section. Paths are as they will be opened.
struct RunData {
  DataSource train;
  std::optional<DataSource> test;
  double test_fraction = 0;  ///< without test files: this share of the samples, drawn by the seed, is the test set
};

/// The [train] section.
struct RunOptions {
  std::int64_t epochs = 1, batch_size = 32;
  std::uint64_t seed = 0;
  std::string device = "auto";
  std::int64_t threads = 0;           ///< of the CPU backend; 0: as many as the machine offers
  std::int64_t checkpoint_every = 0;  ///< steps; 0: after each epoch
  std::int64_t validate_every = 0;    ///< steps; 0: never
  NonFinite non_finite = NonFinite::raise;
  std::int64_t log_every = 1;  ///< epochs between two plain lines
  std::string out = "runs/run";
};

struct RunFile {
  RunData data;
  std::vector<Dense> layers;
  Init init = Init::he;
  AnyLoss loss;
  Reduction reduction = Reduction::mean;
  OptimizerSpec optimizer;
  ScheduleSpec schedule;
  std::vector<AnyMetric> metrics;
  GradientOptions gradient;  ///< the [gradient] section
  RunOptions train;

  /// The whole run as TOML, every default written out; reads back as the same run.
  std::string to_toml() const;
};

/// Reads a run file and applies overrides such as "train.epochs=3", "optimizer.lr=1e-3", "loss=mse". Throws
/// Error(unknown_name) for unknown sections, keys and names, Error(bad_argument) for values, all with file and line (or
/// "command line") and a did-you-mean; Error(io), Error(format) for a file that cannot be read or is not TOML.
RunFile read_run_file(const std::filesystem::path& path, const std::vector<std::string>& overrides = {});

/// The datasets of a run. The message of Error(io) names the Debian package that brings a missing file, if one does.
struct RunDatasets {
  Dataset train;
  std::optional<Dataset> test;
};
RunDatasets load_run_data(const RunFile& run);

}  // namespace fuselage::train
