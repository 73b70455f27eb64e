// The same bits from every way to compile the elementary functions, and the bits that were recorded once.
//
// Each variant (tests/math_bits) hashes every function over the stratified inputs. The recorded hashes are what any
// compiler, machine or GPU must give; a deliberate change of a function changes its line.
#include <gtest/gtest.h>

#include <cinttypes>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "tests/math_bits/expected.h"
#include "tests/math_bits/inputs.h"
#include "tests/math_bits/variant.h"

namespace fuselage::math_bits {
namespace {

template <class T>
void pad(std::vector<T>& v) {
  while (v.size() % kBlock) v.push_back(T(1));
}

struct Arrays {
  std::vector<float> x = stratified_floats(200), base, exponent;
  std::vector<double> a = stratified_doubles(4, 4000), double_base, double_exponent;
  Arrays() {
    for (auto [b, e] : power_pairs<float>(15000)) base.push_back(b), exponent.push_back(e);
    for (auto [b, e] : power_pairs<double>(6000)) double_base.push_back(b), double_exponent.push_back(e);
    pad(x), pad(base), pad(exponent), pad(a), pad(double_base), pad(double_exponent);
  }
  Inputs inputs() const {
    const auto size = [](const auto& v) { return static_cast<std::int64_t>(v.size()); };
    return {x.data(), size(x), base.data(),        exponent.data(),        size(base),
            a.data(), size(a), double_base.data(), double_exponent.data(), size(double_base)};
  }
};

const Inputs& inputs() {
  static const Arrays arrays;
  static const Inputs view = arrays.inputs();
  return view;
}

class Bits : public testing::TestWithParam<Variant> {};

TEST_P(Bits, AreTheRecordedOnes) {
  const Variant& variant = GetParam();
  if (!variant.runs_here()) GTEST_SKIP() << "this CPU lacks the instructions of the variant " << variant.name;
  const Hashes got = variant.run(inputs());
  std::map<std::string, std::uint64_t> expected;
  for (const Hash& h : kExpected) expected[h.name] = h.value;
  EXPECT_EQ(static_cast<int>(expected.size()), got.count);
  for (int i = 0; i < got.count; ++i) {
    const Hash& h = got.of[i];
    char line[100];
    std::snprintf(line, sizeof line, "{\"%s\", 0x%016" PRIx64 "u},", h.name, h.value);
    EXPECT_EQ(expected[h.name], h.value) << variant.name << " gives " << line;
  }
}

INSTANTIATE_TEST_SUITE_P(Math, Bits, testing::ValuesIn(variants(), variants() + variant_count()),
                         [](const testing::TestParamInfo<Variant>& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace fuselage::math_bits
