// The cases on the CPU: every instruction set and number of threads gives the same bits, and they are the expected
// ones, which every other device is held to.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "tests/cases/expected.h"
#include "tests/support/batches.h"
#include "tests/support/paths.h"

namespace fuselage::cases {
namespace {

const std::string kFile = test::source_dir() / "tests/device/expected_bits.txt";

TEST(Cases, ExpectedBitsAreThoseOfTheCpu) {
  const auto cpu = make_cpu_backend({2, {}});
  ExpectedBits found;
  for (const Group& group : all_groups(Size::full)) {
    Bits& bits = found[group.name];
    for (const Levels& levels : all_pairs(group.space)) bits.add(group.prepare(levels)(*cpu).hash());
  }
  if (const char* path = std::getenv("FUSELAGE_WRITE_BITS")) write_expected_bits(path, found);
  const ExpectedBits expected = read_expected_bits(kFile);
  for (const auto& [group, bits] : found) EXPECT_EQ(judge(group, bits, expected), "");
  for (const auto& [group, bits] : expected) EXPECT_TRUE(found.contains(group)) << group << " is expected, and gone";
}

TEST(Cases, TargetsAndThreadsAgree) {
  const auto backends = testing::cpu_backends();
  for (const Group& group : all_groups(Size::small))
    for (const Levels& levels : all_pairs(group.space)) ASSERT_EQ(disagreement(group, levels, backends), "");
}

TEST(Cases, InputsAreAFunctionOfTheCase) {
  const auto cpu = make_cpu_backend({1, {}});
  for (const Group& group : all_groups(Size::small)) {
    const Levels one = random_combination(group.space, 2, 1), other = random_combination(group.space, 2, 2);
    EXPECT_EQ(group.prepare(one)(*cpu).hash(), group.prepare(one)(*cpu).hash()) << group.text(one);
    EXPECT_NE(group.prepare(one)(*cpu).hash(), group.prepare(other)(*cpu).hash()) << group.text(one);
  }
}

TEST(Cases, EveryEntryOfTheListsHasSome) {
  std::string names;
  for (const Group& group : all_groups(Size::full)) names += group.name + "\n";
  const auto has = [&](const std::string& group) { return names.find(group + "\n") != std::string::npos; };
  for (const char* type : {" fp32", " bf16", " fp16"}) {
    for (const std::string_view loss : Losses::names) EXPECT_TRUE(has("loss " + std::string(loss) + type));
    for (const std::string_view rule : Optimizers::names) EXPECT_TRUE(has("optimizer " + std::string(rule) + type));
  }
  for (const std::string_view name : Activations::names) EXPECT_TRUE(has("activation " + std::string(name)));
}

// ---- what is compared -----------------------------------------------------------------------------------------------

Outcome outcome_of(std::vector<float> values, std::int64_t guard = 0) {
  Part part{"gradient", DType::f32, std::vector<unsigned char>(values.size() * 4), guard, 2, 2, 2, 1};
  std::memcpy(part.bytes.data(), values.data(), part.bytes.size());
  return {{Part::number("report.count", std::int64_t{4}), part}};
}

TEST(Difference, NamesTheFirstElementBothValuesAndTheirBits) {
  const Outcome a = outcome_of({1, 2, 3, 4}), b = outcome_of({1, 2, 3.5f, 5});
  EXPECT_EQ(difference(a, "cpu", a, "other"), "");
  EXPECT_EQ(difference(a, "cpu", b, "other"),
            "gradient[1, 0] is 3 (0x40400000) on cpu, 3.5 (0x40600000) on other; 2 elements differ");
  EXPECT_NE(a.hash(), b.hash());
}

TEST(Difference, SeesTheSignOfZeroAndWhatNoElementUses) {
  const std::string zeros = difference(outcome_of({0, 0, 0, 0}), "a", outcome_of({0, -0.0f, 0, 0}), "b");
  EXPECT_EQ(zeros, "gradient[0, 1] is 0 (0x00000000) on a, -0 (0x80000000) on b; 1 element differs");
  const std::string around = difference(outcome_of({7, 1, 2, 3, 4, 7}, 1), "a", outcome_of({7, 1, 2, 3, 4, 8}, 1), "b");
  EXPECT_NE(around.find("16 bytes from its start, where the view has no element"), std::string::npos) << around;
}

TEST(Difference, SeesNumbersOfTheReport) {
  Outcome a = outcome_of({1, 2, 3, 4}), b = a;
  b.parts[0] = Part::number("report.count", std::int64_t{3});
  EXPECT_EQ(difference(a, "cpu", b, "other"),
            "report.count is 4 (0x0000000000000004) on cpu, 3 (0x0000000000000003) on other; 1 element differs");
}

TEST(Expected, AChangeIsSaidWithTheWayToMeanIt) {
  Bits bits;
  bits.add(1);
  const ExpectedBits expected{{"loss mse fp32", bits}};
  EXPECT_EQ(judge("loss mse fp32", bits, expected), "");
  bits.add(2);
  EXPECT_NE(judge("loss mse fp32", bits, expected).find("has 2 cases with the hash"), std::string::npos);
  EXPECT_NE(judge("loss mse fp32", bits, expected).find("FUSELAGE_WRITE_BITS"), std::string::npos);
  EXPECT_NE(judge("loss new fp32", bits, expected).find("not among the expected"), std::string::npos);
}

TEST(Expected, FilesReadBackAndBadLinesAreNamed) {
  const std::string path = ::testing::TempDir() + "expected_bits.txt";
  Bits bits;
  bits.add(3);
  const ExpectedBits written{{"a b c", bits}, {"d", Bits{}}};
  write_expected_bits(path, written);
  EXPECT_EQ(read_expected_bits(path), written);
  std::ofstream(path) << "12 xyz loss\n";
  EXPECT_NE(testing::message_of([&] { read_expected_bits(path); }).find("line 1"), std::string::npos);
}

}  // namespace
}  // namespace fuselage::cases
