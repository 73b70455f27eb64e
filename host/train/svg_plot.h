// Line plots as inline SVG.
#pragma once

#include <string>
#include <vector>

namespace fuselage::train {

/// One line: y over x = 1, 2, 3, ...; values that are not finite leave a gap.
struct Curve {
  std::string name;
  std::vector<double> y;
};

/// A plot with axes, grid, legend and one line for each curve; the n-th curve has the class "c<n>" of the page's style
/// and a mark and a dash of its own.
std::string svg_plot(const std::string& title, const std::string& x_name, const std::vector<Curve>& curves);

/// & < > " ' as entities.
std::string escaped(const std::string& text);

}  // namespace fuselage::train
