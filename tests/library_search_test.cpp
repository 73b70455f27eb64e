// Where the CUDA backend looks for the toolkit's libraries.
#include "host/backend/cuda/library_search.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/files.h"

namespace fuselage {
namespace {

using Variables = std::map<std::string, std::string>;

std::vector<std::string> folders(const Variables& variables) {
  std::vector<std::string> found;
  for (const auto& folder : cuda::library_folders(13, [&](const char* name) {
         const auto at = variables.find(name);
         return at == variables.end() ? nullptr : at->second.c_str();
       }))
    found.push_back(folder.string());
  return found;
}

TEST(LibrarySearch, TheUsersToolkitComesFirst) {
  EXPECT_EQ(folders({}), (std::vector<std::string>{"/usr/local/cuda-13/lib64", "/usr/local/cuda/lib64"}));
  EXPECT_EQ(folders({{"CUDA_PATH", "/b"}, {"CUDA_HOME", "/a"}}),
            (std::vector<std::string>{"/a/lib64", "/b/lib64", "/usr/local/cuda-13/lib64", "/usr/local/cuda/lib64"}));
  EXPECT_EQ(folders({{"CUDA_HOME", ""}}), folders({}));
}

TEST(LibrarySearch, PythonPackagesOfTheEnvironment) {
  const test::TempFolder folder;
  const auto packages = folder / "lib/python3.12/site-packages/nvidia";
  for (const char* name : {"cu13/lib", "cublas/lib"}) std::filesystem::create_directories(packages / name);
  std::filesystem::create_directories(folder / "lib/perl5/site-packages/nvidia/cu13/lib");
  for (const char* variable : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    const std::vector<std::string> found = folders({{variable, folder.path().string()}});
    ASSERT_EQ(found.size(), 4u) << variable;
    EXPECT_EQ(found[2], (packages / "cu13/lib").string());
    EXPECT_EQ(found[3], (packages / "cublas/lib").string());
  }
  EXPECT_EQ(folders({{"VIRTUAL_ENV", (folder / "nowhere").string()}}), folders({}));
}

}  // namespace
}  // namespace fuselage
