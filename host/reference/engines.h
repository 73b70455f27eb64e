// The derivatives of a formula by three engines: the rules of calculus, differences, and none.
//
// Every engine sets the slopes by each input, and returns the value.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "host/reference/element.h"
#include "host/reference/row.h"

namespace fuselage::reference {

/// The value of one output, the largest term behind it, and how much a probability may weigh in it.
struct Measured {
  double value = 0, term = 0, tail = 0;
};

/// The same row with other scalars: make(x) of each input, in order.
template <class T, class F>
Row<T> converted(const Row<double>& row, const F& make) {
  Row<T> result;
  for (const auto& [from, to] :
       {std::pair{&row.x, &result.x}, {&row.second, &result.second}, {&row.third, &result.third}})
    for (const double v : *from) to->push_back(make(v));
  result.target = row.target;
  result.weight = row.weight;
  result.label = row.label;
  result.single = row.single;
  result.constant = row.constant;
  return result;
}

/// By the rules of calculus: dual numbers for elements, a tape for rows.
struct ByRules {
  Measured element(const Element& loss, double y, double z, double t, Sized* slopes) const {
    const Dual<2> result = loss.at(Dual<2>(y, 0), Dual<2>(z, 1), t);
    const Terms terms = loss.terms(y, z, t);
    // A branch taken on NaN has the slope of that branch; at NaN there is none.
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const bool is_nan = std::isnan(result.value);
    slopes[0] = {is_nan ? nan : result.slope[0], terms.derivative};
    slopes[1] = {is_nan ? nan : result.slope[1], terms.second};
    return {result.value, terms.value, 0};
  }

  Measured row(const RowLoss& loss, const Row<double>& row, std::vector<Sized>* slopes) const {
    Tape tape;
    const Row<Var> seeded = converted<Var>(row, [&](double v) { return tape.input(v); });
    const Var result = loss.at(seeded);
    tape.differentiate(result);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const bool is_nan = std::isnan(result.number.value);
    const std::vector<Var>* const inputs[] = {&seeded.x, &seeded.second, &seeded.third};
    for (int k = 0; k < 3; ++k) {
      for (const Var& v : *inputs[k]) {
        slopes[k].push_back(is_nan ? Sized{nan, tape.at(v).term} : tape.at(v));
      }
    }
    return {result.number.value, result.number.term, tape.tail()};
  }
};

/// Central differences in long double.
struct ByDifferences {
  long double step;

  template <class F>
  double slope(double x, const F& f) const {
    const long double up = x + step, down = x - step;
    const long double distance = std::isfinite(x) ? up - down : 2 * step;
    return static_cast<double>((f(up) - f(down)) / distance);
  }

  Measured element(const Element& loss, double y, double z, double t, Sized* slopes) const {
    slopes[0].value = slope(y, [&](long double at) { return loss.at(at, static_cast<long double>(z), t); });
    slopes[1].value = slope(z, [&](long double at) { return loss.at(static_cast<long double>(y), at, t); });
    return {loss.at(y, z, t)};
  }

  Measured row(const RowLoss& loss, const Row<double>& row, std::vector<Sized>* slopes) const {
    auto moved = converted<long double>(row, [](double v) { return static_cast<long double>(v); });
    std::vector<long double>* const inputs[] = {&moved.x, &moved.second, &moved.third};
    for (int k = 0; k < 3; ++k) {
      for (long double& x : *inputs[k]) {
        const long double was = x;
        const double by_x = slope(static_cast<double>(was), [&](long double at) {
          x = at;
          return loss.at(moved);
        });
        x = was;
        slopes[k].push_back({by_x, 0});
      }
    }
    return {loss.at(row)};
  }
};

/// Values only; gradients come out as zeros.
struct ByNothing {
  Measured element(const Element& loss, double y, double z, double t, Sized*) const { return {loss.at(y, z, t)}; }
  Measured row(const RowLoss& loss, const Row<double>& row, std::vector<Sized>*) const { return {loss.at(row)}; }
};

}  // namespace fuselage::reference
