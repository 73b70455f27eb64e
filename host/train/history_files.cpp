// History as JSON lines and CSV.
#include "host/train/history_files.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "host/data/atomic_file.h"

namespace fuselage::train {
namespace {

using Json = nlohmann::ordered_json;

/// The numbers of a record by name, in the order of the columns.
std::vector<std::pair<std::string, double>> columns_of(const EpochRecord& r, const std::vector<std::string>& metrics) {
  std::vector<std::pair<std::string, double>> columns{{"lr", r.lr}};
  const auto add = [&](const std::string& set, const Scores& scores) {
    columns.emplace_back(set + "_loss", scores.loss);
    for (std::size_t m = 0; m < metrics.size(); ++m) columns.emplace_back(set + "_" + metrics[m], scores.metrics[m]);
  };
  add("train", r.train);
  if (r.test) add("test", *r.test);
  columns.emplace_back("seconds", r.seconds);
  columns.emplace_back("samples_per_second", r.samples_per_second);
  return columns;
}

std::string quoted(const std::string& field) {
  return field.find_first_of(",\"") == std::string::npos ? field : "\"" + field + "\"";
}

std::string history_csv(const History& history, const std::vector<std::string>& metrics) {
  std::string text = "epoch,step,skipped";
  if (!history.empty())
    for (const auto& [name, value] : columns_of(history[0], metrics)) text += "," + quoted(name);
  text += "\n";
  for (const EpochRecord& record : history) {
    text += fmt::format("{},{},{}", record.epoch, record.step, record.skipped);
    for (const auto& [name, value] : columns_of(record, metrics)) text += fmt::format(",{}", value);
    text += "\n";
  }
  return text;
}

}  // namespace

std::string epoch_json(const EpochRecord& record, const std::vector<std::string>& metrics) {
  Json json{{"epoch", record.epoch}, {"step", record.step}, {"skipped", record.skipped}};
  std::int64_t nonfinite = record.train.nonfinite;
  for (const auto& [name, value] : columns_of(record, metrics)) {
    json[name] = std::isfinite(value) ? Json(value) : Json(nullptr);
    nonfinite += !std::isfinite(value);
  }
  json["nonfinite"] = nonfinite;
  return json.dump();
}

void write_history(const std::filesystem::path& folder, const History& history, const ReportSettings& settings) {
  std::string lines;
  for (const EpochRecord& record : history) lines += epoch_json(record, settings.metrics) + "\n";
  data::write_atomically(folder / "history.jsonl", lines);
  data::write_atomically(folder / "history.csv", history_csv(history, settings.metrics));
  data::write_atomically(folder / "report.html", report_html(history, settings));
}

}  // namespace fuselage::train
