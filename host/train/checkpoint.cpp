// Checkpoint files: written so that a kill at any moment leaves the old checkpoint or the new one.
#include "fuselage/checkpoint.h"

#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

#include "host/data/atomic_file.h"
#include "host/train/checkpoint_json.h"

namespace fuselage {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRecord = "checkpoint.json";

std::string read_whole(const fs::path& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in || in.bad() || (text.fail() && fs::file_size(path) > 0))
    throw Error(Errc::io, fmt::format("cannot read '{}': {}", path.string(),
                                      std::generic_category().message(errno ? errno : EIO)));
  return std::move(text).str();
}

/// A number that is not finite would make every later step worthless.
void check_finite(const TensorFile& file) {
  for (const auto& [name, array] : file.tensors) {
    const auto check = [&, &name = name](auto values) {
      for (std::size_t i = 0; i < values.size(); ++i)
        if (!std::isfinite(values[i]))
          throw Error(Errc::non_finite, fmt::format("'{}'[{}] is {}; no checkpoint is written over the last good one",
                                                    name, i, values[i]));
    };
    if (array.dtype() == DType::f32) check(array.as<float>());
    if (array.dtype() == DType::f64) check(array.as<double>());
  }
}

/// The file that the record in the folder names, when there is a record that can be read.
std::string committed_file(const fs::path& folder) {
  try {
    train::TensorsFile file;
    const fs::path record = folder / kRecord;
    train::from_json(read_whole(record), record.string(), file);
    return file.name;
  } catch (const Error&) {
    return {};  // nothing there that could be lost
  }
}

bool is_ours(const std::string& name) {
  return name.rfind("step-", 0) == 0 || name.rfind(std::string(kRecord) + ".tmp.", 0) == 0;
}

/// Files of checkpoints before, and what a kill left of them.
void remove_others(const fs::path& folder, const std::string& keep) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (is_ours(name) && name != keep) fs::remove(entry.path(), ignored);
  }
}

}  // namespace

void save_checkpoint(const fs::path& folder, const Checkpoint& checkpoint) {
  check_finite(checkpoint.tensors);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw Error(Errc::io, fmt::format("cannot create '{}': {}", folder.string(), error.message()));
  // The committed file is never written over: until the new record is in place, it is the checkpoint.
  train::TensorsFile file{fmt::format("step-{}.safetensors", checkpoint.step)};
  if (file.name == committed_file(folder)) file.name = fmt::format("step-{}-again.safetensors", checkpoint.step);
  write_safetensors(folder / file.name, checkpoint.tensors);
  const std::string written = read_whole(folder / file.name);
  file.size = written.size();
  file.crc32 = train::crc32_of(written.data(), written.size());
  data::write_atomically(folder / kRecord, train::to_json(checkpoint, file));
  remove_others(folder, file.name);
}

Checkpoint load_checkpoint(const fs::path& folder) {
  const fs::path record = folder / kRecord;
  train::TensorsFile file;
  Checkpoint checkpoint = train::from_json(read_whole(record), record.string(), file);
  if (!is_ours(file.name) || file.name.find('/') != std::string::npos)
    throw Error(Errc::format, fmt::format("{}: '{}' is no name of a file of tensors", record.string(), file.name));
  const fs::path tensors = folder / file.name;
  const std::string bytes = read_whole(tensors);
  if (bytes.size() != file.size)
    throw Error(Errc::format,
                fmt::format("'{}' has {} bytes, and {} says {}", tensors.string(), bytes.size(), kRecord, file.size));
  if (const std::uint32_t crc = train::crc32_of(bytes.data(), bytes.size()); crc != file.crc32)
    throw Error(Errc::format, fmt::format("'{}' has the CRC-32 {:08x}, and {} says {:08x}: it is damaged",
                                          tensors.string(), crc, kRecord, file.crc32));
  checkpoint.tensors = read_safetensors(tensors);
  return checkpoint;
}

}  // namespace fuselage
