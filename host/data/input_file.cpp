// InputFile and ByteStream: exact reads of untrusted files, plain and gzip.
#include "host/data/input_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace fuselage::data {
namespace {

constexpr std::size_t kMostPerCall = std::size_t{1} << 30;
constexpr std::uint64_t kDeflateBound = 1032;  // 258 bytes from two bits

[[noreturn]] void fail(std::string_view action, const std::string& name, int error) {
  throw Error(Errc::io, fmt::format("cannot {} {}: {}", action, name, std::generic_category().message(error)));
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::size_t kMost = 40;
  std::string result = "'";
  for (const char c : text.substr(0, kMost)) {
    if (c >= 0x20 && c < 0x7f)
      result += c;
    else
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return result + (text.size() > kMost ? fmt::format("...' ({} bytes)", text.size()) : "'");
}

InputFile::InputFile(const std::filesystem::path& path) : name_("'" + path.string() + "'") {
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  do fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  while (fd_ < 0 && errno == EINTR);
  if (fd_ < 0) fail("open", name_, errno);
  struct stat status {};
  const int error = ::fstat(fd_, &status) != 0 ? errno : 0;
  if (error != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd_);
    if (error != 0) fail("examine", name_, error);
    throw Error(Errc::io, fmt::format("cannot read {}: it is not a regular file", name_));
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

InputFile::~InputFile() { ::close(fd_); }

std::size_t InputFile::read_some(void* to, std::size_t count) {
  std::size_t done = 0;
  while (done < count && left() > 0) {
    const std::size_t part = static_cast<std::size_t>(std::min<std::uint64_t>({count - done, kMostPerCall, left()}));
    const ssize_t n = ::read(fd_, static_cast<char*>(to) + done, part);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", name_, errno);
    if (n == 0) refuse(offset_, fmt::format("the file shrank while it was read, from {} bytes", size_));
    done += static_cast<std::size_t>(n);
    offset_ += static_cast<std::uint64_t>(n);
  }
  return done;
}

void InputFile::read(void* to, std::uint64_t count, std::string_view what) {
  if (count > left())
    refuse(offset_, fmt::format("expected {} bytes of {}, but only {} are left", count, what, left()));
  read_some(to, count);
}

void InputFile::rewind() {
  if (::lseek(fd_, 0, SEEK_SET) != 0) fail("read", name_, errno);
  offset_ = 0;
}

void InputFile::refuse(std::uint64_t offset, std::string_view message) const {
  throw Error(Errc::format, fmt::format("{}, byte {}: {}", name_, offset, message));
}

std::string read_text(InputFile& file) {
  std::string text;
  try {
    text.resize(file.left());
  } catch (const std::exception&) {  // bad_alloc or length_error
    throw Error(Errc::out_of_memory, fmt::format("cannot allocate {} bytes to read {}", file.left(), file.name()));
  }
  file.read(text.data(), text.size(), "text");
  return text;
}

struct ByteStream::Gzip {
  z_stream z{};
  unsigned char input[std::size_t{1} << 16];
  bool at_member_end = false;

  Gzip() {
    if (inflateInit2(&z, 15 + 16) != Z_OK) throw Error(Errc::out_of_memory, "cannot allocate zlib's window");
  }
  ~Gzip() { inflateEnd(&z); }
};

ByteStream::ByteStream(const std::filesystem::path& path) : file_(path) {
  unsigned char magic[2];
  const bool gzip = file_.size() >= 2 && file_.read_some(magic, 2) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
  file_.rewind();
  if (gzip) gzip_ = std::make_unique<Gzip>();
}

ByteStream::~ByteStream() = default;

std::uint64_t ByteStream::most() const { return compressed() ? file_.size() * kDeflateBound : file_.size(); }

void ByteStream::refuse(std::uint64_t offset, std::string_view message) const {
  if (!compressed()) file_.refuse(offset, message);
  throw Error(Errc::format, fmt::format("{}, byte {} of the decompressed data: {}", name(), offset, message));
}

std::size_t ByteStream::inflate(void* to, std::size_t count) {
  Gzip& g = *gzip_;
  std::size_t done = 0;
  while (true) {
    if (g.z.avail_in == 0) {
      g.z.next_in = g.input;
      g.z.avail_in = static_cast<uInt>(file_.read_some(g.input, sizeof g.input));
    }
    if (g.at_member_end) {  // a gzip file is a sequence of members
      if (g.z.avail_in == 0) return done;
      inflateReset(&g.z);
      g.at_member_end = false;
    }
    const std::size_t room = std::min(count - done, kMostPerCall);
    g.z.next_out = static_cast<Bytef*>(to) + done;
    g.z.avail_out = static_cast<uInt>(room);
    const bool had_input = g.z.avail_in > 0;
    const int status = ::inflate(&g.z, Z_NO_FLUSH);
    done += room - g.z.avail_out;
    g.at_member_end = status == Z_STREAM_END;
    if (status == Z_MEM_ERROR) throw Error(Errc::out_of_memory, "zlib is out of memory");
    const std::uint64_t at = file_.offset() - g.z.avail_in;
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
      file_.refuse(at, fmt::format("damaged gzip data ({})", g.z.msg != nullptr ? g.z.msg : "no detail"));
    if (status == Z_BUF_ERROR && !had_input) file_.refuse(at, "the gzip data is truncated");
    if (done == count) return done;
  }
}

void ByteStream::read(void* to, std::uint64_t count, std::string_view what) {
  if (!compressed()) {
    file_.read(to, count, what);
  } else if (count > 0) {
    const std::size_t got = inflate(to, count);
    if (got < count) refuse(offset_, fmt::format("expected {} bytes of {}, but only {} are left", count, what, got));
  }
  offset_ += count;
}

void ByteStream::expect_end() {
  unsigned char extra;
  if (compressed() ? inflate(&extra, 1) > 0 : file_.left() > 0)
    refuse(offset_, "expected the end of the file, but more data follows");
}

}  // namespace fuselage::data
