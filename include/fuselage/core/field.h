// A hyperparameter of a definition: its name, where it is stored, its range and what it means. From these follow
// parsing, printing, checking, help, JSON and the tables of the documentation.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include "fuselage/core/error.h"
#include "fuselage/core/numbers.h"

namespace fuselage {

/// The values allowed: from low to high, the ends included unless said otherwise. NaN is never allowed.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;
  bool high_open = false;

  constexpr bool contains(double x) const {
    return (low_open ? x > low : x >= low) && (high_open ? x < high : x <= high);
  }
};

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr Range kAnyFinite{-kInfinity, kInfinity, true, true};
inline constexpr Range kPositive{0, kInfinity, true, true};
inline constexpr Range kNonNegative{0, kInfinity, false, true};
/// What keeps a divisor from 0, in float as well.
inline constexpr Range kNormaliser{1e-30, kInfinity, false, true};
inline constexpr Range kFraction{0, 1};
/// Decay rates: 1 would never forget, and its bias correction would be 0/0.
inline constexpr Range kDecayRate{0, 1, false, true};

/// "[0, 1)"-style text of a range.
inline std::string to_string(const Range& r) {
  auto number = [](double x) {
    if (x == kInfinity) return std::string("inf");
    if (x == -kInfinity) return std::string("-inf");
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, x).ptr;
    return std::string(text, end);
  };
  return (r.low_open ? "(" : "[") + number(r.low) + ", " + number(r.high) + (r.high_open ? ")" : "]");
}

/// One field of Owner, told by its `static void fields(auto&& field)` as field(name, member, range, help). T is double,
/// std::int64_t, bool, std::optional of a number (text "none" when absent), Numbers ("1/2/3", each of them in the
/// range), or an enumeration with values from 0 on and a function names_of(T) that gives an array of their names.
template <class Owner, class T>
struct Field {
  using value_type = T;
  std::string_view name;
  T Owner::*member;
  Range range;
  std::string_view help;
};

template <class Owner, class T>
Field(const char*, T Owner::*, Range, const char*) -> Field<Owner, T>;

/// What a field is, without its type: for help, JSON and tables.
struct FieldInfo {
  std::string name, type, default_value, help;
  Range range;
};

namespace detail {

/// Calls f with each Field of T, in order.
template <class T, class F>
void for_each_field(F&& f) {
  T::fields([&](const char* name, auto member, const Range& range, const char* help) {
    f(Field{name, member, range, help});
  });
}

template <class T>
constexpr bool is_optional = false;
template <class T>
constexpr bool is_optional<std::optional<T>> = true;

/// Whether a field of T is a choice among names.
template <class T>
concept Choice = std::is_enum_v<T> && requires(T value) {
  names_of(value)[0];
};

template <class T>
std::string type_name() {
  if constexpr (std::is_same_v<T, double>)
    return "real";
  else if constexpr (Choice<T>) {
    std::string names;
    for (const std::string_view name : names_of(T{})) names += (names.empty() ? "" : " or ") + std::string(name);
    return names;
  } else if constexpr (is_numbers<T>)
    return type_name<typename T::value_type>() + " list of up to " + std::to_string(T::capacity);
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return "integer";
  else if constexpr (std::is_same_v<T, bool>)
    return "boolean";
  else if constexpr (std::is_same_v<T, std::optional<double>>)
    return "real or none";
  else
    return "integer or none";
}

template <class T>
std::string value_text(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (Choice<T>) {
    const auto index = static_cast<std::size_t>(value);
    return index < names_of(value).size() ? std::string(names_of(value)[index]) : std::to_string(index);
  } else if constexpr (is_optional<T>) {
    return value ? value_text(*value) : "none";
  } else if constexpr (is_numbers<T>) {
    std::string text;
    for (const auto number : value) text += (text.empty() ? "" : "/") + value_text(number);
    return text.empty() ? "none" : text;
  } else {
    char text[40];
    const auto end = std::to_chars(text, text + sizeof text, value).ptr;  // the shortest text that reads back the same
    return std::string(text, end);
  }
}

template <class N>
bool read_number(std::string_view text, N& out) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), out);
  return status == std::errc() && end == text.data() + text.size();
}

/// Reads a value from text; false when the text is not one.
template <class T>
bool read_value(std::string_view text, T& out) {
  if constexpr (std::is_same_v<T, bool>) {
    if (text != "true" && text != "false" && text != "1" && text != "0") return false;
    out = text == "true" || text == "1";
    return true;
  } else if constexpr (Choice<T>) {
    std::underlying_type_t<T> value{};
    for (const std::string_view name : names_of(T{})) {
      if (name == text) {
        out = static_cast<T>(value);
        return true;
      }
      ++value;
    }
    return false;
  } else if constexpr (is_optional<T>) {
    typename T::value_type number = 0;
    if (text == "none") {
      out.reset();
      return true;
    }
    if (!read_value(text, number)) return false;
    out = number;
    return true;
  } else if constexpr (is_numbers<T>) {
    T list;
    bool more = text != "none";
    while (more) {
      const std::size_t slash = text.find('/');
      typename T::value_type number = 0;
      if (list.size() == static_cast<std::int64_t>(T::capacity) || !read_value(text.substr(0, slash), number))
        return false;
      list.push_back(number);
      more = slash != std::string_view::npos;
      if (more) text.remove_prefix(slash + 1);
    }
    out = list;
    return true;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    double real = 0;  // "1e6" is an integer too
    if (read_number(text, out)) return true;
    if (!read_number(text, real) || !(real > -9e15 && real < 9e15) ||
        real != static_cast<double>(static_cast<std::int64_t>(real)))
      return false;
    out = static_cast<std::int64_t>(real);
    return true;
  } else {
    return read_number(text, out);
  }
}

template <class T>
bool in_range(const Range& range, const T& value) {
  if constexpr (Choice<T>)
    return static_cast<std::size_t>(value) < names_of(value).size();
  else if constexpr (is_optional<T>)
    return !value || range.contains(static_cast<double>(*value));
  else if constexpr (is_numbers<T>)
    return std::all_of(value.begin(), value.end(), [&](auto x) { return range.contains(static_cast<double>(x)); });
  else
    return range.contains(static_cast<double>(value));
}

template <class T>
std::vector<std::string> choices_of() {
  std::vector<std::string> names;
  if constexpr (Choice<T>)
    for (const std::string_view name : names_of(T{})) names.emplace_back(name);
  return names;
}

template <class T>
std::vector<double> numbers_in(const T& value) {
  if constexpr (is_numbers<T>)
    return std::vector<double>(value.begin(), value.end());
  else if constexpr (is_optional<T>)
    return value ? std::vector<double>{static_cast<double>(*value)} : std::vector<double>();
  else
    return {static_cast<double>(value)};
}

enum class FieldKind { real, integer, boolean, choice, list };

template <class T>
constexpr FieldKind kind_of_field() {
  if (Choice<T>) return FieldKind::choice;
  if (is_numbers<T>) return FieldKind::list;
  if (std::is_same_v<T, bool>) return FieldKind::boolean;
  return std::is_same_v<T, double> || std::is_same_v<T, std::optional<double>> ? FieldKind::real : FieldKind::integer;
}

/// What is done with a value of a field's type that is given by its address: code for each type of values, not for each
/// field of each definition, which takes compilers minutes.
struct FieldType {
  FieldKind kind;
  bool optional;
  std::string (*name)();
  std::vector<std::string> (*choices)();  ///< of kind choice; empty for others
  std::string (*text)(const void*);
  bool (*read)(std::string_view, void*);
  bool (*in_range)(const Range&, const void*);
  bool (*equal)(const void*, const void*);
  std::vector<double> (*numbers)(const void*);  ///< none where it is absent, the index of a choice
};

template <class T>
inline constexpr FieldType kFieldType{
    kind_of_field<T>(),
    is_optional<T>,
    type_name<T>,
    choices_of<T>,
    [](const void* value) { return value_text(*static_cast<const T*>(value)); },
    [](std::string_view text, void* value) { return read_value(text, *static_cast<T*>(value)); },
    [](const Range& range, const void* value) { return detail::in_range(range, *static_cast<const T*>(value)); },
    [](const void* a, const void* b) { return *static_cast<const T*>(a) == *static_cast<const T*>(b); },
    [](const void* value) { return numbers_in(*static_cast<const T*>(value)); }};

/// A field, without the types of its definition and of its values.
struct AnyField {
  std::string_view name, help;
  Range range;
  const FieldType* type;
  std::ptrdiff_t offset;  ///< in bytes, from the beginning of the definition

  const void* in(const void* definition) const { return static_cast<const char*>(definition) + offset; }
  void* in(void* definition) const { return static_cast<char*>(definition) + offset; }
};

}  // namespace detail
}  // namespace fuselage
