// Files for tests: a folder that goes away, bytes in and out, and errors that must name what they are about.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>

#include "fuselage/core/error.h"

namespace fuselage::test {

/// A fresh folder under the system's temporary one, removed with all it holds.
class TempFolder {
 public:
  TempFolder() {
    static std::atomic<int> counter{0};
    path_ = std::filesystem::temp_directory_path() /
            ("fuselage_test_" + std::to_string(::getpid()) + "_" + std::to_string(counter++));
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

  /// Writes a file and returns its path.
  std::filesystem::path file(std::string_view name, std::string_view bytes) const {
    const std::filesystem::path result = path_ / name;
    std::ofstream out(result, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.close();
    EXPECT_TRUE(out.good()) << "could not write " << result;
    return result;
  }

  std::int64_t entries() const {
    return std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator());
  }

 private:
  std::filesystem::path path_;
};

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << "could not open " << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Runs `f`, which must throw Error(code) with a message that contains every one of `parts`; returns the message.
template <class F>
std::string expect_error(Errc code, std::initializer_list<std::string_view> parts, F&& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(name_of(e.code()), name_of(code)) << e.what();
    for (const std::string_view part : parts)
      EXPECT_NE(std::string_view(e.what()).find(part), std::string_view::npos)
          << "expected '" << part << "' in: " << e.what();
    return e.what();
  }
  ADD_FAILURE() << "expected Error(" << name_of(code) << "), nothing was thrown";
  return {};
}

/// The most address space this process ever had, in bytes: sees an allocation even when it is never written.
inline std::int64_t peak_memory() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.rfind("VmPeak:", 0) == 0) return std::stoll(line.substr(7)) * 1024;
  return 0;
}

/// Little- or big-endian bytes of a number, for making files by hand.
template <class T>
std::string little(T value) {
  std::string s(sizeof(T), '\0');
  for (std::size_t i = 0; i < sizeof(T); ++i) s[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
  return s;
}
template <class T>
std::string big(T value) {
  const std::string s = little(value);
  return {s.rbegin(), s.rend()};
}

/// Every change of one bit in the first `count` bytes of `good`: f(changed, byte, bit).
template <class F>
void for_each_bit_flip(const std::string& good, std::size_t count, F&& f) {
  for (std::size_t i = 0; i < count; ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      f(bad, i, bit);
    }
}

}  // namespace fuselage::test
