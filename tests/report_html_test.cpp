// What a run leaves to read: the page, the JSON lines, the CSV.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <regex>

#include "host/train/history_files.h"
#include "host/train/svg_plot.h"
#include "tests/support/files.h"

namespace fuselage::train {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

History epochs(int n, bool tested = true) {
  History history;
  for (int i = 1; i <= n; ++i) {
    EpochRecord r;
    r.epoch = i;
    r.step = 10 * i;
    r.lr = 0.01 / i;
    r.train = {1.0 / i, {0.5 + 0.01 * i}, 0};
    if (tested) r.test = Scores{1.5 / i, {0.4 + 0.01 * i}, 0};
    r.seconds = 0.25;
    r.samples_per_second = 4000;
    history.push_back(r);
  }
  return history;
}

ReportSettings settings() { return {"Run <one>", {"accuracy"}, {{"loss", "softmax & co"}, {"note", "a < b"}}}; }

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST(ReportHtml, StandsOnItsOwn) {
  const std::string page = report_html(epochs(5), settings());
  EXPECT_EQ(count(page, "<svg "), 3u);  // loss, accuracy, learning rate
  for (const char* outside : {"http:", "https:", "src=", "href=", "url(", "@import", "<script"})
    EXPECT_EQ(count(page, outside), 0u) << outside;
  EXPECT_EQ(count(page, "Run &lt;one&gt;"), 2u);
  EXPECT_NE(page.find("softmax &amp; co"), std::string::npos);
  EXPECT_EQ(page.find("a < b"), std::string::npos);
  EXPECT_NE(page.find("prefers-color-scheme: dark"), std::string::npos);
  EXPECT_EQ(count(page, "<tr><td>"), 5u);
}

TEST(ReportHtml, TagsAreBalanced) {
  for (const int n : {0, 1, 2, 70}) {
    const std::string page = report_html(epochs(n, n != 2), settings());
    for (const char* tag : {"svg", "g", "text", "table", "tr", "td", "th", "div", "html", "body", "style", "h1", "p"})
      EXPECT_EQ(count(page, "<" + std::string(tag) + " ") + count(page, "<" + std::string(tag) + ">"),
                count(page, "</" + std::string(tag) + ">"))
          << tag << " with " << n << " epochs";
    EXPECT_EQ(page.find("nan"), std::string::npos);
    EXPECT_EQ(page.find("inf"), std::string::npos);
  }
}

TEST(ReportHtml, CurvesAreToldApartWithoutColour) {
  const std::string page = report_html(epochs(5), settings());
  EXPECT_NE(page.find(".c1 .line { stroke: var(--c1); stroke-dasharray"), std::string::npos);
  const std::string plot = svg_plot("loss", "epoch", {{"train", {3, 2, 1}}, {"test", {4, 3, 2}}});
  EXPECT_EQ(count(plot, "<circle "), 4u);  // three points and the legend's
  EXPECT_EQ(count(plot, "<rect "), 4u);
  EXPECT_NE(plot.find(">train</text>"), std::string::npos);
  EXPECT_NE(plot.find(">test</text>"), std::string::npos);
}

TEST(ReportHtml, PointsStandWhereTheyBelong) {
  const std::string plot = svg_plot("loss", "epoch", {{"train", {0, 10, 5}}});
  std::smatch found;
  ASSERT_TRUE(std::regex_search(plot, found,
                                std::regex("class='line' d='M([0-9.]+) ([0-9.]+)L([0-9.]+) ([0-9.]+)L"
                                           "([0-9.]+) ([0-9.]+)'")));
  double at[6];
  for (std::size_t i = 0; i < 6; ++i) at[i] = std::stod(found[i + 1]);
  EXPECT_NEAR(at[2] - at[0], at[4] - at[2], 0.11);
  EXPECT_GT(at[2], at[0]);
  EXPECT_LT(at[3], at[1]);  // upwards is smaller
  EXPECT_NEAR(at[5], (at[1] + at[3]) / 2, 0.11);
}

TEST(ReportHtml, AGapWhereAValueIsNotFinite) {
  const std::string whole = svg_plot("loss", "epoch", {{"train", {1, 2, 3, 4}}});
  const std::string gap = svg_plot("loss", "epoch", {{"train", {1, kNan, 3, INFINITY}}});
  EXPECT_EQ(count(whole, "<circle "), 5u);
  EXPECT_EQ(count(gap, "<circle "), 3u);
  EXPECT_TRUE(std::regex_search(gap, std::regex("class='line' d='M[0-9.]+ [0-9.]+M[0-9.]+ [0-9.]+'")));
  EXPECT_EQ(gap.find("nan"), std::string::npos);
}

TEST(HistoryFiles, JsonLinesHaveNullForWhatIsNotFinite) {
  EpochRecord r = epochs(1)[0];
  r.train.loss = kNan;
  r.test->metrics[0] = INFINITY;
  r.train.nonfinite = 4;
  const auto json = nlohmann::json::parse(epoch_json(r, {"accuracy"}));
  EXPECT_TRUE(json["train_loss"].is_null());
  EXPECT_TRUE(json["test_accuracy"].is_null());
  EXPECT_EQ(json["nonfinite"], 6);
  EXPECT_EQ(json["test_loss"], 1.5);
  EXPECT_EQ(json["epoch"], 1);
  EXPECT_EQ(json["step"], 10);
}

TEST(HistoryFiles, AreWrittenTogether) {
  const test::TempFolder folder;
  write_history(folder.path(), epochs(3), {"r", {"top_k:k=3"}, {}});
  EXPECT_EQ(folder.entries(), 3);
  EXPECT_EQ(count(test::bytes_of(folder / "history.jsonl"), "\n"), 3u);
  EXPECT_EQ(test::bytes_of(folder / "history.csv").substr(0, 108),
            "epoch,step,skipped,lr,train_loss,train_top_k:k=3,test_loss,test_top_k:k=3,seconds,samples_per_second\n"
            "1,10,0,");
}

}  // namespace
}  // namespace fuselage::train
