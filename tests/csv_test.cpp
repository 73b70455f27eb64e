// CSV: numbers, labels, quotes, line ends, and the place of every malformed field.
#include <gtest/gtest.h>

#include <clocale>
#include <cmath>
#include <cstdint>
#include <limits>
#include <locale>
#include <string>
#include <vector>

#include "fuselage/data.h"
#include "tests/support/files.h"

namespace fuselage {
namespace {

using test::expect_error;
using test::TempFolder;

class Csv : public testing::Test {
 protected:
  CsvTable read(const std::string& text, const CsvOptions& options = {}) {
    return read_csv(folder_.file("t.csv", text), options);
  }
  void refuse(const std::string& text, std::initializer_list<std::string_view> parts, const CsvOptions& options = {}) {
    SCOPED_TRACE(text.substr(0, 60));
    expect_error(Errc::format, parts, [&] { read(text, options); });
  }
  static void expect_values(const CsvTable& t, const std::vector<float>& expected) {
    const auto got = t.values.as<float>();
    EXPECT_EQ(std::vector<float>(got.begin(), got.end()), expected);
  }

  TempFolder folder_;
};

TEST_F(Csv, NumbersAndColumns) {
  const CsvTable t = read("a,b,c\n1,2.5,-3e2\n+4,.5,6.\n");
  EXPECT_EQ(t.columns, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(t.values.shape(), (std::vector<std::int64_t>{2, 3}));
  expect_values(t, {1, 2.5f, -300, 4, .5f, 6});
  EXPECT_TRUE(t.labels.empty());
  EXPECT_EQ(t.column("b"), 1);
  expect_error(Errc::unknown_name, {"'d'", "a, b, c"}, [&] { t.column("d"); });
}

TEST_F(Csv, TypesAndTheirRange) {
  CsvOptions doubles;
  doubles.type = DType::f64;
  EXPECT_EQ(read("a\n0.1\n1e300\n", doubles).values.as<double>()[1], 1e300);
  EXPECT_EQ(read("a\n0.1\n", doubles).values.as<double>()[0], 0.1);
  EXPECT_EQ(read("a\n0.1\n").values.as<float>()[0], 0.1f);
  expect_values(read("a\n1e-60\n-1e-60\n1e-40\n"), {0.0f, -0.0f, 1e-40f});
  EXPECT_TRUE(std::signbit(read("a\n-1e-60\n").values.as<float>()[0]));
  refuse("a\n1\n1e39\n", {"line 3", "column 1", "fp32", "'1e39'"});
  refuse("a\n1e999\n", {"line 2", "fp64"}, doubles);
  CsvOptions half;
  half.type = DType::f16;
  expect_error(Errc::bad_dtype, {"fp16"}, [&] { read("a\n1\n", half); });
}

TEST_F(Csv, LineEndsMarksAndBlanks) {
  for (const char* text : {"a,b\n1,2\n3,4\n", "a,b\n1,2\n3,4", "a,b\r\n1,2\r\n3,4\r\n", "a,b\r\n1,2\r\n3,4",
                           "a,b\r1,2\r3,4\r", "a,b\r1,2\r3,4",
                           "\xef\xbb\xbf"
                           "a,b\n1,2\n3,4",
                           "\n\na,b\n\n1,2\n\n\n3,4\n\n", " a , b \n 1 ,\t2\n3, 4 \n", "a\tb\n1\t2\n3\t4\n",
                           "\"a\",\"b\"\n\"1\",2\n3,\"4\"\n"}) {
    SCOPED_TRACE(text);
    const CsvTable t = read(text);
    EXPECT_EQ(t.columns, (std::vector<std::string>{"a", "b"}));
    expect_values(t, {1, 2, 3, 4});
  }
  CsvOptions semicolon;
  semicolon.separator = ';';
  expect_values(read("a;b\n1;2\n", semicolon), {1, 2});
  EXPECT_EQ(read("a,b\n").values.shape(), (std::vector<std::int64_t>{0, 2}));
}

TEST_F(Csv, QuotedFields) {
  CsvOptions o;
  o.label_column = "l";
  const CsvTable t = read("x,l\n1,\"a,b\"\n2,\"say \"\"hi\"\"\"\n3,\"two\nlines\"\n4,\"\"\"\"\n5,\"a,b\"\n", o);
  EXPECT_EQ(t.classes, (std::vector<std::string>{"\"", "a,b", "say \"hi\"", "two\nlines"}));
  EXPECT_EQ(t.labels.as<std::int64_t>()[4], 1);
  refuse("x,l\n1,\"two\nlines\"\n2,a\nz,b\n", {"line 5", "column 1", "'z'"}, o);  // quoted line ends count
  refuse("x,l\n1,\"open\n2,b\n", {"line 2", "column 2", "never closed"}, o);
  refuse("x,l\n1,\"a\"b\n", {"line 2", "column 2", "after the closing quote"}, o);
  refuse("x,l\n1,a\"b\"\n", {"line 2", "column 2", "quote"}, o);
}

TEST_F(Csv, MalformedFieldsHaveAPlace) {
  refuse("a,b,c\n1,2,\n3,4,5\n", {"t.csv", "line 2", "column 3", "found nothing"});
  refuse("a,b,c\n1,2,3\n3,,5\n", {"line 3", "column 2", "found nothing"});
  refuse("a,b\n1,2\n3\n", {"line 3", "column 2", "1 fields", "2"});
  refuse("a,b\n1,2\n3,4,5\n", {"line 3", "column 3", "more than 2"});
  for (const char* bad : {"abc", "1x", "0x10", "1,5", "1 2", "--1", "+-1", "++1",  "+",  "-", ".",
                          "e5",  "1e", "1e+",  "1_0", "$1",  "nan", "inf", "-inf", "NA", "?"})
    refuse(std::string("a;b\n1;2\n3;") + bad + "\n", {"line 3", "column 2", "'" + std::string(bad) + "'"}, [] {
      CsvOptions o;
      o.separator = ';';
      return o;
    }());
  refuse(std::string("a,b\n1,2\n3,\0004\n", 12), {"line 3", "column 2", "zero byte"});
  refuse("a,b\n1,2\n3,\x80\xff\n", {"line 3", "column 2", "'\\x80\\xff'"});
  for (const char* text : {"a,b\r1,2\r3,x\r", "a,b\r\n1,2\r\n3,x\r\n", "a,b\n1,2\n3,x\n"})
    refuse(text, {"line 3", "column 2"});
}

TEST_F(Csv, Headers) {
  refuse("", {"line 1", "empty file"});
  refuse("\n\n", {"empty file"});
  refuse("1,2\n3,4\n", {"line 1", "header", "required"});
  refuse("a,b,a\n1,2,3\n", {"line 1", "column 3", "'a'", "twice"});
  refuse(std::string("\xff\xfe"
                     "a\0",
                     4),
         {"UTF-16"});
  CsvOptions o;
  o.label_column = "nope";
  expect_error(Errc::unknown_name, {"'nope'", "a, b"}, [&] { read("a,b\n1,2\n", o); });
  CsvOptions p;
  p.ignore_columns = {"id"};
  expect_error(Errc::unknown_name, {"'id'"}, [&] { read("a,b\n1,2\n", p); });
  const CsvTable t = read("id,a\nx17,1\n,2\n", p);
  EXPECT_EQ(t.columns, (std::vector<std::string>{"a"}));
  expect_values(t, {1, 2});
  CsvOptions q;
  q.separator = '.';
  expect_error(Errc::bad_argument, {"'.'"}, [&] { read("a,b\n1,2\n", q); });
}

TEST_F(Csv, Labels) {
  const auto labels = [](const CsvTable& t) {
    const auto s = t.labels.as<std::int64_t>();
    return std::vector<std::int64_t>(s.begin(), s.end());
  };
  using Ints = std::vector<std::int64_t>;
  using Names = std::vector<std::string>;
  const std::string text = "x,kind,y\n1,pear,2\n3,apple,4\n5,pear,6\n";
  CsvOptions o;
  o.label_column = "kind";
  CsvTable t = read(text, o);
  EXPECT_EQ(t.classes, (Names{"apple", "pear"}));
  EXPECT_EQ(labels(t), (Ints{1, 0, 1}));
  EXPECT_EQ(t.columns, (Names{"x", "y"}));
  expect_values(t, {1, 2, 3, 4, 5, 6});
  o.class_order = ClassOrder::appearance;
  t = read(text, o);
  EXPECT_EQ(t.classes, (Names{"pear", "apple"}));
  EXPECT_EQ(labels(t), (Ints{0, 1, 0}));
  o.classes = {"fig", "apple", "pear"};
  t = read(text, o);
  EXPECT_EQ(t.classes, o.classes);
  EXPECT_EQ(labels(t), (Ints{2, 1, 2}));
  o.classes = {"fig", "apple"};
  refuse(text, {"line 2", "column 2", "'pear'"}, o);
  o.classes = {"fig", "fig"};
  expect_error(Errc::bad_argument, {"twice"}, [&] { read(text, o); });

  o = {};
  o.label_column = "kind";
  t = read("x,kind\n1,7\n2,-1\n3,7\n", o);  // integers are the labels themselves
  EXPECT_TRUE(t.classes.empty());
  EXPECT_EQ(labels(t), (Ints{7, -1, 7}));
  t = read("x,kind\n1,7\n2,b\n3,7\n", o);  // unless some are not integers
  EXPECT_EQ(t.classes, (Names{"7", "b"}));
  EXPECT_EQ(labels(t), (Ints{0, 1, 0}));
  refuse("x,kind\n1,\n", {"line 2", "column 2", "class label"}, o);
}

TEST_F(Csv, MissingValuesOnRequest) {
  CsvOptions o;
  o.allow_missing = true;
  const CsvTable t = read("a,b\n1,\nNA,?\nnan,-inf\n", o);
  const auto v = t.values.as<float>();
  EXPECT_EQ(v[0], 1.0f);
  for (const int i : {1, 2, 3, 4}) EXPECT_TRUE(std::isnan(v[static_cast<std::size_t>(i)])) << i;
  EXPECT_EQ(v[5], -std::numeric_limits<float>::infinity());
  refuse("a,b\n1,abc\n", {"line 2", "column 2"}, o);
}

TEST_F(Csv, ALargeFieldIsReadOrNamedBriefly) {
  const std::string large(10 << 20, 'x');
  const auto path = folder_.file("t.csv", "a,b\n1," + large + "\n");
  const std::string message =
      expect_error(Errc::format, {"line 2", "column 2", "10485760 bytes"}, [&] { read_csv(path); });
  EXPECT_LT(message.size(), 400u);
  CsvOptions o;
  o.label_column = "b";
  EXPECT_EQ(read_csv(path, o).classes.at(0).size(), large.size());
  expect_values(read("a\n" + std::string(1 << 20, '0') + "7\n"), {7});
}

TEST_F(Csv, MemoryIsBoundedByTheFile) {
  // A wide header and a great many short rows: their product is no reason to allocate.
  std::string text = "c0";
  for (int i = 1; i < 50000; ++i) text += ",c" + std::to_string(i);
  text += '\n';
  for (int i = 0; i < 100000; ++i) text += "1\n";
  const auto path = folder_.file("t.csv", text);
  const std::int64_t before = test::peak_memory();
  expect_error(Errc::format, {"line 2", "1 fields, the header 50000"}, [&] { read_csv(path); });
  EXPECT_LE(test::peak_memory() - before, 64 << 20);
}

TEST_F(Csv, EveryPrefixAndEveryBitFlipIsRefusedOrATable) {
  const std::string good = "x,\"k\",y\r\n1.5,\"a\",2\r\n-3e1,b,4\r\n";
  CsvOptions o;
  o.label_column = "k";
  int refused = 0, tables = 0;
  const auto attempt = [&](const std::string& text) {
    try {
      const CsvTable t = read(text, o);
      EXPECT_EQ(t.values.rows(), t.labels.rows());
      EXPECT_EQ(t.values.row_size(), static_cast<std::int64_t>(t.columns.size()));
      ++tables;
    } catch (const Error& e) {
      EXPECT_TRUE(e.code() == Errc::format || e.code() == Errc::unknown_name) << e.what();
      EXPECT_NE(std::string_view(e.what()), "");
      ++refused;
    }
  };
  for (std::size_t n = 0; n < good.size(); ++n) attempt(good.substr(0, n));
  test::for_each_bit_flip(good, good.size(), [&](const std::string& bad, std::size_t, int) { attempt(bad); });
  EXPECT_GT(refused, 100);
  EXPECT_GT(tables, 20);
}

/// Decimal commas and grouped digits.
struct Commas : std::numpunct<char> {
  char do_thousands_sep() const override { return '.'; }
  char do_decimal_point() const override { return ','; }
  std::string do_grouping() const override { return "\3"; }
};

TEST_F(Csv, LocaleChangesNothing) {
  const std::locale old = std::locale::global(std::locale(std::locale::classic(), new Commas));
  std::setlocale(LC_ALL, "de_DE.UTF-8");  // where installed
  const CsvTable t = read("a\n1.5\n1e-60\n1234567\n");
  std::locale::global(old);
  std::setlocale(LC_ALL, "C");
  expect_values(t, {1.5f, 0, 1234567});
}

}  // namespace
}  // namespace fuselage
