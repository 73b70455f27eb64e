// Checkpoints: everything a run needs to go on with the same bits.
//
// A checkpoint is a folder with `step-<n>.safetensors` (parameters and optimizer state) and `checkpoint.json`, which
// names that file with its size and CRC-32, and holds all the rest. The JSON is the commit record: it is written last,
// and each file appears whole or not at all, so a run killed at any moment leaves the old checkpoint or the new one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "fuselage/batch.h"
#include "fuselage/data.h"
#include "fuselage/history.h"

namespace fuselage {

/// The state of a trainer and of the run it is in.
struct Checkpoint {
  // What is trained, as text; a trainer takes only a checkpoint of its own kind.
  std::string model, loss, optimizer, schedule;
  std::vector<std::string> metrics;
  std::string gradient;  ///< options of the gradients; empty: none
  // How the samples are drawn.
  std::int64_t samples = 0, batch_size = 0;
  std::uint64_t seed = 0;
  bool shuffle = true;
  // Where the run stands.
  std::int64_t step = 0, skipped = 0;
  double lr = 0;
  LoaderState at;
  LossReport totals;  ///< sums of the running epoch
  History history;
  /// "0.weight" and so on, and what Optimizer::save() gives.
  TensorFile tensors;
};

/// Writes a checkpoint and then removes the one before. Throws Error(non_finite) naming tensor and element when a
/// parameter or a state is not finite, and Error(io); either way the checkpoint that was there stays.
void save_checkpoint(const std::filesystem::path& folder, const Checkpoint& checkpoint);

/// Reads the checkpoint in `folder`. Throws Error(io) when there is none, Error(format) naming the file and what is
/// wrong with it: another size or CRC-32 than was written, fields that are missing or of another type.
Checkpoint load_checkpoint(const std::filesystem::path& folder);

}  // namespace fuselage
