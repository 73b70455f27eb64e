// safetensors: round trips, the bytes of the format, and headers that lie.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "fuselage/data.h"
#include "tests/support/files.h"

namespace fuselage {
namespace {

using test::bytes_of;
using test::expect_error;
using test::little;
using test::TempFolder;

std::string file_of(const std::string& header, const std::string& data) {
  return little(static_cast<std::uint64_t>(header.size())) + header + data;
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

class Safetensors : public testing::Test {
 protected:
  TensorFile read(const std::string& bytes) { return read_safetensors(folder_.file("t.safetensors", bytes)); }
  void refuse(const std::string& bytes, std::initializer_list<std::string_view> parts) {
    SCOPED_TRACE(bytes.substr(std::min<std::size_t>(8, bytes.size()), 200));
    const auto path = folder_.file("bad", bytes);
    const std::string message = expect_error(Errc::format, parts, [&] { read_safetensors(path); });
    EXPECT_NE(message.find("bad', byte "), std::string::npos) << message;
  }

  TempFolder folder_;
};

TEST_F(Safetensors, RoundTrip) {
  TensorFile file;
  file.metadata = {{"format", "pt"}, {"step", "17"}, {"quote\"", "line\nend \xc3\xa9"}};
  file.tensors.emplace_back("w", Array::of<double>({2, 2}, std::vector<double>{1, -2, 3, 4e300}));
  file.tensors.emplace_back("i", Array::of<std::int64_t>({2}, std::vector<std::int64_t>{INT64_MIN, INT64_MAX}));
  file.tensors.emplace_back("b", Array::of<float>({3}, std::vector<float>{1, 2, 3}));
  file.tensors.emplace_back("layer.0.\xc3\xa9", Array::of<std::int32_t>({1}, std::vector<std::int32_t>{-5}));
  file.tensors.emplace_back("h", Array::of<f16>({1, 2}, std::vector<f16>{{1}, {0x3c00}}));
  file.tensors.emplace_back("g", Array::of<bf16>({1}, std::vector<bf16>{{0x3f80}}));
  file.tensors.emplace_back("s", Array::of<std::int16_t>({1}, std::vector<std::int16_t>{-7}));
  file.tensors.emplace_back("u", Array::of<std::uint8_t>({3}, std::vector<std::uint8_t>{1, 2, 255}));
  file.tensors.emplace_back("c", Array::of<std::int8_t>({}, std::vector<std::int8_t>{-1}));
  file.tensors.emplace_back("none", Array(DType::i8, {0, 4}));
  write_safetensors(folder_ / "a", file);
  const TensorFile back = read_safetensors(folder_ / "a");
  EXPECT_EQ(back.metadata, file.metadata);
  ASSERT_EQ(back.tensors.size(), file.tensors.size());
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {  // widest first already, so the order is kept
    EXPECT_EQ(back.tensors[i].first, file.tensors[i].first);
    EXPECT_TRUE(back.tensors[i].second == file.tensors[i].second) << file.tensors[i].first;
  }
  EXPECT_EQ(back.at("b").as<float>()[2], 3.0f);
  EXPECT_EQ(back.find("nope"), nullptr);
  expect_error(Errc::unknown_name, {"'nope'"}, [&] { back.at("nope"); });
}

TEST_F(Safetensors, BytesOfTheFormat) {
  TensorFile file;
  file.tensors.emplace_back("b", Array::of<std::uint8_t>({2}, std::vector<std::uint8_t>{'x', 'y'}));
  file.tensors.emplace_back("a", Array::of<float>({1, 1}, std::vector<float>{1.0f}));
  file.metadata["k"] = "v";
  write_safetensors(folder_ / "a", file);
  std::string header = "{\"__metadata__\":{\"k\":\"v\"}," + entry("a", "F32", "[1,1]", "[0,4]") + "," +
                       entry("b", "U8", "[2]", "[4,6]") + "}";
  while (header.size() % 8 != 0) header += ' ';
  EXPECT_EQ(bytes_of(folder_ / "a"), file_of(header, std::string("\0\0\x80\x3f", 4) + "xy"));
  for (const std::string name : {"a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg", "abcdefgh"}) {
    file.tensors = {{name, Array(DType::u8, {0})}};
    write_safetensors(folder_ / "a", file);
    EXPECT_EQ(bytes_of(folder_ / "a").size() % 8, 0u) << "the data is aligned";
  }
  write_safetensors(folder_ / "a", TensorFile{});
  EXPECT_TRUE(read_safetensors(folder_ / "a").tensors.empty());
}

TEST_F(Safetensors, OrderIsThatOfTheData) {
  const TensorFile t = read(file_of(
      "{" + entry("second", "U8", "[1]", "[2,3]") + "," + entry("first", "U8", "[2]", "[0,2]") + "}   ", "abc"));
  ASSERT_EQ(t.tensors.size(), 2u);
  EXPECT_EQ(t.tensors[0].first, "first");
  EXPECT_EQ(t.tensors[1].second.as<std::uint8_t>()[0], 'c');
}

TEST_F(Safetensors, Lengths) {
  refuse(std::string("\xfb\xff\xff\xff\xff\xff\xff\xff", 8), {"byte 0", "18446744073709551611"});
  refuse(little(~std::uint64_t{0}) + "{}", {"byte 0"});
  refuse(little(std::uint64_t{3}) + "{}", {"byte 0", "is 3", "left, 2"});
  refuse(little((std::uint64_t{16} << 20) + 1) + "{" + std::string(17 << 20, ' '), {"16777216"});
  refuse("", {"byte 0", "header length"});
  refuse("1234567", {"header length"});
  refuse(little(std::uint64_t{0}), {"byte 8", "found nothing"});
  refuse(file_of(" {}", ""), {"byte 8", "'{'", "' '"});
  refuse(file_of("[]", ""), {"'['"});
}

TEST_F(Safetensors, Layout) {
  const std::string a = entry("a", "F32", "[1]", "[0,4]");
  EXPECT_EQ(read(file_of("{" + a + "}", "abcd")).tensors.size(), 1u);
  refuse(file_of("{" + a + "}", "abcde"), {"describes 4", "has 5"});
  refuse(file_of("{" + a + "}", "abc"), {"describes 4", "has 3"});
  refuse(file_of("{}", "a"), {"describes 0", "has 1"});
  refuse(file_of("{" + entry("a", "F32", "[1]", "[1,5]") + "}", "abcde"), {"tensor 'a'", "hole"});
  refuse(file_of("{" + a + "," + entry("b", "U8", "[1]", "[5,6]") + "}", "abcdef"), {"tensor 'b'", "hole"});
  refuse(file_of("{" + a + "," + entry("b", "U8", "[4]", "[0,4]") + "}", "abcd"), {"overlaps"});
  refuse(file_of("{" + a + "," + entry("b", "U8", "[2]", "[3,5]") + "}", "abcde"), {"tensor 'b'", "overlaps"});
  refuse(file_of("{" + a + "," + entry("b", "U8", "[1]", "[4,3]") + "}", "abcd"), {"tensor 'b'", "end before"});
  refuse(file_of("{" + entry("a", "F32", "[1024,1024]", "[0,4]") + "}", "abcd"), {"tensor 'a'", "4194304", "give 4"});
  refuse(file_of("{" + entry("a", "F32", "[1]", "[0,8]") + "}", "abcdefgh"), {"takes 4", "give 8"});
  refuse(file_of("{" + entry("a", "F64", "[4294967296,4294967296]", "[0,4]") + "}", "abcd"), {"tensor 'a'", "2^63"});
  refuse(file_of("{" + entry("a", "U8", "[4294967296,4294967296,4294967296,0]", "[0,0]") + "}", ""), {"2^63"});
  refuse(file_of("{" + entry("a", "U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]") + "}", "a"),
         {"tensor 'a'", "shape", "more than 8"});
}

TEST_F(Safetensors, HeaderFields) {
  const std::string a = entry("a", "U8", "[1]", "[0,1]");
  refuse(file_of("{" + a + "," + a + "}", "a"), {"'a'", "twice"});
  refuse(file_of("{" + a + ",\"\\u0061\":{}}", "a"), {"'a'", "twice"});
  refuse(file_of("{\"__metadata__\":{},\"__metadata__\":{}}", ""), {"__metadata__", "twice"});
  refuse(file_of("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", ""), {"'k'", "twice"});
  refuse(file_of("{\"__metadata__\":{\"k\":1}}", ""), {"__metadata__", "'k'", "expected a string"});
  refuse(file_of("{\"__metadata__\":{\"k\":{}}}", ""), {"__metadata__"});
  refuse(file_of("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", "a"),
         {"'dtype'", "twice"});
  refuse(file_of("{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", "a"), {"tensor 'a'", "lacks data_offsets"});
  refuse(file_of("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", "a"), {"lacks shape"});
  refuse(file_of("{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", "a"), {"lacks dtype"});
  refuse(file_of("{\"a\":{}}", ""), {"lacks dtype"});
  refuse(file_of("{\"a\":{\"dtype\":\"U8\",\"extra\":1,\"shape\":[1],\"data_offsets\":[0,1]}}", "a"), {"'extra'"});
  for (const char* dtype : {"U16", "U64", "BOOL", "F8_E4M3", "f32", ""})
    refuse(file_of("{" + entry("a", dtype, "[1]", "[0,1]") + "}", "a"),
           {"dtype", "'" + std::string(dtype) + "'", "BF16"});
  for (const char* shape : {"1", "null", "\"1\"", "[-1]", "[1.0]", "[[1]]", "[\"1\"]", "[true]", "[{}]", "{}",
                            "[18446744073709551615]", "[99999999999999999999]", "[1e0]"})
    refuse(file_of("{" + entry("a", "U8", shape, "[0,1]") + "}", "a"), {"tensor 'a'", "shape"});
  for (const char* offsets : {"[0]", "[0,1,2]", "[]", "[-1,0]", "[0,1.0]", "0", "[0,18446744073709551615]", "[0,null]"})
    refuse(file_of("{" + entry("a", "U8", "[1]", offsets) + "}", "a"), {"tensor 'a'", "data_offsets"});
  for (const char* header : {"{\"a\":1}", "{\"a\":[]}", "{\"a\":null}", "{\"a\":\"b\"}", "{\"__metadata__\":null}"})
    refuse(file_of(header, ""), {"expected an object"});
  for (const char* header : {"{", "{\"a\"", "{}x", "{} {}", "{,}", "{\"__metadata__\":{},}", "{'a':{}}",
                             "{\"\xff\":{}}", "{\"a\":{\"shape\":[1,]}}"})
    refuse(file_of(header, ""), {"not valid JSON"});
  refuse(file_of("{\"a\":" + std::string(100000, '['), ""), {"expected an object"});
  refuse(file_of("{\"a\":" + std::string(100000, '{'), ""), {"byte"});
}

TEST_F(Safetensors, EveryPrefixIsRefused) {
  const std::string good =
      file_of("{\"__metadata__\":{\"k\":\"v\"}," + entry("a", "I16", "[2]", "[0,4]") + "}", "abcd");
  EXPECT_EQ(read(good).tensors.size(), 1u);
  for (std::size_t n = 0; n < good.size(); ++n) refuse(good.substr(0, n), {});
}

TEST_F(Safetensors, EveryBitFlipIsRefusedOrConsistent) {
  const std::string good =
      file_of("{\"__metadata__\":{\"k\":\"v\"}," + entry("a", "I16", "[2]", "[0,4]") + "}", "abcd");
  const std::int64_t before = test::peak_memory();
  int accepted = 0;
  test::for_each_bit_flip(good, good.size() - 4, [&](const std::string& bad, std::size_t byte, int bit) {
    SCOPED_TRACE(testing::Message() << "byte " << byte << " bit " << bit);
    try {
      const TensorFile t = read(bad);
      std::int64_t bytes = 0;
      for (const auto& [name, array] : t.tensors) bytes += array.bytes();
      EXPECT_EQ(bytes, 4);  // another name, or a type of the same size
      ++accepted;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::format) << e.what();
    }
  });
  EXPECT_LT(accepted, 140);
  EXPECT_LE(test::peak_memory() - before, 64 << 20);
}

TEST_F(Safetensors, ManyTensorsOverOneRegionTakeNoMemory) {
  std::string header = "{";
  for (int i = 0; i < 10000; ++i)
    header += (i == 0 ? "" : ",") + entry("t" + std::to_string(i), "U8", "[1000000]", "[0,1000000]");
  const std::string bytes = file_of(header + "}", std::string(1000000, 'x'));
  const std::int64_t before = test::peak_memory();
  refuse(bytes, {"overlaps"});
  EXPECT_LE(test::peak_memory() - before, 64 << 20);
}

TEST_F(Safetensors, WriterRefusesWhatAReaderWould) {
  folder_.file("a", "old");
  const auto refuse_write = [&](const TensorFile& file, std::initializer_list<std::string_view> parts) {
    expect_error(Errc::bad_argument, parts, [&] { write_safetensors(folder_ / "a", file); });
    EXPECT_EQ(bytes_of(folder_ / "a"), "old");
  };
  TensorFile file;
  file.tensors.emplace_back("x", Array(DType::u8, {1}));
  file.tensors.emplace_back("x", Array(DType::f32, {1}));
  refuse_write(file, {"'x'", "twice"});
  file.tensors = {{"__metadata__", Array(DType::u8, {1})}};
  refuse_write(file, {"reserved"});
  file.tensors = {{"\xff\xfe", Array(DType::u8, {1})}};
  refuse_write(file, {"UTF-8", "\\xff"});
  file.tensors.clear();
  file.metadata = {{"k", "\xc3"}};
  refuse_write(file, {"UTF-8"});
  file.metadata = {{"k", std::string(17 << 20, 'x')}};
  refuse_write(file, {"16 MiB"});
}

}  // namespace
}  // namespace fuselage
