// What every entry of every list must have; each complaint is a line of text, so that the checks can be checked.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "fuselage/core/catalogue.h"
#include "host/validate/inputs.h"

namespace fuselage::test {

using Complaints = std::vector<std::string>;

template <class T>
bool same_fields(const T& a, const T& b) {
  bool same = true;
  detail::for_each_field<T>([&](const auto& field) { same &= a.*field.member == b.*field.member; });
  return same;
}

/// Texts reach parse() and come back.
template <class List, class T>
void check_round_trip(const T& value, Complaints& found) {
  const std::string text = List::to_string(value);
  try {
    const auto back = List::parse(text, "entry");
    if (!std::holds_alternative<T>(back) || !same_fields(std::get<T>(back), value))
      found.push_back(text + " reads back as " + List::to_string(back));
  } catch (const Error& error) {
    found.push_back(text + ": " + error.what());
  }
}

/// Values next to the ends of a field's range are refused where they are outside, and NaN always.
template <class List, class T>
void check_ranges(Complaints& found) {
  detail::for_each_field<T>([&](const auto& field) {
    using V = typename std::remove_cvref_t<decltype(field)>::value_type;
    if constexpr (std::is_same_v<V, bool>) return;
    const double infinity = std::numeric_limits<double>::infinity();
    std::vector<std::string> wrong{"nan", "", "word"};
    if constexpr (std::is_same_v<V, double>) {
      if (field.range.low_open || std::isfinite(field.range.low))
        wrong.push_back(
            detail::value_text(field.range.low_open ? field.range.low : std::nextafter(field.range.low, -infinity)));
      if (field.range.high_open || std::isfinite(field.range.high))
        wrong.push_back(
            detail::value_text(field.range.high_open ? field.range.high : std::nextafter(field.range.high, infinity)));
    } else if constexpr (is_numbers<V>) {
      wrong.insert(wrong.end(), {"1/", "/1", "1//2", "1/word", detail::value_text(field.range.low - 1)});
    } else if (std::isfinite(field.range.low)) {
      wrong.push_back(std::to_string(static_cast<std::int64_t>(field.range.low) - 1));
    }
    for (const std::string& text : wrong) {
      const std::string whole = std::string(T::name) + ":" + std::string(field.name) + "=" + text;
      try {
        List::parse(whole, "entry");
        found.push_back(whole + " is taken");
      } catch (const Error& error) {
        if (error.code() != Errc::bad_argument) found.push_back(whole + ": " + error.what());
      }
    }
  });
}

/// All complaints about a list; every entry must be among `oracles`.
template <class List>
Complaints check_list(const std::vector<std::string>& oracles) {
  Complaints found;
  std::vector<std::string> names;
  List::template for_each([&]<class T>() {
    const EntryInfo info = detail::entry_info(detail::entry_of<T>());
    const auto complain = [&](const std::string& text) { found.push_back(info.name + ": " + text); };
    if (std::find(names.begin(), names.end(), info.name) != names.end()) complain("the name is there twice");
    names.push_back(info.name);
    if (info.name.empty() || info.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos)
      complain("the name is not of a-z, 0-9 and _");
    if (std::find(oracles.begin(), oracles.end(), info.name) == oracles.end()) complain("the reference lacks it");
    if (info.summary.empty()) complain("no summary");
    if (info.formula.empty()) complain("no formula");
    for (const FieldInfo& field : info.fields)
      if (field.help.empty()) complain(field.name + " has no help");
    const T defaults{};
    detail::for_each_field<T>([&](const auto& field) {
      if (!detail::in_range(field.range, defaults.*field.member))
        complain(std::string(field.name) + " has a default outside its range");
    });
    for (const T& value : validate::with_each_field_changed(defaults)) check_round_trip<List>(value, found);
    check_ranges<List, T>(found);
  });
  return found;
}

}  // namespace fuselage::test
