// A file that appears under its name complete and synced, or not at all.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace fuselage::data {

/// The system calls that AtomicFile makes, in a table so that a test can make each of them fail.
struct FileCalls {
  int (*open)(const char* path, int flags, mode_t mode);
  ssize_t (*write)(int fd, const void* bytes, std::size_t count);
  int (*fsync)(int fd);
  int (*close)(int fd);
  int (*rename)(const char* from, const char* to);
  int (*unlink)(const char* path);
};

const FileCalls& system_calls();

/// Writes to a temporary file in the folder of `path`; commit() syncs it, renames it to `path` and syncs the folder.
/// Whatever fails throws Error(io) with the path and the system's reason, the temporary file is removed, and the old
/// file under `path` is as it was. The one exception: when the rename succeeded and syncing the folder did not, the new
/// file is in place and the message says that it may not survive a power loss. A symbolic link is followed, not
/// replaced; the permissions of an existing file are kept.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path, const FileCalls& calls = system_calls());
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  /// Removes the temporary file unless commit() succeeded.
  ~AtomicFile();

  void write(const void* bytes, std::size_t count);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// The bytes are on their medium, nothing more is written, and all that can fail for lack of room or of rights has
  /// been tried: what is left to commit() is the name.
  void sync();
  /// Once, at the end; afterwards the object only waits for its destructor.
  void commit();

 private:
  [[noreturn]] void fail(const char* action);
  void discard() noexcept;
  void flush();

  const FileCalls& calls_;
  std::filesystem::path path_, temporary_;
  int fd_ = -1;
  bool synced_ = false;
  std::string buffer_;  // small writes gathered into large ones
};

void write_atomically(const std::filesystem::path& path, std::string_view contents,
                      const FileCalls& calls = system_calls());

}  // namespace fuselage::data
