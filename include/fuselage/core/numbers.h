// A short list of numbers in plain memory: a field of a definition that devices read as well.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "fuselage/core/error.h"
#include "fuselage/core/hd.h"

namespace fuselage {

/// Up to `Capacity` numbers; its text is "30/60/90", or "none".
template <class T, std::size_t Capacity>
class Numbers {
 public:
  using value_type = T;
  static constexpr std::size_t capacity = Capacity;

  Numbers() = default;
  /// Throws Error(bad_argument) when there are too many.
  Numbers(std::initializer_list<T> values) {
    for (const T value : values) push_back(value);
  }
  void push_back(T value) {
    if (count_ == static_cast<std::int64_t>(Capacity))
      throw Error(Errc::bad_argument, "a list holds " + std::to_string(Capacity) + " numbers at most");
    values_[count_++] = value;
  }

  FUSELAGE_HD std::int64_t size() const { return count_; }
  FUSELAGE_HD T operator[](std::int64_t i) const { return values_[i]; }
  const T* begin() const { return values_; }
  const T* end() const { return values_ + count_; }
  T* begin() { return values_; }
  T* end() { return values_ + count_; }
  bool operator==(const Numbers& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

 private:
  T values_[Capacity] = {};
  std::int64_t count_ = 0;
};

template <class T>
inline constexpr bool is_numbers = false;
template <class T, std::size_t Capacity>
inline constexpr bool is_numbers<Numbers<T, Capacity>> = true;

}  // namespace fuselage
