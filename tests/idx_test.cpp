// IDX: round trips, gzip, real files, and files that lie.
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "fuselage/data.h"
#include "tests/support/files.h"

namespace fuselage {
namespace {

using test::big;
using test::bytes_of;
using test::expect_error;
using test::TempFolder;

std::string gzip(const std::string& data) {
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&z, data.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  z.avail_in = static_cast<uInt>(data.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string idx_header(int type, const std::vector<std::uint32_t>& shape) {
  std::string s{0, 0, static_cast<char>(type), static_cast<char>(shape.size())};
  for (const std::uint32_t n : shape) s += big(n);
  return s;
}

template <class T>
std::vector<T> ramp(std::size_t n) {
  std::vector<T> v(n);
  for (std::size_t i = 0; i < n; ++i) v[i] = static_cast<T>(static_cast<double>(i) * 37.5 - 60);
  return v;
}

template <class T>
void round_trip(const TempFolder& folder, const std::vector<std::int64_t>& shape, std::size_t n) {
  const Array array = Array::of(shape, ramp<T>(n));
  write_idx(folder / "a", array);
  EXPECT_TRUE(read_idx(folder / "a") == array) << name_of(array.dtype());
  const std::string bytes = bytes_of(folder / "a");
  EXPECT_TRUE(read_idx(folder.file("b", gzip(bytes))) == array) << "gzip, " << name_of(array.dtype());
}

TEST(Idx, RoundTripOfEveryType) {
  const TempFolder folder;
  round_trip<std::int8_t>(folder, {3, 2}, 6);
  round_trip<std::uint8_t>(folder, {7}, 7);
  round_trip<std::int16_t>(folder, {2, 3, 4}, 24);
  round_trip<std::int32_t>(folder, {2, 1, 2, 1, 2, 1, 1, 3}, 24);
  round_trip<float>(folder, {5000, 3}, 15000);
  round_trip<double>(folder, {2, 2}, 4);
  round_trip<double>(folder, {0, 5}, 0);
}

TEST(Idx, BytesAreBigEndian) {
  const TempFolder folder;
  const Array a = read_idx(folder.file("a", idx_header(0x0b, {2}) + std::string("\x01\x02\xff\xfe", 4)));
  EXPECT_EQ(a.as<std::int16_t>()[0], 0x0102);
  EXPECT_EQ(a.as<std::int16_t>()[1], -2);
  write_idx(folder / "b", Array::of<float>({1}, std::vector<float>{1.0f}));
  EXPECT_EQ(bytes_of(folder / "b"), idx_header(0x0d, {1}) + std::string("\x3f\x80\0\0", 4));
}

TEST(Idx, MoreItemsThanSixteenBits) {
  const TempFolder folder;
  const Array array = Array::of({78200, 2}, ramp<std::int32_t>(156400));
  write_idx(folder / "a", array);
  EXPECT_TRUE(read_idx(folder / "a") == array);
}

TEST(Idx, EveryPrefixIsRefused) {
  const TempFolder folder;
  const std::string good = idx_header(8, {2, 3}) + "abcdef";
  EXPECT_EQ(read_idx(folder.file("good", good)).size(), 6);
  for (std::size_t n = 0; n < good.size(); ++n) {
    const auto path = folder.file("cut", good.substr(0, n));
    expect_error(Errc::format, {"cut", n < 12 ? "are left" : "but the file has"}, [&] { read_idx(path); });
  }
  const std::string packed = gzip(good);
  EXPECT_EQ(read_idx(folder.file("good", packed)).size(), 6);
  for (std::size_t n = 0; n < packed.size(); ++n) {
    const auto path = folder.file("cut", packed.substr(0, n));
    expect_error(Errc::format, {"cut", "byte"}, [&] { read_idx(path); });
  }
}

TEST(Idx, EveryBitFlipIsRefusedOrHarmless) {
  const TempFolder folder;
  const std::string good = idx_header(8, {2, 3}) + "abcdef";
  test::for_each_bit_flip(good, 12, [&](const std::string& bad, std::size_t byte, int bit) {
    SCOPED_TRACE(testing::Message() << "byte " << byte << " bit " << bit);
    const auto path = folder.file("flip", bad);
    if (byte == 2 && bit == 0)
      EXPECT_EQ(read_idx(path).dtype(), DType::i8);  // a type of the same size
    else
      expect_error(Errc::format, {"flip"}, [&] { read_idx(path); });
  });
  // In gzip only a few header fields (time, system, flags for text) may change without a checksum noticing.
  const std::string packed = gzip(good);
  const Array expected = read_idx(folder.file("good", packed));
  int harmless = 0;
  test::for_each_bit_flip(packed, packed.size(), [&](const std::string& bad, std::size_t byte, int bit) {
    const auto path = folder.file("flip", bad);
    try {
      EXPECT_TRUE(read_idx(path) == expected) << "byte " << byte << " bit " << bit;
      ++harmless;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::format);
    }
  });
  EXPECT_LT(harmless, 8 * 10);
}

TEST(Idx, MessagesNameWhatIsWrong) {
  const TempFolder folder;
  const auto refuse = [&](const std::string& bytes, std::initializer_list<std::string_view> parts) {
    const auto path = folder.file("bad", bytes);
    expect_error(Errc::format, parts, [&] { read_idx(path); });
  };
  refuse("PK\3\4", {"bad", "byte 0", "00 00", "50 4b"});
  refuse(idx_header(0x0a, {1}) + "a", {"byte 2", "0a"});
  refuse(idx_header(8, {}), {"byte 3", "rank", "found 0"});
  refuse(idx_header(8, {1, 1, 1, 1, 1, 1, 1, 1, 1}) + "a", {"byte 3", "rank", "found 9"});
  refuse(idx_header(8, {2, 3}) + "abcde", {"byte 12", "[2, 3]", "takes 6", "has 5"});
  refuse(idx_header(8, {2, 3}) + "abcdefg", {"takes 6", "has 7"});
  refuse(idx_header(8, {0, 3}) + "a", {"takes 0", "has 1"});
  refuse(gzip(idx_header(8, {2, 3}) + "abcdefg"), {"byte 18 of the decompressed", "more data follows"});
  refuse(gzip(idx_header(8, {2, 3}) + "abcde"), {"IDX elements", "only 5"});
  refuse(gzip(idx_header(8, {2, 3}) + "abcdef") + "x", {"bad"});
  expect_error(Errc::io, {"nowhere", "No such file"}, [&] { read_idx(folder / "nowhere"); });
  expect_error(Errc::io, {"not a regular file"}, [&] { read_idx(folder.path()); });
}

TEST(Idx, GzipMembersFollowEachOther) {
  const TempFolder folder;
  const std::string good = idx_header(8, {2, 3}) + "abcdef";
  EXPECT_EQ(read_idx(folder.file("a", gzip(good.substr(0, 7)) + gzip(good.substr(7)) + gzip(""))).size(), 6);
}

TEST(Idx, LyingHeadersTakeNoMemory) {
  const TempFolder folder;
  const std::int64_t before = test::peak_memory();
  const std::uint32_t huge = 0xffffffff;
  for (const auto& shape : {std::vector<std::uint32_t>{huge}, {huge, huge}, {huge, huge, huge}, {1u << 31, 64}}) {
    const auto path = folder.file("bad", idx_header(8, shape) + "abc");
    expect_error(Errc::format, {"bad", "byte"}, [&] { read_idx(path); });
    const auto packed = folder.file("bad.gz", gzip(idx_header(8, shape) + std::string(1000, 'a')));
    expect_error(Errc::format, {"bad.gz", "byte"}, [&] { read_idx(packed); });
  }
  EXPECT_LE(test::peak_memory() - before, 64 << 20);
}

TEST(Idx, ExpansionIsBounded) {
  const TempFolder folder;
  const std::string content(4 << 20, '\0');  // 1000 : 1, the most that deflate can do, is a right file
  EXPECT_EQ(read_idx(folder.file("a", gzip(idx_header(8, {4 << 20}) + content))).size(), 4 << 20);
  const std::string packed = gzip(idx_header(8, {0xffffffff}) + content);
  const auto path = folder.file("bomb", packed);
  expect_error(Errc::format, {"bomb", "cannot expand"}, [&] { read_idx(path); });
}

TEST(Idx, WriterRefusesWhatTheFormatLacks) {
  const TempFolder folder;
  expect_error(Errc::bad_dtype, {"i64"}, [&] { write_idx(folder / "a", Array(DType::i64, {2})); });
  expect_error(Errc::bad_shape, {"rank 0"}, [&] { write_idx(folder / "a", Array(DType::u8, {})); });
  expect_error(Errc::bad_shape, {"4294967296"}, [&] { write_idx(folder / "a", Array(DType::u8, {4294967296, 0})); });
  EXPECT_EQ(folder.entries(), 0);
}

TEST(Idx, FashionMnist) {
  const std::filesystem::path folder = "/usr/share/datasets/fashion-mnist";
  if (!std::filesystem::exists(folder / "t10k-images-idx3-ubyte.gz"))
    GTEST_SKIP() << folder << " is absent (Debian package dataset-fashion-mnist)";
  for (const auto& [part, count] : {std::pair{"train", 60000}, {"t10k", 10000}}) {
    const Array images = read_idx(folder / (std::string(part) + "-images-idx3-ubyte.gz"));
    const Array labels = read_idx(folder / (std::string(part) + "-labels-idx1-ubyte.gz"));
    EXPECT_EQ(images.shape(), (std::vector<std::int64_t>{count, 28, 28}));
    EXPECT_EQ(images.dtype(), DType::u8);
    EXPECT_EQ(labels.shape(), (std::vector<std::int64_t>{count}));
    std::vector<int> histogram(10);
    for (const std::uint8_t label : labels.as<std::uint8_t>()) ++histogram.at(label);
    for (const int n : histogram) EXPECT_EQ(n, count / 10);
    double sum = 0;
    for (const std::uint8_t x : images.as<std::uint8_t>()) sum += x;
    EXPECT_NEAR(sum / static_cast<double>(images.size()) / 255, 0.2860, 0.001);  // the published mean
  }
}

}  // namespace
}  // namespace fuselage
