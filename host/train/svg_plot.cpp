#include "host/train/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace fuselage::train {
namespace {

constexpr double kWidth = 640, kHeight = 300, kLeft = 70, kRight = 16, kTop = 34, kBottom = 42;

/// The range of an axis with its ticks at multiples of 1, 2 or 5 times a power of ten.
struct Axis {
  double low, high, step;

  static Axis over(double low, double high, bool whole) {
    if (!(high > low)) {
      const double room = std::max(std::fabs(low) * 0.1, 1e-9);
      low -= room, high += room;
    }
    const double raw = (high - low) / 5, power = std::pow(10.0, std::floor(std::log10(raw)));
    const double rest = raw / power;
    double step = power * (rest < 1.5 ? 1 : rest < 3.5 ? 2 : rest < 7.5 ? 5 : 10);
    if (whole) step = std::max(1.0, step);
    return {low, high, step};
  }
  double first() const { return std::ceil(low / step - 1e-9) * step; }
};

struct Scale {
  Axis x, y;
  double px(double value) const { return kLeft + (value - x.low) / (x.high - x.low) * (kWidth - kLeft - kRight); }
  double py(double value) const {
    return kHeight - kBottom - (value - y.low) / (y.high - y.low) * (kHeight - kTop - kBottom);
  }
};

std::string grid(const Scale& s, const std::string& x_name) {
  std::string out;
  for (double y = s.y.first(); y <= s.y.high + s.y.step * 1e-9; y += s.y.step) {
    const double value = std::fabs(y) < s.y.step * 1e-9 ? 0 : y;
    out += fmt::format("<line class='grid' x1='{}' x2='{}' y1='{:.1f}' y2='{:.1f}'/>", kLeft, kWidth - kRight, s.py(y),
                       s.py(y));
    out += fmt::format("<text x='{}' y='{:.1f}' text-anchor='end'>{:.4g}</text>", kLeft - 8, s.py(y) + 4, value);
  }
  for (double x = s.x.first(); x <= s.x.high + s.x.step * 1e-9; x += s.x.step)
    out +=
        fmt::format("<text x='{:.1f}' y='{}' text-anchor='middle'>{:.4g}</text>", s.px(x), kHeight - kBottom + 18, x);
  out += fmt::format("<line class='axis' x1='{}' x2='{}' y1='{}' y2='{}'/>", kLeft, kWidth - kRight, kHeight - kBottom,
                     kHeight - kBottom);
  out += fmt::format("<text x='{}' y='{}' text-anchor='middle'>{}</text>", (kLeft + kWidth - kRight) / 2, kHeight - 6,
                     escaped(x_name));
  return out;
}

std::string mark(std::size_t curve, double x, double y) {
  if (curve % 3 == 0) return fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='3'/>", x, y);
  if (curve % 3 == 1) return fmt::format("<rect x='{:.1f}' y='{:.1f}' width='6' height='6'/>", x - 3, y - 3);
  return fmt::format("<path d='M{:.1f} {:.1f}l4 7h-8z'/>", x, y - 4);
}

std::string line(const Scale& s, const Curve& curve, std::size_t index) {
  std::string path, marks;
  bool down = false;
  for (std::size_t i = 0; i < curve.y.size(); ++i) {
    if (!std::isfinite(curve.y[i])) {
      down = false;
      continue;
    }
    const double x = s.px(static_cast<double>(i + 1)), y = s.py(curve.y[i]);
    path += fmt::format("{}{:.1f} {:.1f}", down ? "L" : "M", x, y);
    if (curve.y.size() <= 60) marks += mark(index, x, y);
    down = true;
  }
  return fmt::format("<g class='c{}'><path class='line' d='{}'/>{}</g>", index, path, marks);
}

std::string legend(const std::vector<Curve>& curves) {
  std::string out;
  double x = kWidth - kRight;
  for (std::size_t i = curves.size(); i-- > 0;) {
    x -= 44 + 7.0 * static_cast<double>(curves[i].name.size());
    out += fmt::format("<g class='c{}'><path class='line' d='M{:.1f} 17h26'/>{}</g><text x='{:.1f}' y='21'>{}</text>",
                       i, x, mark(i, x + 13, 17), x + 31, escaped(curves[i].name));
  }
  return out;
}

}  // namespace

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (c == '\'')
      out += "&#39;";
    else
      out += c;
  }
  return out;
}

std::string svg_plot(const std::string& title, const std::string& x_name, const std::vector<Curve>& curves) {
  double low = INFINITY, high = -INFINITY;
  std::size_t longest = 1;
  for (const Curve& curve : curves) {
    longest = std::max(longest, curve.y.size());
    for (const double y : curve.y)
      if (std::isfinite(y)) low = std::min(low, y), high = std::max(high, y);
  }
  if (low > high) low = 0, high = 1;
  const double room = (high - low) * 0.05;
  const Scale scale{Axis::over(1, std::max(2.0, static_cast<double>(longest)), true),
                    Axis::over(low - room, high + room, false)};
  std::string out = fmt::format("<svg viewBox='0 0 {} {}' role='img' aria-label='{}'><title>{}</title>", kWidth,
                                kHeight, escaped(title + " over " + x_name), escaped(title));
  out += fmt::format("<text class='title' x='{}' y='21'>{}</text>", kLeft, escaped(title));
  out += grid(scale, x_name) + legend(curves);
  for (std::size_t i = 0; i < curves.size(); ++i) out += line(scale, curves[i], i);
  return out + "</svg>\n";
}

}  // namespace fuselage::train
