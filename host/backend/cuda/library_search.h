// Where a library of the CUDA toolkit may be when the loader does not find it by its name alone.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

namespace fuselage::cuda {

/// The folders inside `folder`, sorted; none where it cannot be read.
inline std::vector<std::filesystem::path> folders_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> found;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (at->is_directory(error)) found.push_back(at->path());
  std::sort(found.begin(), found.end());
  return found;
}

/// Folders of a toolkit and of NVIDIA's Python packages, in the order of trying: the toolkit that CUDA_HOME or
/// CUDA_PATH name, those of /usr/local, then <VIRTUAL_ENV or CONDA_PREFIX>/lib/python3*/site-packages/nvidia/*/lib.
/// `variable` gives an environment variable, null where it is not set.
template <class Variable>
std::vector<std::filesystem::path> library_folders(int major, const Variable& variable) {
  namespace fs = std::filesystem;
  std::vector<fs::path> folders;
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"})
    if (const char* home = variable(name); home && *home) folders.push_back(fs::path(home) / "lib64");
  folders.push_back("/usr/local/cuda-" + std::to_string(major) + "/lib64");
  folders.push_back("/usr/local/cuda/lib64");
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const char* prefix = variable(name); prefix && *prefix)
      for (const fs::path& python : folders_in(fs::path(prefix) / "lib"))
        if (python.filename().string().starts_with("python3"))
          for (const fs::path& package : folders_in(python / "site-packages" / "nvidia"))
            folders.push_back(package / "lib");
  return folders;
}

}  // namespace fuselage::cuda
