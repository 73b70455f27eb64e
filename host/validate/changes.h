// Definitions with their fields changed, one at a time.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fuselage/core/catalogue.h"

namespace fuselage::validate {

/// Whether every field is in its range and fits the others, of a definition or of what a variant of a list holds.
bool valid(const detail::Entry& entry, const void* value);
template <class T>
bool valid(const T& value) {
  return valid(detail::entry_for(value), detail::held_by(value));
}

/// A field, and the text of another value.
using Change = std::pair<const detail::AnyField*, std::string>;

/// Each field changed to one or two other values (that float holds exactly, but for 0.1), all of a choice, twice each
/// number of a list; where its range holds none of the usual values, to that at its first quarter. Not the learning
/// rate. What does not fit a range or the other fields is among them.
std::vector<Change> changes_of(const detail::Entry& entry, const void* base);

/// `base`, and `base` with each field changed; what is not valid is left out. T: a definition, or a variant of a list.
template <class T>
std::vector<T> with_each_field_changed(const T& base) {
  std::vector<T> result{base};
  for (const auto& [field, text] : changes_of(detail::entry_for(base), detail::held_by(base))) {
    T changed = base;
    field->type->read(text, field->in(detail::held_by(changed)));
    result.push_back(changed);
  }
  std::erase_if(result, [](const T& value) { return !valid(value); });
  return result;
}

}  // namespace fuselage::validate
