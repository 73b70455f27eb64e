// Definitions with their fields changed: one by one, and all together, since a field may act only beside another one.
#pragma once

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "host/validate/inputs.h"

namespace fuselage::cases {

using validate::valid;

/// Sets every field but lr to something that is not its default; false where `choice` leads to nothing valid.
template <class T>
bool set_all(T& value, std::size_t choice) {
  constexpr std::array<std::string_view, 5> texts{"5", "2", "0.25", "0.1", "true"};
  const T defaults{};
  bool changed = true;
  detail::for_each_field<T>([&](const auto& field) {
    if (field.name == "lr") return;
    auto& v = value.*field.member;
    const std::string_view text = texts[choice % texts.size()];
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(v)>, bool>) {
      changed &= text == "true";
      v = !(defaults.*field.member);
    } else {
      changed &= text != "true" && detail::read_value(text, v) && !(v == defaults.*field.member);
    }
    choice /= texts.size();
  });
  return changed && valid(value);
}

/// The defaults, each field changed, and the same around one with all fields changed.
template <class T>
std::vector<T> settings_of(const T& base) {
  std::vector<T> all;
  const auto add = [&](const T& around) {
    for (const T& value : validate::with_each_field_changed(around)) {
      bool known = !valid(value);
      for (const T& other : all) known = known || detail::fields_text(other) == detail::fields_text(value);
      if (!known) all.push_back(value);
    }
  };
  add(base);
  std::size_t choices = 1;
  detail::for_each_field<T>([&](const auto&) { choices *= 5; });
  for (std::size_t choice = 0; choice < choices; ++choice) {
    T together = base;
    if (!set_all(together, choice)) continue;
    add(together);
    break;
  }
  return all;
}

/// Fewer, where a list is long: the defaults, each field changed once, and all of them together.
template <class T>
std::vector<T> few_settings_of(const T& base) {
  std::vector<T> all{base};
  T together = base;
  detail::for_each_field<T>([&](const auto& field) {
    for (const T& value : validate::with_each_field_changed(base)) {
      if (value.*field.member == base.*field.member) continue;
      all.push_back(value);
      together.*field.member = value.*field.member;
      break;
    }
  });
  if (valid(together)) all.push_back(together);
  return all;
}

}  // namespace fuselage::cases
