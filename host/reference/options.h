// Reads named hyperparameters, and refuses the ones that nobody asked for.
#pragma once

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>

#include "host/reference/reference.h"

namespace fuselage::reference {

inline constexpr double kUnbounded = std::numeric_limits<double>::max();

/// Usage: get() every option, then finish(). All errors are std::invalid_argument.
class OptionReader {
 public:
  /// `owner` names whose options these are; `options` is borrowed.
  OptionReader(std::string_view owner, const Options& options) : owner_(owner), options_(options) {}

  double get(const std::string& key, double fallback) {
    known_.insert(key);
    const auto found = options_.find(key);
    if (found == options_.end()) return fallback;
    if (std::isnan(found->second)) fail(key, "is NaN");
    return found->second;
  }

  double get_required(const std::string& key) {
    if (!has(key)) fail(key, "is required");
    return get(key, 0);
  }

  /// As get(), and refused unless low <= value <= high (the fallback is not checked).
  double get_between(const std::string& key, double fallback, double low, double high) {
    const double value = get(key, fallback);
    if (has(key) && !(low <= value && value <= high)) {
      fail(key, "is " + std::to_string(value) + ", expected " + std::to_string(low) + " to " + std::to_string(high));
    }
    return value;
  }

  /// As get_between(), the upper end excluded.
  double get_below(const std::string& key, double fallback, double low, double high) {
    return get_between(key, fallback, low, std::nextafter(high, low));
  }

  /// As get_between(), both ends excluded.
  double get_inside(const std::string& key, double fallback, double low, double high) {
    return get_between(key, fallback, std::nextafter(low, high), std::nextafter(high, low));
  }

  double get_positive(const std::string& key, double fallback) { return get_inside(key, fallback, 0, kUnbounded); }

  bool get_flag(const std::string& key, bool fallback = false) {
    const double value = get(key, fallback ? 1 : 0);
    if (value != 0 && value != 1) fail(key, "is " + std::to_string(value) + ", expected 0 or 1");
    return value != 0;
  }

  bool has(const std::string& key) const { return options_.contains(key); }

  /// Call it last: an option that was never read is unknown.
  void finish() const {
    for (const auto& [key, value] : options_) {
      if (!known_.contains(key)) fail(key, "is unknown");
    }
  }

  [[noreturn]] void fail(const std::string& key, const std::string& what) const {
    throw std::invalid_argument("reference: option '" + key + "' of " + owner_ + " " + what);
  }

 private:
  std::string owner_;
  const Options& options_;
  std::set<std::string> known_;
};

}  // namespace fuselage::reference
