// Scores from confusion counts and calibration bins.
#include "fuselage/metric/confusion.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "fuselage/metric/calibration.h"
#include "tests/support/batches.h"

namespace fuselage {
namespace {

using testing::message_of;

TEST(Confusion, ScoresFromCounts) {
  const std::vector<std::int64_t> counts{5, 1, 0, 0, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  const metric::ConfusionScores s = metric::confusion_scores(counts, 4);
  EXPECT_EQ(s.rows, 12);
  EXPECT_DOUBLE_EQ(s.classes[0].precision, 5.0 / 7);
  EXPECT_DOUBLE_EQ(s.classes[0].recall, 5.0 / 6);
  EXPECT_DOUBLE_EQ(s.classes[0].f1, 10.0 / 13);
  EXPECT_EQ(s.classes[2].predicted, 2);
  EXPECT_EQ(s.classes[2].recall, 0);
  EXPECT_DOUBLE_EQ(s.accuracy, 7.0 / 12);
  EXPECT_DOUBLE_EQ(s.precision, (5.0 / 7 + 2.0 / 3) / 3) << "the class that nothing knows is not in the mean";
  EXPECT_DOUBLE_EQ(s.f1, (10.0 / 13 + 4.0 / 9) / 3);
  EXPECT_TRUE(std::isnan(metric::confusion_scores(std::vector<std::int64_t>(4), 2).f1));
  const std::vector<std::int64_t> bins{4, 1, std::int64_t{1} << 33, 0, 0, 0, 6, 6, std::int64_t{5} << 32};
  EXPECT_DOUBLE_EQ(metric::expected_calibration_error(bins), (1.0 + 1.0) / 10);
  EXPECT_NE(message_of([&] { metric::confusion_scores(counts, 3); }).find("16 counts for 3 classes"),
            std::string::npos);
}

}  // namespace
}  // namespace fuselage
