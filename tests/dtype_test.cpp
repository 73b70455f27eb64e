// Storage types: every conversion against the compiler's own binary16, and bfloat16 against its definition.
#include "fuselage/core/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace fuselage {
namespace {

TEST(Float16, WidensEveryValue) {
  for (std::uint32_t u = 0; u < 65536; ++u) {
    const f16 half{static_cast<std::uint16_t>(u)};
    _Float16 expected;
    std::memcpy(&expected, &half, 2);
    const float got = to_float(half), want = static_cast<float>(expected);
    if (std::isnan(want)) {
      ASSERT_TRUE(std::isnan(got)) << u;
    } else {
      ASSERT_EQ(bits(got), bits(want)) << u;
    }
  }
}

TEST(Float16, RoundsToNearestEven) {
  for (std::uint64_t u = 0; u < (1ull << 32); u += 4001) {
    const float x = from_bits(static_cast<std::int32_t>(u));
    const _Float16 expected = static_cast<_Float16>(x);
    std::uint16_t want;
    std::memcpy(&want, &expected, 2);
    ASSERT_EQ(from_float<f16>(x).bits, std::isnan(x) ? 0x7e00 : want) << u;
  }
  EXPECT_EQ(from_float<f16>(65519.996f).bits, 0x7bff);
  EXPECT_EQ(from_float<f16>(65520.0f).bits, 0x7c00);
  EXPECT_EQ(from_float<f16>(-0.0f).bits, 0x8000);
  EXPECT_EQ(from_float<f16>(0x1p-25f).bits, 0) << "half of the least denormal ties to even";
  EXPECT_EQ(from_float<f16>(0x1.8p-25f).bits, 1);
}

TEST(BFloat16, RoundsToNearestEven) {
  for (std::uint64_t u = 0; u < (1ull << 32); u += 4001) {
    const float x = from_bits(static_cast<std::int32_t>(u));
    const bf16 got = from_float<bf16>(x);
    if (std::isnan(x)) {
      ASSERT_EQ(got.bits, 0x7fc0);
      continue;
    }
    // The neighbours below and above in magnitude are cut off and the next; the nearer one wins, the even one in a tie.
    const auto low = static_cast<std::uint16_t>(u >> 16), high = static_cast<std::uint16_t>(low + 1);
    const std::uint32_t rest = static_cast<std::uint32_t>(u) & 0xffffu;
    const std::uint16_t want = rest > 0x8000 || (rest == 0x8000 && (low & 1)) ? high : low;
    ASSERT_EQ(got.bits, want) << u;
  }
}

TEST(BFloat16, KeepsWhatItCanHold) {
  for (std::uint32_t u = 0; u < 65536; ++u) {
    const bf16 x{static_cast<std::uint16_t>(u)};
    const float wide = to_float(x);
    EXPECT_EQ(from_float<bf16>(wide).bits, std::isnan(wide) ? 0x7fc0 : u);
  }
}

TEST(Float32, StoresOneNaN) {
  EXPECT_EQ(bits(from_float<float>(from_bits(static_cast<std::int32_t>(0xffc00001u)))), 0x7fc00000);
  EXPECT_EQ(bits(from_float<float>(-0.0f)), bits(-0.0f));
}

TEST(DType, NamesAndSizes) {
  EXPECT_EQ(parse_dtype("bf16"), DType::bf16);
  EXPECT_EQ(parse_dtype(name_of(DType::i64)), DType::i64);
  EXPECT_EQ(size_of(DType::f16), 2u);
  EXPECT_TRUE(is_label(DType::u8));
  EXPECT_FALSE(is_label(DType::f64));
  try {
    parse_dtype("float");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::unknown_name);
  }
  EXPECT_THROW(dispatch(DType::f64, []<class T>() {}), Error);
  EXPECT_THROW(dispatch_label(DType::f32, []<class T>() {}), Error);
}

}  // namespace
}  // namespace fuselage
