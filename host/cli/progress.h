// How a run is told while it goes on: a bar on a terminal, plain lines in a pipe, JSON lines on request.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "fuselage/train.h"

namespace fuselage::cli {

class Progress {
 public:
  enum class Style { bar, plain, json };

  /// A run of `epochs` over `samples` samples; a plain line after every `log_every` epochs.
  Progress(Style style, std::int64_t epochs, std::int64_t samples, std::int64_t log_every,
           std::vector<std::string> metrics, std::vector<AnyMetric> measures);

  /// One line for people; kept from JSON output.
  void note(const std::string& line) const;
  void step(const StepReport& report, const LossReport& totals);
  void epoch(const EpochRecord& record);

 private:
  using Clock = std::chrono::steady_clock;

  std::string scores_text(const Scores& scores) const;

  Style style_;
  std::int64_t epochs_, samples_, log_every_;
  std::vector<std::string> metrics_;
  std::vector<AnyMetric> measures_;
  Clock::time_point began_ = Clock::now(), drawn_{};
  std::int64_t first_ = -1;  // samples of the run before this process saw its first step
};

/// The bar on a terminal, unless it is called "dumb"; plain lines elsewhere.
Progress::Style style_of_stdout(bool json);

}  // namespace fuselage::cli
