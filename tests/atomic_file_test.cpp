// AtomicFile: what is under the name is the old file or the new one, whatever system call fails.
#include "host/data/atomic_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "tests/support/files.h"

namespace fuselage::data {
namespace {

using test::bytes_of;
using test::expect_error;
using test::TempFolder;

/// Calls that are counted and logged; the one whose number is `fail_at` fails with `error`, or, for a write with error
/// 0, is cut short.
struct Fault {
  int calls = 0, fail_at = -1, error = 0;
  std::vector<std::string> log;

  bool now(const char* name) {
    log.emplace_back(name);
    if (calls++ != fail_at || error == 0) return false;
    errno = error;
    return true;
  }
};
Fault fault;

int open_call(const char* path, int flags, mode_t mode) {
  const bool folder = (flags & O_DIRECTORY) != 0;
  return fault.now(folder ? "open folder" : "open") ? -1 : ::open(path, flags, mode);
}
ssize_t write_call(int fd, const void* bytes, std::size_t count) {
  const bool here = fault.calls == fault.fail_at;
  if (fault.now("write")) return -1;
  return ::write(fd, bytes, here ? std::min<std::size_t>(count, 3) : count);
}
int fsync_call(int fd) { return fault.now("fsync") ? -1 : ::fsync(fd); }
int close_call(int fd) {
  const int result = ::close(fd);  // Linux frees the descriptor even when it reports an error
  return fault.now("close") ? -1 : result;
}
int rename_call(const char* from, const char* to) { return fault.now("rename") ? -1 : ::rename(from, to); }
int unlink_call(const char* path) { return ::unlink(path); }

const FileCalls kFaulty{open_call, write_call, fsync_call, close_call, rename_call, unlink_call};

const std::string kOld(700000, 'o'), kNew(900001, 'n');

TEST(AtomicFile, WritesAndReplaces) {
  const TempFolder folder;
  write_atomically(folder / "a", kOld);
  EXPECT_EQ(bytes_of(folder / "a"), kOld);
  {
    AtomicFile file(folder / "a");
    for (std::size_t i = 0; i < kNew.size(); i += 7)
      file.write(kNew.data() + i, std::min<std::size_t>(7, kNew.size() - i));
    EXPECT_EQ(bytes_of(folder / "a"), kOld) << "before the commit the old file stands";
    file.commit();
    expect_error(Errc::io, {"committed"}, [&] { file.commit(); });
    expect_error(Errc::io, {"committed"}, [&] { file.write("x"); });
  }
  EXPECT_EQ(bytes_of(folder / "a"), kNew);
  write_atomically(folder / "empty", "");
  EXPECT_EQ(bytes_of(folder / "empty"), "");
  EXPECT_EQ(folder.entries(), 2);
}

TEST(AtomicFile, WithoutCommitNothingChanges) {
  const TempFolder folder;
  folder.file("a", kOld);
  {
    AtomicFile file(folder / "a");
    file.write(kNew);
  }
  EXPECT_EQ(bytes_of(folder / "a"), kOld);
  EXPECT_EQ(folder.entries(), 1);
}

TEST(AtomicFile, SyncsBeforeTheNewNameAndTheFolderAfter) {
  const TempFolder folder;
  fault = {};
  write_atomically(folder / "a", "text", kFaulty);
  const std::vector<std::string> expected{"open", "write", "fsync", "close", "rename", "open folder", "fsync", "close"};
  EXPECT_EQ(fault.log, expected);
}

TEST(AtomicFile, EveryFailingCallLeavesTheOldFile) {
  const TempFolder folder;
  fault = {};
  folder.file("a", kOld);
  write_atomically(folder / "a", kNew, kFaulty);
  const std::vector<std::string> calls = fault.log;
  const auto renamed = static_cast<int>(std::find(calls.begin(), calls.end(), "rename") - calls.begin());
  int faults = 0;
  for (int at = 0; at + 1 < static_cast<int>(calls.size()); ++at) {  // the last one closes the folder: nothing to lose
    for (const int error : {ENOSPC, EIO, EDQUOT, EROFS, EACCES, EFBIG}) {
      SCOPED_TRACE(calls[static_cast<std::size_t>(at)] + ": " + std::strerror(error));
      folder.file("a", kOld);
      fault = {};
      fault.fail_at = at;
      fault.error = error;
      expect_error(Errc::io, {(folder / "a").string(), std::strerror(error)},
                   [&] { write_atomically(folder / "a", kNew, kFaulty); });
      EXPECT_TRUE(bytes_of(folder / "a") == (at <= renamed ? kOld : kNew));
      EXPECT_EQ(folder.entries(), 1) << "the temporary file is left behind";
      ++faults;
    }
  }
  EXPECT_GE(faults, 54);
}

TEST(AtomicFile, InterruptedAndShortCallsGoOn) {
  const TempFolder folder;
  fault = {};
  write_atomically(folder / "a", kNew, kFaulty);
  const int calls = fault.calls;
  for (int at = 0; at < calls; ++at) {
    for (const int error : {0, EINTR}) {
      if (error == EINTR && fault.log[static_cast<std::size_t>(at)] == "rename") continue;  // never interrupted
      SCOPED_TRACE(testing::Message() << "call " << at << " error " << error);
      folder.file("a", kOld);
      fault.calls = 0;
      fault.fail_at = at;
      fault.error = error;
      fault.log.resize(static_cast<std::size_t>(calls));
      write_atomically(folder / "a", kNew, kFaulty);
      EXPECT_TRUE(bytes_of(folder / "a") == kNew);
    }
  }
}

TEST(AtomicFile, FoldersThatCannotBeSyncedAreNoError) {
  const TempFolder folder;
  fault = {};
  write_atomically(folder / "a", kOld, kFaulty);
  const auto last_sync = fault.calls - 2;
  fault = {};
  fault.fail_at = last_sync;
  fault.error = EINVAL;
  EXPECT_NO_THROW(write_atomically(folder / "a", kNew, kFaulty));
}

TEST(AtomicFile, KeepsPermissionsAndFollowsLinks) {
  const TempFolder folder;
  folder.file("a", kOld);
  ASSERT_EQ(::chmod((folder / "a").c_str(), 0640), 0);
  std::filesystem::create_directory(folder / "sub");
  std::filesystem::create_symlink("../a", folder / "sub" / "link");
  write_atomically(folder / "sub" / "link", kNew);
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "sub" / "link"));
  EXPECT_TRUE(bytes_of(folder / "a") == kNew);
  struct stat status {};
  ASSERT_EQ(::stat((folder / "a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777u, 0640u);
}

TEST(AtomicFile, RefusesByName) {
  const TempFolder folder;
  expect_error(Errc::io, {"missing", "No such file"}, [&] { AtomicFile file(folder / "missing" / "a"); });
  expect_error(Errc::io, {folder.path().string(), "not a regular file"}, [&] { AtomicFile file(folder.path()); });
}

TEST(AtomicFile, RelativePathsUseTheCurrentFolder) {
  const TempFolder folder;
  const std::filesystem::path old = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_atomically("here", "text");
  std::filesystem::current_path(old);
  EXPECT_EQ(bytes_of(folder / "here"), "text");
}

}  // namespace
}  // namespace fuselage::data
