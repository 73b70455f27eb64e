// Where tests find the sources and the program. A build may be run elsewhere: the environment variables
// FUSELAGE_SOURCE_DIR and FUSELAGE_CLI stand before the paths of the build.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace fuselage::test {

inline std::string environment_or(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? value : otherwise;
}

/// The root of the sources, or of those files of it that came along with the build.
inline std::filesystem::path source_dir() { return environment_or("FUSELAGE_SOURCE_DIR", FUSELAGE_SOURCE_DIR); }

}  // namespace fuselage::test
