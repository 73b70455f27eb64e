// Definitions with their fields changed: one by one, and all together, since a field may act only beside another one.
#pragma once

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "host/validate/changes.h"

namespace fuselage::cases {

using validate::valid;

/// Sets every field but lr to something that is not its default; false where `choice` leads to nothing valid. T here
/// and below: a definition, or a variant of a list.
template <class T>
bool set_all(T& value, std::size_t choice) {
  constexpr std::array<std::string_view, 5> texts{"5", "2", "0.25", "0.1", "true"};
  const detail::Entry& entry = detail::entry_for(value);
  bool changed = true;
  for (const detail::AnyField& field : entry.fields) {
    if (field.name == "lr") continue;
    void* v = field.in(detail::held_by(value));
    const void* usual = field.in(entry.defaults);
    const std::string_view text = texts[choice % texts.size()];
    if (field.type->kind == detail::FieldKind::boolean) {
      changed &= text == "true";
      field.type->read(field.type->text(usual) == "true" ? "false" : "true", v);
    } else {
      changed &= text != "true" && field.type->read(text, v) && !field.type->equal(v, usual);
    }
    choice /= texts.size();
  }
  return changed && valid(value);
}

/// The defaults, each field changed, and the same around one with all fields changed.
template <class T>
std::vector<T> settings_of(const T& base) {
  std::vector<T> all;
  const auto add = [&](const T& around) {
    for (const T& value : validate::with_each_field_changed(around)) {
      bool known = false;
      for (const T& other : all) known = known || detail::fields_text(other) == detail::fields_text(value);
      if (!known) all.push_back(value);
    }
  };
  add(base);
  std::size_t choices = 1;
  for (std::size_t i = 0; i < detail::entry_for(base).fields.size(); ++i) choices *= 5;
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
  for (const detail::AnyField& field : detail::entry_for(base).fields) {
    for (const T& value : validate::with_each_field_changed(base)) {
      const void* changed = field.in(detail::held_by(value));
      if (field.type->equal(changed, field.in(detail::held_by(base)))) continue;
      all.push_back(value);
      field.type->read(field.type->text(changed), field.in(detail::held_by(together)));
      break;
    }
  }
  if (valid(together)) all.push_back(together);
  return all;
}

}  // namespace fuselage::cases
