#include "host/cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "host/train/history_files.h"

namespace fuselage::cli {
namespace {

constexpr double kRedraw = 0.1;  // seconds
constexpr int kBarCells = 20;

std::string rate_text(double per_second) {
  if (per_second >= 1e6) return fmt::format("{:.2f}M samples/s", per_second / 1e6);
  if (per_second >= 1e4) return fmt::format("{:.0f}k samples/s", per_second / 1e3);
  return fmt::format("{:.0f} samples/s", per_second);
}

std::string clock_text(double seconds) {
  const auto s = static_cast<std::int64_t>(std::clamp(seconds, 0.0, 359999.0));
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

constexpr const char* kClearLine = "\r\033[K";

}  // namespace

Progress::Style style_of_stdout(bool json) {
  if (json) return Progress::Style::json;
  const char* terminal = std::getenv("TERM");
  const bool able = terminal && std::string_view(terminal) != "dumb";
  return able && ::isatty(STDOUT_FILENO) ? Progress::Style::bar : Progress::Style::plain;
}

Progress::Progress(Style style, std::int64_t epochs, std::int64_t samples, std::int64_t log_every,
                   std::vector<std::string> metrics, std::vector<AnyMetric> measures)
    : style_(style),
      epochs_(epochs),
      samples_(samples),
      log_every_(log_every),
      metrics_(std::move(metrics)),
      measures_(std::move(measures)) {}

std::string Progress::scores_text(const Scores& scores) const {
  std::string text = fmt::format("loss {:.4f}", scores.loss);
  for (std::size_t m = 0; m < metrics_.size(); ++m) text += fmt::format(" {} {:.4f}", metrics_[m], scores.metrics[m]);
  return text;
}

void Progress::note(const std::string& line) const {
  if (style_ != Style::json) print(line + "\n");
}

void Progress::step(const StepReport& report, const LossReport& totals) {
  const Clock::time_point time = Clock::now();
  const std::int64_t before = report.at.epoch * samples_ + report.at.position;
  if (first_ < 0) first_ = before, began_ = time;
  if (style_ != Style::bar || std::chrono::duration<double>(time - drawn_).count() < kRedraw) return;
  drawn_ = time;
  const std::int64_t done = before + report.rows, all = epochs_ * samples_;
  const double elapsed = std::chrono::duration<double>(time - began_).count();
  const double rate = static_cast<double>(before - first_) / std::max(elapsed, 1e-9);
  const double share = static_cast<double>(report.at.position + report.rows) / static_cast<double>(samples_);
  const int cells = static_cast<int>(share * kBarCells);
  print(fmt::format("{}epoch {}/{} [{:=<{}}{: <{}}] {:3.0f}%  {}  {}  ETA {}", kClearLine, report.at.epoch + 1, epochs_,
                    "", cells, "", kBarCells - cells, share * 100, scores_text(scores_of(totals, measures_)),
                    rate_text(rate), rate > 0 ? clock_text(static_cast<double>(all - done) / rate) : "-:--"));
}

void Progress::epoch(const EpochRecord& record) {
  if (style_ == Style::json) return print(train::epoch_json(record, metrics_) + "\n");
  if (style_ == Style::bar) print(kClearLine);
  if (record.epoch % log_every_ != 0 && record.epoch != epochs_) return;
  std::string line = fmt::format("epoch {}/{} | {}", record.epoch, epochs_, scores_text(record.train));
  if (record.test) line += " | test " + scores_text(*record.test);
  line += fmt::format(" | lr {:.3g} | {} | {:.2f} s", record.lr, rate_text(record.samples_per_second), record.seconds);
  if (record.skipped > 0) line += fmt::format(" | {} steps skipped", record.skipped);
  print(line + "\n");
}

}  // namespace fuselage::cli
