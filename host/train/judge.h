// Distances in ulp, and the worst of many.
#pragma once

#include <cstdint>
#include <string>

namespace fuselage::train {

/// The spacing of floats at |x|.
double ulp_at(double x);

/// Collects distances and remembers the worst.
class Judge {
 public:
  /// `what` is judged, in "ulp of fp32" and with this budget.
  Judge(std::string what, double budget) : what_(std::move(what)), budget_(budget) {}
  /// |got - want| in units of `unit`; equal values, two NaN and equal infinities are at distance 0, and a value that is
  /// not finite is at an infinite distance from all others. `where` is called only for a new worst.
  template <class Where>
  void see(double got, double want, double unit, Where&& where) {
    const double distance = distance_of(got, want, unit);
    if (!(distance > worst_)) return;
    worst_ = distance, got_ = got, want_ = want, where_ = where();
  }
  /// Throws Error(mismatch) when the worst is over the budget.
  void conclude(std::int64_t step) const;

 private:
  static double distance_of(double got, double want, double unit);

  std::string what_, where_;
  double budget_, worst_ = 0, got_ = 0, want_ = 0;
};

}  // namespace fuselage::train
