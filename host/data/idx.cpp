// IDX: two zero bytes, a type, a rank, big-endian extents of 32 bits, big-endian elements.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "fuselage/data.h"
#include "host/data/atomic_file.h"
#include "host/data/elements.h"
#include "host/data/input_file.h"

namespace fuselage {
namespace {

struct IdxType {
  std::uint8_t code;
  DType type;
};
constexpr IdxType kIdxTypes[] = {{0x08, DType::u8},  {0x09, DType::i8},  {0x0b, DType::i16},
                                 {0x0c, DType::i32}, {0x0d, DType::f32}, {0x0e, DType::f64}};

DType element_type(const data::ByteStream& in, std::uint8_t code) {
  for (const IdxType& t : kIdxTypes)
    if (t.code == code) return t.type;
  in.refuse(2, fmt::format("expected an IDX element type (08, 09, 0b, 0c, 0d or 0e), found {:02x}", code));
}

}  // namespace

Array read_idx(const std::filesystem::path& path) {
  data::ByteStream in(path);
  std::uint8_t head[4];
  in.read(head, 4, "IDX header");
  if (head[0] != 0 || head[1] != 0)
    in.refuse(0, fmt::format("expected an IDX file, which begins with 00 00, found {:02x} {:02x}", head[0], head[1]));
  const DType type = element_type(in, head[2]);
  const int rank = head[3];
  if (rank < 1 || rank > kMaxRank) in.refuse(3, fmt::format("expected a rank of 1 to {}, found {}", kMaxRank, rank));

  std::uint32_t extents[kMaxRank];
  in.read(extents, static_cast<std::uint64_t>(rank) * 4, "IDX extents");
  std::vector<std::int64_t> shape;
  for (int i = 0; i < rank; ++i) shape.push_back(data::byte_swapped(extents[i]));
  const std::uint64_t header = in.offset();
  const auto bytes = static_cast<std::uint64_t>(
      checked_bytes(type, shape, fmt::format("{}, byte 4: IDX extents", in.name()), Errc::format));

  // Compared before anything is allocated: exactly for a plain file, with the most that deflate can hold for gzip.
  if (in.compressed() ? bytes > in.most() : bytes != in.most() - header)
    in.refuse(header, fmt::format("shape [{}] of {} takes {} bytes, but the file {} {}", fmt::join(shape, ", "),
                                  name_of(type), bytes, in.compressed() ? "cannot expand to more than" : "has",
                                  in.compressed() ? in.most() : in.most() - header));
  Array array = Array::uninitialized(type, std::move(shape));
  in.read(array.data(), bytes, "IDX elements");
  in.expect_end();
  data::reverse_each(array.data(), static_cast<std::size_t>(array.size()), size_of(type));
  return array;
}

void write_idx(const std::filesystem::path& path, const Array& array) {
  const auto* const found = std::find_if(std::begin(kIdxTypes), std::end(kIdxTypes),
                                         [&](const IdxType& t) { return t.type == array.dtype(); });
  if (found == std::end(kIdxTypes))
    throw Error(Errc::bad_dtype,
                fmt::format("'{}': IDX has no element type for {}", path.string(), name_of(array.dtype())));
  require(array.rank() >= 1, Errc::bad_shape, "IDX needs a rank of at least 1, got an array of rank 0");
  for (const std::int64_t extent : array.shape())
    if (extent > 0xffffffff)
      throw Error(Errc::bad_shape, fmt::format("'{}': extent {} does not fit IDX's 32 bits", path.string(), extent));

  data::AtomicFile out(path);
  const std::uint8_t head[4] = {0, 0, found->code, static_cast<std::uint8_t>(array.rank())};
  out.write(head, sizeof head);
  for (const std::int64_t extent : array.shape()) {
    const std::uint32_t big_endian = data::byte_swapped(static_cast<std::uint32_t>(extent));
    out.write(&big_endian, sizeof big_endian);
  }
  std::byte block[4096];  // a whole number of elements of every width
  for (std::int64_t at = 0; at < array.bytes(); at += static_cast<std::int64_t>(sizeof block)) {
    const auto part = static_cast<std::size_t>(std::min<std::int64_t>(array.bytes() - at, sizeof block));
    std::copy_n(array.data() + at, part, block);
    data::reverse_each(block, part / size_of(array.dtype()), size_of(array.dtype()));
    out.write(block, part);
  }
  out.commit();
}

}  // namespace fuselage
