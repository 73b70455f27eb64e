// The history of a run as files and lines: JSON lines, CSV, and one page of HTML.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "fuselage/history.h"

namespace fuselage::train {

/// What a page says beside its curves.
struct ReportSettings {
  std::string title;
  std::vector<std::string> metrics;                         ///< their texts, in the order of Scores::metrics
  std::vector<std::pair<std::string, std::string>> values;  ///< the table of settings
};

/// One JSON object on one line: "epoch", "step", "skipped", "lr", "train_loss", "train_<metric>", "test_...",
/// "nonfinite", "seconds", "samples_per_second". A number that is not finite is null, and "nonfinite" counts it.
std::string epoch_json(const EpochRecord& record, const std::vector<std::string>& metrics);

/// Writes history.jsonl, history.csv and report.html into the folder, each atomically.
void write_history(const std::filesystem::path& folder, const History& history, const ReportSettings& settings);

/// A page that needs nothing but itself: curves as inline SVG, told apart by dashes and marks as well as by colour,
/// light and dark, with the table of all epochs and settings.
std::string report_html(const History& history, const ReportSettings& settings);

}  // namespace fuselage::train
