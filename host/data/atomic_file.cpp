// AtomicFile: temporary file, checked writes, fsync, rename, fsync of the folder.
#include "host/data/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "fuselage/core/error.h"

namespace fuselage::data {
namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 18;

int open_file(const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); }

std::string reason(int error) { return std::generic_category().message(error); }

/// The file that a chain of symbolic links names, whether it exists or not.
std::filesystem::path follow(std::filesystem::path path) {
  std::error_code ignored;
  for (int depth = 0; depth < 40 && std::filesystem::is_symlink(path, ignored); ++depth) {
    const std::filesystem::path target = std::filesystem::read_symlink(path, ignored);
    path = target.is_absolute() ? target : path.parent_path() / target;
  }
  return path;
}

/// Unique among the threads of this process and among processes.
std::filesystem::path temporary_name(const std::filesystem::path& path) {
  static std::atomic<unsigned> counter{0};
  std::filesystem::path result = path;
  result += fmt::format(".tmp.{}.{}", ::getpid(), counter++);
  return result;
}

}  // namespace

const FileCalls& system_calls() {
  static const FileCalls calls{open_file, ::write, ::fsync, ::close, std::rename, ::unlink};
  return calls;
}

AtomicFile::AtomicFile(const std::filesystem::path& path, const FileCalls& calls) : calls_(calls), path_(follow(path)) {
  struct stat old {};
  const bool exists = ::stat(path_.c_str(), &old) == 0;
  if (exists && !S_ISREG(old.st_mode))
    throw Error(Errc::io, fmt::format("cannot write '{}': it is not a regular file", path_.string()));
  buffer_.reserve(kBuffer);
  do {  // a name left behind by a killed process with the same id is passed over
    temporary_ = temporary_name(path_);
    fd_ = calls_.open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (fd_ < 0 && (errno == EEXIST || errno == EINTR));
  if (fd_ < 0) {
    const int error = errno;
    throw Error(Errc::io, fmt::format("cannot create '{}': {}", temporary_.string(), reason(error)));
  }
  if (exists && ::fchmod(fd_, old.st_mode & 07777) != 0) fail("set the permissions of");
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (fd_ >= 0) calls_.close(fd_);
  fd_ = -1;
  if (!temporary_.empty()) calls_.unlink(temporary_.c_str());
  temporary_.clear();
}

void AtomicFile::fail(const char* action) {
  const int error = errno;
  discard();
  throw Error(Errc::io, fmt::format("cannot {} '{}': {}", action, path_.string(), reason(error)));
}

void AtomicFile::write(const void* bytes, std::size_t count) {
  require(fd_ >= 0, Errc::io, "write to a file that was committed or has failed");
  const char* from = static_cast<const char*>(bytes);
  while (count > 0) {
    const std::size_t part = std::min(count, kBuffer - buffer_.size());
    buffer_.append(from, part);
    from += part;
    count -= part;
    if (buffer_.size() == kBuffer) flush();
  }
}

void AtomicFile::flush() {
  std::size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t n = calls_.write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = EIO;  // a file that takes nothing and gives no reason would be tried forever
    if (n <= 0) fail("write");
    done += static_cast<std::size_t>(n);
  }
  buffer_.clear();
}

void AtomicFile::sync() {
  require(fd_ >= 0, Errc::io, "sync of a file that was committed or has failed");
  flush();
  while (calls_.fsync(fd_) != 0)
    if (errno != EINTR) fail("sync");
  const int closed = calls_.close(fd_);
  fd_ = -1;  // Linux releases the descriptor even when close reports an error
  if (closed != 0 && errno != EINTR) fail("close");
  synced_ = true;
}

void AtomicFile::commit() {
  require(fd_ >= 0 || synced_, Errc::io, "commit of a file that was committed or has failed");
  if (!synced_) sync();
  synced_ = false;
  if (calls_.rename(temporary_.c_str(), path_.c_str()) != 0) fail("rename the temporary file to");
  temporary_.clear();

  // Until the folder is synced, a power loss can bring the old file back, or nothing.
  const std::filesystem::path folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
  int fd = -1;
  do fd = calls_.open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  while (fd < 0 && errno == EINTR);
  int synced = -1;
  if (fd >= 0) {
    do synced = calls_.fsync(fd);
    while (synced != 0 && errno == EINTR);
  }
  const int error = errno;
  if (fd >= 0) calls_.close(fd);
  // EINVAL: a file system whose folders cannot be synced, where there is nothing more to do.
  if (synced != 0 && error != EINVAL)
    throw Error(Errc::io, fmt::format("'{}' is written, but its folder could not be synced, so it may not survive a "
                                      "power loss: {}",
                                      path_.string(), reason(error)));
}

void write_atomically(const std::filesystem::path& path, std::string_view contents, const FileCalls& calls) {
  AtomicFile file(path, calls);
  file.write(contents);
  file.commit();
}

}  // namespace fuselage::data
