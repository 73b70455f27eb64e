// Reading files that are not trusted: exact reads that know the file's size, and the same through gzip.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "fuselage/core/error.h"

namespace fuselage::data {

/// Text from a file, fit for a message: at most 40 bytes, in quotes, with control and non-ASCII bytes as \xNN.
std::string printable(std::string_view text);

/// A regular file, read front to back.
class InputFile {
 public:
  /// Throws Error(io) with the path and the system's reason; anything but a regular file is refused.
  explicit InputFile(const std::filesystem::path& path);
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile();

  /// The path, in quotes.
  const std::string& name() const { return name_; }
  std::uint64_t size() const { return size_; }
  std::uint64_t offset() const { return offset_; }
  std::uint64_t left() const { return size_ - offset_; }

  /// Exactly `count` bytes of `what`; Error(format) when the file ends before.
  void read(void* to, std::uint64_t count, std::string_view what);
  /// As many as there are, up to `count`.
  std::size_t read_some(void* to, std::size_t count);

  /// Back to the first byte.
  void rewind();

  /// Throws Error(format): file, offset and message.
  [[noreturn]] void refuse(std::uint64_t offset, std::string_view message) const;

 private:
  std::string name_;
  int fd_ = -1;
  std::uint64_t size_ = 0, offset_ = 0;
};

/// The whole file as text.
std::string read_text(InputFile& file);

/// A file that is plain or gzip, told apart by its first bytes. Nothing but its checksums is believed of a gzip file.
class ByteStream {
 public:
  explicit ByteStream(const std::filesystem::path& path);
  ~ByteStream();

  const std::string& name() const { return file_.name(); }
  bool compressed() const { return gzip_ != nullptr; }
  /// The most bytes that can come: the file's size, or 1032 times that, which is the bound of the deflate format.
  std::uint64_t most() const;
  /// Bytes given out.
  std::uint64_t offset() const { return offset_; }

  void read(void* to, std::uint64_t count, std::string_view what);
  /// Throws Error(format) unless the stream ends here, with the right checksum and nothing after it.
  void expect_end();
  [[noreturn]] void refuse(std::uint64_t offset, std::string_view message) const;

 private:
  struct Gzip;
  /// Up to `count` bytes, at least 1; fewer where the stream ends.
  std::size_t inflate(void* to, std::size_t count);

  InputFile file_;
  std::unique_ptr<Gzip> gzip_;
  std::uint64_t offset_ = 0;
};

}  // namespace fuselage::data
