// Every entry of every list is complete: it has an oracle in the reference, texts for people, and fields that can be
// written, read and refused. The checks themselves are tried on planted lists.
#include <gtest/gtest.h>

#include "fuselage/activations.h"
#include "fuselage/losses.h"
#include "fuselage/metrics.h"
#include "fuselage/optimizers.h"
#include "fuselage/schedules.h"
#include "host/reference/reference.h"
#include "tests/support/list_checks.h"

namespace fuselage {
namespace {

using test::check_list;
using test::Complaints;

void expect_none(const Complaints& complaints) {
  for (const std::string& complaint : complaints) ADD_FAILURE() << complaint;
}

TEST(Lists, Losses) { expect_none(check_list<Losses>(reference::loss_names())); }
TEST(Lists, Optimizers) { expect_none(check_list<Optimizers>(reference::optimizer_names())); }
TEST(Lists, Schedules) { expect_none(check_list<Schedules>(reference::schedule_names())); }
TEST(Lists, Activations) {
  std::vector<std::string> oracles = reference::activation_names();
  oracles.push_back("identity");  // its formula is its oracle
  expect_none(check_list<Activations>(oracles));
}
TEST(Lists, Metrics) {
  // The reference counts them in every loss (LossOutput).
  expect_none(check_list<Metrics>({"accuracy", "top_k", "mae", "mse", "precision", "recall", "f1"}));
}

TEST(Lists, TheReferenceKnowsNothingMore) {
  for (const std::string& name : reference::loss_names()) EXPECT_NO_THROW(Losses::make(name, "loss"));
  for (const std::string& name : reference::optimizer_names()) EXPECT_NO_THROW(Optimizers::make(name, "optimizer"));
  for (const std::string& name : reference::schedule_names()) EXPECT_NO_THROW(Schedules::make(name, "schedule"));
}

TEST(Lists, OptimizersHaveTheStateOfTheReference) {
  Optimizers::for_each([]<class R>() { EXPECT_EQ(reference::state_count(R::name), R::slots) << R::name; });
}

// ---- planted lists --------------------------------------------------------------------------------------------------

struct Good {
  static constexpr std::string_view name = "good", formula = "x", summary = "nothing wrong";
  double scale = 1;
  static void fields(auto&& field) { field("scale", &Good::scale, kPositive, "a factor"); }
};
struct NoFormula {
  static constexpr std::string_view name = "no_formula", formula = "", summary = "says nothing";
  static void fields(auto&&) {}
};
struct NoSummary {
  static constexpr std::string_view name = "no_summary", formula = "x", summary = "";
  static void fields(auto&&) {}
};
struct NoHelp {
  static constexpr std::string_view name = "no_help", formula = "x", summary = "s";
  double scale = 1;
  static void fields(auto&& field) { field("scale", &NoHelp::scale, kPositive, ""); }
};
struct BadDefault {
  static constexpr std::string_view name = "bad_default", formula = "x", summary = "s";
  double scale = 0;
  static void fields(auto&& field) { field("scale", &BadDefault::scale, kPositive, "a factor"); }
};
struct BadName {
  static constexpr std::string_view name = "Bad Name", formula = "x", summary = "s";
  static void fields(auto&&) {}
};
/// Two fields of one name: a text sets both.
struct Ambiguous {
  static constexpr std::string_view name = "ambiguous", formula = "x", summary = "s";
  double a = 1, b = 1;
  static void fields(auto&& field) {
    field("a", &Ambiguous::a, kPositive, "one");
    field("a", &Ambiguous::b, kPositive, "another");
  }
};
/// A closed range: the planted list below does not keep it.
struct Share {
  static constexpr std::string_view name = "share", formula = "x", summary = "s";
  double scale = 1;
  static void fields(auto&& field) { field("scale", &Share::scale, Range{0, 1}, "a part"); }
};

template <class T>
std::string complaints_about(const std::vector<std::string>& oracles = {std::string(T::name)}) {
  std::string text;
  for (const std::string& line : check_list<Catalogue<T>>(oracles)) text += line + "\n";
  return text;
}

TEST(ListChecks, ACompleteEntryPasses) {
  EXPECT_EQ(complaints_about<Good>(), "");
  EXPECT_EQ(complaints_about<Share>(), "");
}

TEST(ListChecks, AnEntryWithoutAnOracleIsFound) {
  EXPECT_EQ(complaints_about<Good>({"another"}), "good: the reference lacks it\n");
}

TEST(ListChecks, MissingTextsAreFound) {
  EXPECT_EQ(complaints_about<NoFormula>(), "no_formula: no formula\n");
  EXPECT_EQ(complaints_about<NoSummary>(), "no_summary: no summary\n");
  EXPECT_EQ(complaints_about<NoHelp>(), "no_help: scale has no help\n");
}

TEST(ListChecks, BadNamesAreFound) {
  EXPECT_EQ(complaints_about<BadName>(), "Bad Name: the name is not of a-z, 0-9 and _\n");
  const Complaints twice = check_list<Catalogue<Good, NoHelp, NoSummary>>({"good", "no_help", "no_summary"});
  EXPECT_EQ(twice.size(), 2u);
}

TEST(ListChecks, ADefaultOutsideItsRangeIsFound) {
  const std::string text = complaints_about<BadDefault>();
  EXPECT_NE(text.find("scale has a default outside its range"), std::string::npos) << text;
}

TEST(ListChecks, TextThatReadsBackOtherwiseIsFound) {
  const std::string text = complaints_about<Ambiguous>();
  EXPECT_NE(text.find("reads back as"), std::string::npos) << text;
}

/// A list that checks nothing.
struct Lax : Catalogue<Share> {
  static Any parse(std::string_view text, std::string_view kind) {
    const std::size_t colon = text.find(':');
    Any any = make(text.substr(0, colon), kind);
    if (colon != std::string_view::npos) {
      double value = 0;
      if (detail::read_number(text.substr(text.find('=') + 1), value)) std::get<Share>(any).scale = value;
    }
    return any;
  }
};

TEST(ListChecks, ValuesThatShouldBeRefusedAreFound) {
  std::string text;
  for (const std::string& line : check_list<Lax>({"share"})) text += line + "\n";
  for (const char* wrong : {"share:scale=nan is taken", "share:scale=-5e-324 is taken",
                            "share:scale=1.0000000000000002 is taken", "share:scale=word is taken"})
    EXPECT_NE(text.find(wrong), std::string::npos) << wrong << " in\n" << text;
}

}  // namespace
}  // namespace fuselage
