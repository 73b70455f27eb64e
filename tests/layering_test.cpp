// The tree keeps its layers: the rules on the real sources, and each rule on a planted breach.
#include "tests/layering/rules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>

#include "tests/support/paths.h"

namespace {

namespace fs = std::filesystem;
using fuselage::test::breaches;
using fuselage::test::code_of;
using fuselage::test::Source;

std::vector<Source> read_tree() {
  static const std::set<std::string> kinds = {".h", ".cpp", ".cu", ".cuh"};
  const fs::path root = fuselage::test::source_dir();
  std::vector<Source> tree;
  for (const char* folder : {"include", "host", "kernels", "tests", "bench", "examples"}) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file() || !kinds.contains(entry.path().extension().string())) continue;
      std::ifstream in(entry.path(), std::ios::binary);
      tree.push_back({fs::relative(entry.path(), root).generic_string(),
                      std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>())});
    }
  }
  return tree;
}

/// Lengths that the design asks for below the hard limit: told, not enforced.
void tell_of_long_files(const std::vector<Source>& tree) {
  for (const Source& source : tree) {
    const auto lines = std::count(source.text.begin(), source.text.end(), '\n');
    const bool definition = source.path.starts_with("include/fuselage/loss/") ||
                            source.path.starts_with("include/fuselage/optim/") ||
                            source.path.starts_with("include/fuselage/metric/");
    const int wanted = source.path.starts_with("kernels/") ? 200 : definition ? 60 : 400;
    if (lines > wanted) std::cout << source.path << ": " << lines << " lines; " << wanted << " are wanted\n";
  }
}

TEST(Layering, TheTreeKeepsTheRules) {
  const fs::path root = fuselage::test::source_dir();
  if (!fs::exists(root / "include")) GTEST_SKIP() << "no sources under " << root << ", only what came with the build";
  const std::vector<Source> tree = read_tree();
  tell_of_long_files(tree);
  ASSERT_GT(tree.size(), 30u) << "no sources under " << root;
  for (const std::string& breach : breaches(tree)) ADD_FAILURE() << breach;
}

struct Planted {
  const char* path;
  const char* text;
  const char* complaint;  ///< part of the only breach; empty: none
};

void PrintTo(const Planted& planted, std::ostream* out) { *out << planted.path << ": " << planted.text; }

class PlantedBreach : public testing::TestWithParam<Planted> {};

TEST_P(PlantedBreach, IsFound) {
  const Planted& planted = GetParam();
  std::vector<Source> tree = {{"include/fuselage/core/math.h", ""},
                              {"include/fuselage/loss/mse.h", ""},
                              {"include/fuselage/loss/concepts.h", ""},
                              {"include/fuselage/losses.h", ""},
                              {"include/fuselage/batch.h", ""},
                              {"include/fuselage/backend.h", ""},
                              {"include/fuselage/nn.h", ""},
                              {"include/fuselage/train.h", ""},
                              {"kernels/kernels.h", ""},
                              {"kernels/reduce.cuh", ""},
                              {"host/reference/reference.h", ""},
                              {"host/backend/cpu/simd.h", ""},
                              {"host/data/atomic_file.h", ""},
                              {"host/train/judge.h", ""},
                              {"host/cli/verbs.h", ""},
                              {"host/backend/cuda/runtime.h", ""},
                              {"examples/ten_lines/help.h", ""}};
  std::erase_if(tree, [&](const Source& source) { return source.path == planted.path; });
  tree.push_back({planted.path, planted.text});
  const std::vector<std::string> found = breaches(tree);
  if (std::string_view(planted.complaint).empty()) {
    for (const std::string& breach : found) ADD_FAILURE() << breach;
    return;
  }
  ASSERT_EQ(found.size(), 1u) << (found.empty() ? "nothing was found" : found[1]);
  EXPECT_NE(found[0].find(planted.complaint), std::string::npos) << found[0];
  EXPECT_EQ(found[0].find(planted.path), 0u) << found[0];
}

constexpr Planted kPlanted[] = {
    // Allowed, so that the rules do not refuse everything.
    {"include/fuselage/loss/huber.h", "#include <tuple>\n#include \"fuselage/loss/concepts.h\"\n", ""},
    {"include/fuselage/metric/top_k.h", "#include \"fuselage/batch.h\"\n", ""},
    {"host/backend/cuda_backend.cpp", "#include \"kernels/kernels.h\"\n", ""},
    {"host/backend/cuda_backend_memory.cpp", "#include \"kernels/kernels.h\"\n", ""},
    {"host/backend/cuda/products.cpp", "#include <cublasLt.h>\n", ""},
    {"host/backend/cuda/products.cpp", "#include <cublasLt.h>\n#include \"host/backend/cuda/runtime.h\"\n", ""},
    {"host/train/judge.cpp", "#include \"host/reference/reference.h\"\n#include \"host/data/atomic_file.h\"\n", ""},
    {"kernels/launch.cuh", "#include <cuda_runtime.h>\nkernel<<<1, 2>>>();\n", ""},
    {"include/fuselage/core/hd.h", "#if defined(__CUDACC__)\n#define FUSELAGE_HD\n#endif\n", ""},
    {"host/data/csv.cpp",
     "// #ifdef in a comment, <<< too\nauto s = \"#if <<<\"; int i = 1'000; auto r = R\"(\n#if\n)\";\n", ""},
    {"examples/ten_lines/main.cpp", "#include \"fuselage/train.h\"\n#include \"help.h\"\n", ""},
    {"tests/any_test.cpp", "#include \"host/train/judge.h\"\n#include \"kernels/reduce.cuh\"\n", ""},
    // Layers of the public headers.
    {"include/fuselage/core/view.h", "#include \"fuselage/loss/mse.h\"\n", "may not include"},
    {"include/fuselage/loss/huber.h", "#include \"fuselage/loss/mse.h\"\n", "may not include"},
    {"include/fuselage/loss/huber.h", "#include \"fuselage/losses.h\"\n", "may not include"},
    {"include/fuselage/loss/huber.h", "#include \"fuselage/batch.h\"\n", "may not include"},
    {"include/fuselage/optim/sgd.h", "#include \"fuselage/loss/concepts.h\"\n", "may not include"},
    {"include/fuselage/metrics.h", "#include \"fuselage/losses.h\"\n", "may not include"},
    {"include/fuselage/memory.h", "#include \"fuselage/nn.h\"\n", "may not include"},
    {"include/fuselage/data.h", "#include \"fuselage/train.h\"\n", "may not include"},
    {"include/fuselage/data.h", "#include \"host/data/atomic_file.h\"\n", "may not include"},
    {"include/fuselage/data.h", "  #  include <nlohmann/json.hpp>\n", "includes <nlohmann/json.hpp>"},
    {"include/fuselage/data.h", "#include <cuda_runtime.h>\n", "includes <cuda_runtime.h>"},
    {"include/fuselage/data.h", "#include <fmt/format.h>\n", "includes <fmt/format.h>"},
    {"include/fuselage/surprise.h", "", "does not know this header"},
    // Device and host.
    {"kernels/loss.cu", "#include \"fuselage/backend.h\"\n", "may not include"},
    {"kernels/loss.cu", "#include \"host/backend/cpu/simd.h\"\n", "may not include"},
    {"kernels/loss.cu", "void f() { kernel<<<1, 2>>>(); }\n", "launches a kernel"},
    {"kernels/kernels.h", "#include <cuda_runtime.h>\n", "the seam has no CUDA header"},
    {"kernels/kernels.h", "template <class T>\nvoid f(T);\n", "has a template"},
    {"host/backend/cpu_backend.cpp", "#include \"kernels/kernels.h\"\n", "may not include"},
    {"host/backend/cpu_backend.cpp", "#include \"fuselage/nn.h\"\n", "may not include"},
    {"host/backend/cpu_backend.cpp", "#include <cublasLt.h>\n", "CUDA belongs to kernels/"},
    {"host/backend/cuda_backend.cpp", "#include \"kernels/reduce.cuh\"\n", "may not include"},
    {"host/data/csv.cpp", "#include \"kernels/kernels.h\"\n", "may not include"},
    {"host/data/csv.cpp", "#include <cub/block/block_reduce.cuh>\n", "CUDA belongs to kernels/"},
    {"host/data/csv.cpp", "#include \"host/train/judge.h\"\n", "may not include"},
    {"host/nn/sequential.cpp", "#include \"host/reference/reference.h\"\n", "may not include"},
    {"host/train/fit.cpp", "#include \"host/backend/cpu/simd.h\"\n", "may not include"},
    {"host/reference/loss.cpp", "#include \"fuselage/core/math.h\"\n", "may not include"},
    {"host/reference/loss.cpp", "#include <fmt/format.h>\n", "the standard library alone"},
    {"examples/ten_lines/main.cpp", "#include \"host/cli/verbs.h\"\n", "may not include"},
    // The preprocessor.
    {"host/data/csv.cpp", "#ifdef __linux__\n#endif\n", "asks the preprocessor (#ifdef)"},
    {"include/fuselage/core/view.h", "int x;\n# if 0\n#endif\n", "asks the preprocessor (#if)"},
    {"include/fuselage/core/dtype.h", "#define FUSELAGE_NICE 1\n", "defines the macro FUSELAGE_NICE"},
    // The tree.
    {"host/data/csv.cpp", "#include \"host/data/gone.h\"\n", "which is not in the tree"},
    {"include/fuselage/core/math.h", "#include \"fuselage/core/math.h\"\n", "in a cycle"},
};

INSTANTIATE_TEST_SUITE_P(Rules, PlantedBreach, testing::ValuesIn(kPlanted));

TEST(Layering, FindsCyclesOverSeveralFiles) {
  const std::vector<std::string> found = breaches({{"host/data/a.h", "#include \"host/data/b.h\"\n"},
                                                   {"host/data/b.h", "#include \"host/data/c.h\"\n"},
                                                   {"host/data/c.h", "#include \"host/data/a.h\"\n"}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].find("in a cycle"), std::string::npos) << found[0];
}

TEST(Layering, RefusesFilesOverFourHundredLines) {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "int x;\n";
  EXPECT_TRUE(breaches({{"host/data/a.cpp", text}}).empty());
  EXPECT_EQ(breaches({{"host/data/a.cpp", text + "\n"}}).size(), 1u);
}

TEST(Layering, TellsCodeFromCommentsAndStrings) {
  EXPECT_EQ(code_of("a /* b\nc */ d"), "a     \n     d");
  EXPECT_EQ(code_of("a \"x\\\"y\" b"), "a        b");
  EXPECT_EQ(code_of("a // b\nc"), "a     \nc");
  EXPECT_EQ(code_of("R\"x(a)\" )x\" b"), "            b");
  EXPECT_EQ(code_of("1'000 'x'"), "1'000    ");
}

}  // namespace
