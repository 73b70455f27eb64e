#include "tests/simt/report.h"

#include <link.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

namespace simt {

namespace {

/// Where the program was loaded: what addr2line does not know.
std::uintptr_t load_address() {
  std::uintptr_t base = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        *static_cast<std::uintptr_t*>(out) = info->dlpi_addr;
        return 1;  // the first one is the program itself
      },
      &base);
  return base;
}

std::string program_path() {
  std::array<char, 4096> path{};
  const ssize_t n = readlink("/proc/self/exe", path.data(), path.size() - 1);
  return n > 0 ? std::string(path.data(), static_cast<std::size_t>(n)) : std::string();
}

/// addr2line's answer for an address: functions and places in turns, from the innermost on. It takes a while to read a
/// program's lines, so answers are kept.
std::vector<std::string> addr2line(std::uintptr_t pc) {
  static std::mutex mutex;
  static std::map<std::uintptr_t, std::vector<std::string>> known;
  const std::lock_guard lock(mutex);
  if (const auto found = known.find(pc); found != known.end()) return found->second;
  std::array<char, 64> address{};
  std::snprintf(address.data(), address.size(), "0x%zx", static_cast<std::size_t>(pc - load_address()));
  const std::string command = "addr2line -Cfie '" + program_path() + "' " + address.data() + " 2>/dev/null";
  std::vector<std::string>& lines = known[pc];
  FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) return lines;
  std::string line;
  for (int c = 0; (c = std::fgetc(pipe)) != EOF;) {
    if (c != '\n') {
      line += static_cast<char>(c);
    } else {
      lines.push_back(line);
      line.clear();
    }
  }
  pclose(pipe);
  return lines;
}

/// A path as it stands in the source tree.
std::string in_tree(std::string path) {
  static const std::string root = [] {
    const std::string own = __FILE__;
    return own.substr(0, own.rfind("tests/simt/report.cpp"));
  }();
  if (const auto note = path.find(" (discriminator"); note != std::string::npos) path.resize(note);
  for (std::size_t at = 0; (at = path.find("/./", at)) != std::string::npos;) path.erase(at, 2);
  if (!root.empty() && path.starts_with(root)) return path.substr(root.size());
  if (!path.starts_with('/')) return path;
  for (const char* folder : {"/tests/", "/include/fuselage/", "/kernels/"})
    if (const auto at = path.rfind(folder); at != std::string::npos) return path.substr(at + 1);
  return path;
}

bool is_callers(const std::string& place) {
  return !place.starts_with("??") && place.find("tests/simt/device/") == std::string::npos &&
         place.find("tests/simt/overlay/") == std::string::npos && !place.starts_with("/usr/");
}

std::string name_of(const char* before, unsigned x, unsigned y, unsigned z) {
  return std::string(before) + " (" + std::to_string(x) + "," + std::to_string(y) + "," + std::to_string(z) + ")";
}

}  // namespace

std::string source_line(std::uintptr_t pc) {
  const std::vector<std::string> lines = addr2line(pc);
  for (std::size_t i = 1; i < lines.size(); i += 2)
    if (is_callers(lines[i]) && !lines[i].ends_with(":?")) return in_tree(lines[i]);
  for (std::size_t i = 1; i < lines.size(); i += 2)
    if (!lines[i].starts_with("??")) return in_tree(lines[i]);
  std::array<char, 32> address{};
  std::snprintf(address.data(), address.size(), "0x%zx", static_cast<std::size_t>(pc - load_address()));
  return std::string("address ") + address.data();
}

std::string source_line(const std::source_location& where) { return source_line(where.file_name(), where.line()); }

std::string source_line(const char* file, std::uint32_t line) { return in_tree(file) + ":" + std::to_string(line); }

std::string function_name(const void* function) {
  if (!function) return {};
  const std::vector<std::string> lines = addr2line(reinterpret_cast<std::uintptr_t>(function));
  // Nothing is inlined at a function's first byte, but where it is the last frame is the function itself.
  const std::size_t last = lines.size() / 2 * 2;
  return last < 2 || lines[last - 2] == "??" ? std::string() : lines[last - 2];
}

std::string thread_name(const Grid& grid, std::uint64_t block, unsigned thread) {
  const dim3 &b = grid.blocks, &t = grid.threads;
  const auto linear = [](std::uint64_t x) { return static_cast<unsigned>(x); };
  return name_of("block", linear(block % b.x), linear(block / b.x % b.y), linear(block / b.x / b.y)) + ", " +
         name_of("thread", thread % t.x, thread / t.x % t.y, thread / t.x / t.y);
}

std::string fault_text(const Grid& grid, const std::string& who, const std::string& what) {
  const std::string full = function_name(grid.kernel);
  return "kernel '" + std::string(grid.name) + "'" + (full.empty() ? "" : " [" + full + "]") + ", " + who + ": " +
         what + "\n  (SIMT_SEED=" + std::to_string(options().seed) + ")";
}

}  // namespace simt
