// npy: "\x93NUMPY", a version, the length of a header, a Python dictionary literal with descr, fortran_order and shape,
// then the elements.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <filesystem>
#include <limits>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "fuselage/data.h"
#include "host/data/atomic_file.h"
#include "host/data/elements.h"
#include "host/data/input_file.h"

namespace fuselage {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::uint64_t kMostHeader = 10000;  // NumPy's own limit

struct NpyHeader {
  std::string descr;
  bool fortran = false;
  std::vector<std::int64_t> shape;
  std::uint64_t descr_at = 0, shape_at = 0;
};

/// The dictionary literal, no more of Python than NumPy writes: strings, booleans and a tuple of integers.
class HeaderParser {
 public:
  HeaderParser(const data::InputFile& file, std::string_view text)
      : file_(file), text_(text), base_(file.offset() - text.size()) {}

  NpyHeader parse() {
    NpyHeader header;
    bool seen[3] = {};
    expect('{');
    while (!accept('}')) {
      const std::uint64_t key_at = position();
      const std::string key = string();
      const int which = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : -1;
      if (which < 0)
        refuse(key_at, fmt::format("expected the keys descr, fortran_order and shape, found {}", data::printable(key)));
      if (std::exchange(seen[which], true)) refuse(key_at, fmt::format("the key '{}' comes twice", key));
      expect(':');
      if (which == 0) header.descr_at = position(), header.descr = descr();
      if (which == 1) header.fortran = boolean();
      if (which == 2) header.shape_at = position(), header.shape = tuple();
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (skip(); at_ != text_.size()) refuse(position(), "expected only white space after the header's dictionary");
    for (int i = 0; i < 3; ++i)
      if (!seen[i]) refuse(base_, fmt::format("the header lacks the key '{}'", kKeys[i]));
    return header;
  }

 private:
  static constexpr const char* kKeys[] = {"descr", "fortran_order", "shape"};

  [[noreturn]] void refuse(std::uint64_t at, std::string_view message) const { file_.refuse(at, message); }
  [[noreturn]] void expected(std::string_view what) const {
    refuse(base_ + at_, fmt::format("npy header: expected {}, found {}", what,
                                    at_ < text_.size() ? data::printable(text_.substr(at_, 1)) : "the header's end"));
  }

  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  std::uint64_t position() {
    skip();
    return base_ + at_;
  }
  bool accept(char c) {
    skip();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) expected(std::string("'") + c + "'");
  }
  bool word(std::string_view w) {
    skip();
    if (text_.substr(at_, w.size()) != w) return false;
    at_ += w.size();
    return true;
  }

  std::string string() {
    skip();
    if (at_ == text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) expected("a quoted string");
    const std::size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) expected("a string that ends");
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    if (inside.find('\\') != std::string_view::npos) expected("a string without escapes");
    at_ = end + 1;
    return std::string(inside);
  }
  std::string descr() {
    skip();
    if (at_ < text_.size() && text_[at_] == '[')
      refuse(base_ + at_, "record (structured) arrays are not supported; save each field on its own");
    return string();
  }
  bool boolean() {
    if (word("True")) return true;
    if (!word("False")) expected("True or False");
    return false;
  }
  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> result;
    expect('(');
    while (!accept(')')) {
      if (result.size() == static_cast<std::size_t>(kMaxRank))
        refuse(base_ + at_, fmt::format("the shape has more than {} extents", kMaxRank));
      result.push_back(integer());
      if (!accept(',')) {
        // Python reads (3) as a number: only (3,) is a tuple.
        if (result.size() == 1) expected("',' after the only extent of a tuple");
        expect(')');
        break;
      }
    }
    return result;
  }
  std::int64_t integer() {
    skip();
    const std::size_t start = at_;
    std::int64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
      if (__builtin_mul_overflow(value, std::int64_t{10}, &value) ||
          __builtin_add_overflow(value, std::int64_t{text_[at_] - '0'}, &value))
        refuse(base_ + start, "an extent exceeds 2^63 - 1");
    if (at_ == start) expected("an extent (a whole number, not negative)");
    return value;
  }

  const data::InputFile& file_;
  std::string_view text_;
  std::uint64_t base_;
  std::size_t at_ = 0;
};

enum class Widen { none, boolean, u16, u32, u64 };

struct NpyType {
  std::string_view code;  // without the byte order
  DType type;
  Widen widen = Widen::none;
};
constexpr NpyType kNpyTypes[] = {{"f4", DType::f32},
                                 {"f8", DType::f64},
                                 {"f2", DType::f16},
                                 {"u1", DType::u8},
                                 {"i1", DType::i8},
                                 {"i2", DType::i16},
                                 {"i4", DType::i32},
                                 {"i8", DType::i64},
                                 {"b1", DType::u8, Widen::boolean},
                                 {"u2", DType::i32, Widen::u16},
                                 {"u4", DType::i64, Widen::u32},
                                 {"u8", DType::i64, Widen::u64}};

struct Element {
  NpyType type;
  std::size_t width;
  bool big_endian;
};

Element element_of(const data::InputFile& file, const NpyHeader& header) {
  const std::string& d = header.descr;
  const auto refuse = [&](std::string_view why) {
    file.refuse(header.descr_at, fmt::format("element type {}: {}", data::printable(d), why));
  };
  const bool prefixed = !d.empty() && std::string_view("<>|=").find(d[0]) != std::string_view::npos;
  const std::string_view code = std::string_view(d).substr(prefixed ? 1 : 0);
  if (code.substr(0, 1) == "O") refuse("object arrays hold pickled Python code and are never read");
  for (const NpyType& t : kNpyTypes) {
    if (t.code != code) continue;
    const auto width = static_cast<std::size_t>(code[1] - '0');
    if (width > 1 && (!prefixed || d[0] == '|')) refuse("a byte order, '<' or '>', is missing");
    return {t, width, width > 1 && d[0] == '>'};
  }
  refuse("not supported; expected b1, u1, u2, u4, u8, i1, i2, i4, i8, f2, f4 or f8 with a byte order");
  return {};
}

/// Unsigned and boolean elements into the type that holds them. The values stand at the front of the wider array's
/// memory, so the loop runs from the back.
template <class From, class To>
void widen(Array& array, std::uint64_t start, const data::InputFile& file) {
  std::byte* bytes = array.data();
  for (std::int64_t i = array.size() - 1; i >= 0; --i) {
    From from;
    std::memcpy(&from, bytes + static_cast<std::size_t>(i) * sizeof(From), sizeof(From));
    if (from > static_cast<std::uint64_t>(std::numeric_limits<To>::max()))
      file.refuse(start + static_cast<std::uint64_t>(i) * sizeof(From),
                  fmt::format("element {} is {}, which does not fit int64", i, from));
    const To to = static_cast<To>(from);
    std::memcpy(bytes + static_cast<std::size_t>(i) * sizeof(To), &to, sizeof(To));
  }
}

/// Column-major to row-major: walks the result in order and steps through the source by its strides.
Array transposed(const Array& source) {
  Array result = Array::uninitialized(source.dtype(), source.shape());
  const int rank = source.rank();
  const std::size_t width = size_of(source.dtype());
  std::int64_t stride[kMaxRank], index[kMaxRank] = {};
  std::int64_t step = 1;
  for (int d = 0; d < rank; ++d) {
    stride[d] = step;
    step *= source.shape()[static_cast<std::size_t>(d)];
  }
  std::int64_t from = 0;
  for (std::int64_t i = 0; i < source.size(); ++i) {
    std::memcpy(result.data() + static_cast<std::size_t>(i) * width,
                source.data() + static_cast<std::size_t>(from) * width, width);
    for (int d = rank - 1; d >= 0; --d) {
      from += stride[d];
      if (++index[d] < source.shape()[static_cast<std::size_t>(d)]) break;
      from -= stride[d] * index[d];
      index[d] = 0;
    }
  }
  return result;
}

NpyHeader read_header(data::InputFile& file) {
  char magic[8];
  file.read(magic, 8, "npy magic and version");
  if (std::string_view(magic, 6) != kMagic) file.refuse(0, "expected an npy file, which begins with \\x93NUMPY");
  if (magic[6] < 1 || magic[6] > 3 || magic[7] != 0)
    file.refuse(6, fmt::format("expected npy version 1.0, 2.0 or 3.0, found {}.{}", +magic[6], +magic[7]));
  std::uint32_t length = 0;
  file.read(&length, magic[6] == 1 ? 2 : 4, "npy header length");
  if (length > kMostHeader || length > file.left())
    file.refuse(8, fmt::format("the header length is {}; expected at most {} and what the file has left, {}", length,
                               kMostHeader, file.left()));
  std::string text(length, '\0');
  file.read(text.data(), length, "npy header");
  return HeaderParser(file, text).parse();
}

}  // namespace

Array read_npy(const std::filesystem::path& path) {
  data::InputFile file(path);
  NpyHeader header = read_header(file);
  const Element element = element_of(file, header);
  const DType type = element.type.type;
  const std::uint64_t start = file.offset();
  const std::int64_t bytes = checked_bytes(
      type, header.shape, fmt::format("{}, byte {}: npy shape", file.name(), header.shape_at), Errc::format);
  const std::uint64_t stored = static_cast<std::uint64_t>(bytes) / size_of(type) * element.width;
  if (stored != file.left())
    file.refuse(start, fmt::format("shape [{}] of {} takes {} bytes, but the file has {}",
                                   fmt::join(header.shape, ", "), data::printable(header.descr), stored, file.left()));

  Array array = Array::uninitialized(type, header.shape);
  file.read(array.data(), stored, "npy elements");
  if (element.big_endian) data::reverse_each(array.data(), static_cast<std::size_t>(array.size()), element.width);
  switch (element.type.widen) {
    case Widen::none: break;
    case Widen::boolean:
      for (std::uint8_t& x : array.as<std::uint8_t>()) x = x != 0;
      break;
    case Widen::u16: widen<std::uint16_t, std::int32_t>(array, start, file); break;
    case Widen::u32: widen<std::uint32_t, std::int64_t>(array, start, file); break;
    case Widen::u64: widen<std::uint64_t, std::int64_t>(array, start, file); break;
  }
  return header.fortran && array.rank() > 1 ? transposed(array) : array;
}

namespace {

void write_elements(data::AtomicFile& out, const Array& array) {
  const bool brain = array.dtype() == DType::bf16;
  const DType type = brain ? DType::f32 : array.dtype();
  const auto* const found = std::find_if(std::begin(kNpyTypes), std::end(kNpyTypes),
                                         [&](const NpyType& t) { return t.type == type && t.widen == Widen::none; });
  // fmt ignores the locale, so no thousands separators can turn into further extents.
  std::string header =
      fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}{}), }}", size_of(type) == 1 ? '|' : '<',
                  found->code, fmt::join(array.shape(), ", "), array.rank() == 1 ? "," : "");
  constexpr std::size_t kPrefix = 10, kAlign = 64;  // the elements begin at a multiple of 64
  header.append((kAlign - (kPrefix + header.size() + 1) % kAlign) % kAlign, ' ');
  header += '\n';
  const auto length = static_cast<std::uint16_t>(header.size());

  out.write(kMagic);
  out.write(std::string_view("\1\0", 2));
  out.write(&length, sizeof length);
  out.write(header);
  if (brain) {
    for (const bf16 x : array.as<bf16>()) {
      const float wide = to_float(x);
      out.write(&wide, sizeof wide);
    }
  } else if (!array.empty()) {
    out.write(array.data(), static_cast<std::size_t>(array.bytes()));
  }
}

}  // namespace

void write_npy(std::span<const NpyFile> files) {
  std::deque<data::AtomicFile> written;
  std::set<std::filesystem::path> places;
  for (const NpyFile& file : files) {
    std::error_code unknown;  // such a path is refused below, with its reason
    const std::filesystem::path place = weakly_canonical(absolute(file.path, unknown), unknown);
    if (!unknown && !places.insert(place).second)
      throw Error(Errc::bad_argument, "'" + file.path.string() + "' is the file of two outputs");
    write_elements(written.emplace_back(file.path), *file.array);
    written.back().sync();
  }
  for (data::AtomicFile& file : written) file.commit();
}

void write_npy(const std::filesystem::path& path, const Array& array) {
  const NpyFile file{path, &array};
  write_npy(std::span(&file, 1));
}

}  // namespace fuselage
