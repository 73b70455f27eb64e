// npy: what NumPy writes, round trips, and headers that lie.
#include <gtest/gtest.h>

#include <clocale>
#include <cstdint>
#include <cstring>
#include <limits>
#include <locale>
#include <string>
#include <vector>

#include "fuselage/data.h"
#include "tests/support/files.h"

namespace fuselage {
namespace {

using test::big;
using test::bytes_of;
using test::expect_error;
using test::little;
using test::TempFolder;

/// A file as numpy.save lays it out: the dictionary, padded with blanks to a multiple of 64, and a line end.
std::string npy(std::string dictionary, const std::string& elements, int version = 1) {
  const std::size_t prefix = version == 1 ? 10 : 12;
  while ((prefix + dictionary.size() + 1) % 64 != 0) dictionary += ' ';
  dictionary += '\n';
  const std::string length = version == 1 ? little(static_cast<std::uint16_t>(dictionary.size()))
                                          : little(static_cast<std::uint32_t>(dictionary.size()));
  return std::string("\x93NUMPY") + static_cast<char>(version) + '\0' + length + dictionary + elements;
}

std::string dict(const std::string& descr, const std::string& shape, const std::string& fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
}

template <class T>
void expect_elements(const Array& a, const std::vector<T>& expected) {
  ASSERT_EQ(name_of(a.dtype()), name_of(dtype_of<T>()));
  ASSERT_EQ(a.size(), static_cast<std::int64_t>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(a.as<T>()[i], expected[i]) << i;
}

TEST(Npy, BytesAsNumpyWritesThem) {
  // numpy.save(numpy.array([[1, 2, 3], [4, 5, 6]], dtype=numpy.float32)), byte for byte.
  std::string expected("\x93NUMPY\x01\x00\x76\x00", 10);
  expected += "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  expected += std::string(128 - expected.size() - 1, ' ') + "\n";
  for (const float x : {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f}) expected.append(reinterpret_cast<const char*>(&x), 4);
  const TempFolder folder;
  write_npy(folder / "a", Array::of<float>({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(bytes_of(folder / "a"), expected);
}

template <class T>
void round_trip(const TempFolder& folder, const std::vector<std::int64_t>& shape, const std::vector<T>& values) {
  const Array array = Array::of(shape, values);
  write_npy(folder / "a", array);
  EXPECT_TRUE(read_npy(folder / "a") == array) << name_of(array.dtype());
  EXPECT_EQ((bytes_of(folder / "a").size() - static_cast<std::size_t>(array.bytes())) % 64, 0u);
}

TEST(Npy, RoundTripOfEveryTypeAndRank) {
  const TempFolder folder;
  round_trip<float>(folder, {}, {3.5f});
  round_trip<double>(folder, {2}, {-0.0, std::numeric_limits<double>::quiet_NaN()});
  round_trip<std::uint8_t>(folder, {1, 3}, {0, 127, 255});
  round_trip<std::int8_t>(folder, {3, 1}, {-128, 0, 127});
  round_trip<std::int16_t>(folder, {2}, {-32768, 32767});
  round_trip<std::int32_t>(folder, {1, 1, 1, 1, 1, 1, 1, 2}, {INT32_MIN, INT32_MAX});
  round_trip<std::int64_t>(folder, {2, 1}, {INT64_MIN, INT64_MAX});
  round_trip<float>(folder, {0, 7}, {});
  const Array half = Array::of<f16>({3}, std::vector<f16>{{0x3c00}, {0x7c00}, {0x0001}});
  write_npy(folder / "a", half);
  EXPECT_TRUE(read_npy(folder / "a") == half);
}

TEST(Npy, BrainFloatsAreWrittenAsFloats) {
  const TempFolder folder;
  write_npy(folder / "a", Array::of<bf16>({2}, std::vector<bf16>{{0x3f80}, {0xc040}}));
  expect_elements<float>(read_npy(folder / "a"), {1.0f, -3.0f});
}

TEST(Npy, EveryElementType) {
  const TempFolder folder;
  const auto read = [&](const std::string& descr, const std::string& shape, const std::string& elements) {
    return read_npy(folder.file("a", npy(dict(descr, shape), elements)));
  };
  expect_elements<std::uint8_t>(read("|b1", "(3,)", std::string("\0\1\2", 3)), {0, 1, 1});
  expect_elements<std::uint8_t>(read("|u1", "(2,)", "\x01\xff"), {1, 255});
  expect_elements<std::int8_t>(read("|i1", "(2,)", "\x01\xff"), {1, -1});
  expect_elements<std::int32_t>(read("<u2", "(2,)", std::string("\x01\x00\xff\xff", 4)), {1, 65535});
  expect_elements<std::int32_t>(read(">u2", "(2,)", std::string("\x00\x01\xff\xfe", 4)), {1, 65534});
  expect_elements<std::int64_t>(read("<u4", "(2,)", little(7u) + little(0xffffffffu)), {7, 0xffffffff});
  expect_elements<std::int64_t>(read("<u8", "(1,)", little(INT64_MAX)), {INT64_MAX});
  expect_elements<std::int16_t>(read(">i2", "(2,)", big(std::int16_t{-2}) + big(std::int16_t{300})), {-2, 300});
  expect_elements<std::int32_t>(read(">i4", "(1,)", big(-70000)), {-70000});
  expect_elements<std::int64_t>(read(">i8", "(1,)", big(std::int64_t{-5000000000})), {-5000000000});
  expect_elements<float>(read(">f4", "(1,)", std::string("\x3f\x80\0\0", 4)), {1.0f});
  expect_elements<double>(read(">f8", "(1,)", std::string("\xbf\xf0\0\0\0\0\0\0", 8)), {-1.0});
  EXPECT_EQ(read(">f2", "(1,)", std::string("\x3c\x00", 2)).as<f16>()[0].bits, 0x3c00);
  expect_elements<float>(read("<f4", "()", std::string("\0\0\x80\x3f", 4)), {1.0f});
}

TEST(Npy, VersionsSpellingsAndOrders) {
  const TempFolder folder;
  for (const int version : {1, 2, 3})
    expect_elements<std::uint8_t>(read_npy(folder.file("a", npy(dict("|u1", "(2,)"), "ab", version))), {'a', 'b'});
  const char* const spellings[] = {"{'shape': (2, 1), 'fortran_order': False, 'descr': '|u1'}",
                                   "{\"descr\":\"|u1\",\"fortran_order\":False,\"shape\":(2,1,)}",
                                   " { 'descr' : 'u1' , 'fortran_order' : False , 'shape' : ( 2 , 1 ) , } "};
  for (const char* s : spellings)
    EXPECT_EQ(read_npy(folder.file("a", npy(s, "ab"))).shape(), (std::vector<std::int64_t>{2, 1})) << s;
}

TEST(Npy, FortranOrderIsTransposed) {
  const TempFolder folder;
  std::string elements;  // a[i][j][k] = 100 i + 10 j + k, first index fastest
  for (int k = 0; k < 4; ++k)
    for (int j = 0; j < 3; ++j)
      for (int i = 0; i < 2; ++i) elements += little(static_cast<std::int16_t>(100 * i + 10 * j + k));
  const Array a = read_npy(folder.file("a", npy(dict("<i2", "(2, 3, 4)", "True"), elements)));
  ASSERT_EQ(a.shape(), (std::vector<std::int64_t>{2, 3, 4}));
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 4; ++k)
        EXPECT_EQ(a.as<std::int16_t>()[static_cast<std::size_t>((i * 3 + j) * 4 + k)], 100 * i + 10 * j + k);
  EXPECT_EQ(read_npy(folder.file("a", npy(dict("<i2", "(0, 3)", "True"), ""))).size(), 0);
}

TEST(Npy, RefusalsNameTheirReason) {
  const TempFolder folder;
  const auto refuse = [&](const std::string& bytes, std::initializer_list<std::string_view> parts) {
    const auto path = folder.file("bad", bytes);
    expect_error(Errc::format, parts, [&] { read_npy(path); });
  };
  refuse("PK\3\4 a zip file", {"bad", "byte 0", "NUMPY"});
  refuse(npy(dict("|u1", "(2,)"), "ab", 4), {"byte 6", "version", "4.0"});
  refuse(npy(dict("|O", "(2,)"), "ab"), {"object arrays", "never"});
  refuse(npy(dict("O8", "(2,)"), "ab"), {"object arrays"});
  refuse(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "abcd"), {"record"});
  for (const char* descr : {"", "<", "<ixy", "<f16", "<c8", "|S5", "<U3", "<M8[ns]", "f4", "|f4", "<f", "<f44", "<i3"})
    refuse(npy(dict(descr, "(1,)"), "abcd"), {"bad", "element type"});
  refuse(npy(dict("<u8", "(2,)"), little(std::uint64_t{1}) + little(~std::uint64_t{0})),
         {"element 1", "18446744073709551615", "byte 136"});
  refuse(npy(dict("|u1", "(3,)"), "ab"), {"[3]", "takes 3", "has 2", "byte 128"});
  refuse(npy(dict("|u1", "(1,)"), "ab"), {"takes 1", "has 2"});
  refuse(npy(dict("|u1", "(-1,)"), "ab"), {"extent"});
  refuse(npy(dict("|u1", "(2)"), "ab"), {"','"});
  refuse(npy(dict("|u1", "(2, 3"), "ab"), {"npy header"});
  refuse(npy(dict("|u1", "(1,1,1,1,1,1,1,1,1)"), "a"), {"more than 8"});
  refuse(npy(dict("|u1", "(99999999999999999999,)"), "a"), {"2^63"});
  refuse(npy(dict("|u1", "(4294967296, 4294967296)"), "a"), {"2^63", "[4294967296, 4294967296]"});
  refuse(npy(dict("|u1", "(4294967296, 4294967296, 0)"), ""), {"2^63"});
  refuse(npy("{'descr': '|u1', 'fortran_order': False}", "a"), {"lacks", "shape"});
  refuse(npy("{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': ()}", "a"), {"twice", "descr"});
  refuse(npy("{'descr': '|u1', 'extra': '|u1', 'fortran_order': False, 'shape': ()}", "a"), {"extra"});
  refuse(npy("{'descr': '|u1', 'fortran_order': 0, 'shape': ()}", "a"), {"True or False"});
  refuse(npy("{'descr': '|u1', 'fortran_order': False, 'shape': ()} x", "a"), {"white space"});
  refuse(npy("{'descr': '|u", "a"), {"string that ends"});
  expect_error(Errc::io, {"nowhere"}, [&] { read_npy(folder / "nowhere"); });
}

TEST(Npy, EveryPrefixIsRefused) {
  const TempFolder folder;
  for (const int version : {1, 2}) {
    const std::string good = npy(dict("<i2", "(2, 3)"), "abcdefABCDEF", version);
    EXPECT_EQ(read_npy(folder.file("good", good)).size(), 6);
    for (std::size_t n = 0; n < good.size(); ++n) {
      const auto path = folder.file("cut", good.substr(0, n));
      expect_error(Errc::format, {"cut", "byte"}, [&] { read_npy(path); });
    }
  }
}

TEST(Npy, EveryBitFlipIsRefusedOrHarmless) {
  const TempFolder folder;
  const std::string good = npy(dict("<i2", "(2, 3)"), "abcdefABCDEF");
  const std::int64_t before = test::peak_memory();
  int accepted = 0;
  test::for_each_bit_flip(good, 128, [&](const std::string& bad, std::size_t byte, int bit) {
    SCOPED_TRACE(testing::Message() << "byte " << byte << " bit " << bit);
    const auto path = folder.file("flip", bad);
    try {
      // Another byte order or type, and white space for white space: never another size in memory than in the file.
      const Array a = read_npy(path);
      EXPECT_EQ(a.size(), 6);
      ++accepted;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::format) << e.what();
    }
  });
  EXPECT_LT(accepted, 80);
  EXPECT_LE(test::peak_memory() - before, 64 << 20);
}

TEST(Npy, LyingLengthsTakeNoMemory) {
  const TempFolder folder;
  const std::int64_t before = test::peak_memory();
  const std::string magic2("\x93NUMPY\x02\x00", 8);
  for (const std::uint32_t length : {0xfffffff0u, 0x7fffffffu, 10001u, 65535u}) {
    const auto path = folder.file("bad", magic2 + little(length) + "{}");
    expect_error(Errc::format, {"byte 8", std::to_string(length)}, [&] { read_npy(path); });
  }
  const auto long_header = folder.file("bad", magic2 + little(20000u) + std::string(20000, ' '));
  expect_error(Errc::format, {"10000"}, [&] { read_npy(long_header); });
  for (const char* shape : {"(1000000000000,)", "(1000000, 1000000)", "(4000000000,)"}) {
    const auto path = folder.file("bad", npy(dict("<f8", shape), "abcdefgh"));
    expect_error(Errc::format, {"takes", "has 8"}, [&] { read_npy(path); });
  }
  EXPECT_LE(test::peak_memory() - before, 1 << 20);
}

/// A locale with digit grouping, made here because few are installed.
struct Grouping : std::numpunct<char> {
  char do_thousands_sep() const override { return ','; }
  char do_decimal_point() const override { return ','; }
  std::string do_grouping() const override { return "\3"; }
};

TEST(Npy, LocaleChangesNothing) {
  const TempFolder folder;
  const Array array(DType::u8, {2621, 1});
  write_npy(folder / "plain", array);
  const std::locale old = std::locale::global(std::locale(std::locale::classic(), new Grouping));
  for (const char* name : {"de_DE.UTF-8", "en_US.UTF-8"}) std::setlocale(LC_ALL, name);  // where installed
  write_npy(folder / "grouped", array);
  const bool same = read_npy(folder / "plain") == array;
  std::locale::global(old);
  std::setlocale(LC_ALL, "C");
  EXPECT_TRUE(same);
  EXPECT_EQ(bytes_of(folder / "plain"), bytes_of(folder / "grouped"));
}

}  // namespace
}  // namespace fuselage
