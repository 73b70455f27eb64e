// After a whole run on the emulated device: no kernel that this program is to launch and did not. Kernels are read from
// the program's own table of symbols, so a new template instance counts by itself.
#include <cxxabi.h>
#include <elf.h>
#include <gtest/gtest.h>
#include <link.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/simt/launch.h"

namespace fuselage::cases {
namespace {

std::vector<char> own_image() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::uintptr_t load_address() {
  std::uintptr_t address = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* to) {
        *static_cast<std::uintptr_t*>(to) = info->dlpi_addr;
        return 1;  // the program comes first
      },
      &address);
  return address;
}

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status), std::free);
  return status == 0 ? text.get() : "";
}

/// A kernel is a function of fuselage::kernels whose name ends in _kernel; the probe is there to be asked about, not to
/// be launched.
bool is_kernel(const std::string& text) {
  const std::size_t end = std::min(text.find("_kernel<"), text.find("_kernel("));
  return end != std::string::npos && text.find("fuselage::kernels::") < end && text.find("probe_kernel") > end &&
         text.find("{lambda") == std::string::npos && text.find('[') == std::string::npos;
}

/// Which test launches the kernels of this name. Those of losses of one's own are custom_bits_test's; all others are
/// those of the case matrix, in bits_test.
struct Claim {
  std::string_view test, kernel;
};
constexpr Claim kClaims[] = {
    {"combined_bits_test", "weigh_kernel"},         {"combined_bits_test", "total_kernel"},
    {"combined_bits_test", "add_kernel"},           {"combined_bits_test", "norm_kernel"},
    {"pairs_bits_test", "pack_rows_kernel"},        {"pairs_bits_test", "unpack_gradient_kernel"},
    {"pairs_bits_test", "begin_pairs_kernel"},      {"pairs_bits_test", "exclude_pairs_kernel"},
    {"pairs_bits_test", "end_pairs_kernel"},        {"pairs_bits_test", "triplet_distances_kernel"},
    {"pairs_bits_test", "triplet_classes_kernel"},  {"pairs_bits_test", "triplet_hard_kernel"},
    {"pairs_bits_test", "triplet_all_kernel"},      {"pairs_bits_test", "triplet_close_kernel"},
    {"pairs_bits_test", "triplet_gradient_kernel"},
};

/// Whether the test in the program at `path` is the one to launch the kernel called `text`.
bool is_of(const std::string& path, const std::string& text) {
  const std::string_view program = std::string_view(path).substr(path.rfind('/') + 1);
  if (text.find("fuselage::OwnLoss<") != std::string::npos) return program.starts_with("custom_bits_test");
  const std::size_t end = std::min(text.find("_kernel<"), text.find("_kernel(")) + 7;
  const std::string_view name = std::string_view(text).substr(0, end);
  for (const Claim& claim : kClaims)
    if (name.ends_with("::" + std::string(claim.kernel))) return program.starts_with(claim.test);
  return program.starts_with("bits_test");
}

/// Address and name of every kernel that this program is to launch.
std::map<const void*, std::string> kernels_of_program() {
  const std::vector<char> image = own_image();
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  const auto at = [&]<class T>(std::size_t offset, T item) {
    std::memcpy(&item, image.data() + offset, sizeof item);
    return item;
  };
  std::map<const void*, std::string> kernels;
  bool has_symbols = false;
  const auto head = at(0, Elf64_Ehdr{});
  for (int i = 0; i < head.e_shnum; ++i) {
    const auto section = at(head.e_shoff + static_cast<std::size_t>(i) * head.e_shentsize, Elf64_Shdr{});
    if (section.sh_type != SHT_SYMTAB) continue;
    has_symbols = true;
    const auto names = at(head.e_shoff + std::size_t{section.sh_link} * head.e_shentsize, Elf64_Shdr{});
    for (std::size_t s = 0; s < section.sh_size; s += sizeof(Elf64_Sym)) {
      const auto symbol = at(section.sh_offset + s, Elf64_Sym{});
      const char* name = image.data() + names.sh_offset + symbol.st_name;
      if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF || std::strchr(name, '.')) continue;
      const std::string text = demangled(name);
      if (is_kernel(text) && is_of(program, text))
        kernels[reinterpret_cast<const void*>(load_address() + symbol.st_value)] = text;
    }
  }
  EXPECT_TRUE(has_symbols) << "the program has no table of symbols";
  return kernels;
}

class EveryKernelIsLaunched : public ::testing::Environment {
 public:
  void TearDown() override {
    if (::testing::GTEST_FLAG(filter) != "*" || ::testing::UnitTest::GetInstance()->Failed()) return;
    const auto kernels = kernels_of_program();
    std::size_t launched = 0;
    for (const auto& [address, name] : kernels) {
      const bool seen = simt::launched_kernels().contains(address);
      launched += seen;
      EXPECT_TRUE(seen) << "no case launches " << name;
    }
    if (kernels.empty()) return;  // the test has none of its own
    std::printf("%zu of %zu kernels were launched\n", launched, kernels.size());
  }
};

const auto* const registered = ::testing::AddGlobalTestEnvironment(new EveryKernelIsLaunched);

}  // namespace
}  // namespace fuselage::cases
