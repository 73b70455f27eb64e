// The page of a run.
#include <fmt/format.h>

#include <cmath>

#include "host/train/history_files.h"
#include "host/train/svg_plot.h"

namespace fuselage::train {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #ffffff; --faint: #d9dce1; --soft: #5b616b;
        --c0: #0b62c4; --c1: #b3400b; --c2: #2c7a3f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e9eb; --paper: #16181c; --faint: #363b44; --soft: #a3a9b4;
          --c0: #6db1ff; --c1: #ff9b62; --c2: #7fd394; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
       max-width: 1360px; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 1rem; }
svg { width: 100%; height: auto; border: 1px solid var(--faint); border-radius: 6px; }
svg text { fill: var(--soft); font-size: 12px; } svg text.title { fill: var(--ink); font-size: 15px; font-weight: 600; }
.grid { stroke: var(--faint); stroke-width: 1; } .axis { stroke: var(--soft); stroke-width: 1; }
.line { fill: none; stroke-width: 2; }
.c0 .line { stroke: var(--c0); } .c1 .line { stroke: var(--c1); stroke-dasharray: 7 4; }
.c2 .line { stroke: var(--c2); stroke-dasharray: 2 3; }
.c0 { fill: var(--c0); } .c1 { fill: var(--c1); } .c2 { fill: var(--c2); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--faint); padding: 0.25rem 0.75rem; text-align: right; white-space: nowrap; }
.settings th, .settings td { text-align: left; white-space: normal; }
th { color: var(--soft); font-weight: 600; }
)";

std::string number(double x) { return std::isfinite(x) ? fmt::format("{:.6g}", x) : "not finite"; }

/// The train and test curves of one score; `pick` takes it out of Scores.
template <class Pick>
std::string score_plot(const std::string& title, const History& history, Pick&& pick) {
  Curve train{"train", {}}, test{"test", {}};
  for (const EpochRecord& r : history) {
    train.y.push_back(pick(r.train));
    test.y.push_back(r.test ? pick(*r.test) : NAN);
  }
  const bool tested = !history.empty() && history.back().test;
  return svg_plot(title, "epoch", tested ? std::vector{train, test} : std::vector{train});
}

std::string epoch_table(const History& history, const std::vector<std::string>& metrics) {
  const bool tested = !history.empty() && history.back().test;
  std::string head = "<tr><th scope='col'>epoch</th><th scope='col'>updates</th><th scope='col'>learning rate</th>";
  for (const char* set : {"train", "test"}) {
    if (set[1] == 'e' && !tested) continue;
    head += fmt::format("<th scope='col'>{} loss</th>", set);
    for (const std::string& metric : metrics) head += fmt::format("<th scope='col'>{} {}</th>", set, escaped(metric));
  }
  head += "<th scope='col'>skipped</th><th scope='col'>seconds</th><th scope='col'>samples/s</th></tr>\n";
  std::string rows;
  const auto scores = [&](const Scores& s) {
    rows += "<td>" + number(s.loss) + "</td>";
    for (const double metric : s.metrics) rows += "<td>" + number(metric) + "</td>";
  };
  for (const EpochRecord& r : history) {
    rows += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td>", r.epoch, r.step, number(r.lr));
    scores(r.train);
    if (r.test) scores(*r.test);
    rows += fmt::format("<td>{}</td><td>{:.2f}</td><td>{:.0f}</td></tr>\n", r.skipped, r.seconds, r.samples_per_second);
  }
  return "<div class='wide'><table>\n" + head + rows + "</table></div>\n";
}

}  // namespace

std::string report_html(const History& history, const ReportSettings& settings) {
  std::string page =
      "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
      "<meta name='viewport' content='width=device-width, initial-scale=1'>\n";
  page += "<title>" + escaped(settings.title) + "</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n";
  page += "<h1>" + escaped(settings.title) + "</h1>\n";
  if (history.empty())
    page += "<p>No epoch is complete yet.</p>\n";
  else
    page += fmt::format("<p>{} epochs, {} updates.</p>\n", history.back().epoch, history.back().step);
  page += "<div class='plots'>\n";
  page += score_plot("loss", history, [](const Scores& s) { return s.loss; });
  for (std::size_t m = 0; m < settings.metrics.size(); ++m)
    page += score_plot(settings.metrics[m], history, [m](const Scores& s) { return s.metrics[m]; });
  Curve rate{"learning rate", {}};
  for (const EpochRecord& r : history) rate.y.push_back(r.lr);
  page += svg_plot("learning rate", "epoch", {rate});
  page += "</div>\n<h2>Epochs</h2>\n" + epoch_table(history, settings.metrics);
  page += "<h2>Settings</h2>\n<table class='settings'>\n";
  for (const auto& [name, value] : settings.values)
    page += "<tr><th scope='row'>" + escaped(name) + "</th><td>" + escaped(value) + "</td></tr>\n";
  return page + "</table>\n</body>\n</html>\n";
}

}  // namespace fuselage::train
