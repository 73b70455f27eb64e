// Which values fields are changed to.
#include "host/validate/changes.h"

#include <algorithm>
#include <cmath>

namespace fuselage::validate {
namespace {

using detail::AnyField;
using detail::FieldKind;
using detail::value_text;

std::vector<std::string> other_values(const AnyField& field, const void* value) {
  std::vector<std::string> texts;
  switch (field.type->kind) {
    case FieldKind::choice: texts = field.type->choices(); break;
    case FieldKind::boolean: texts = {"true", "false"}; break;
    case FieldKind::integer: texts = {"0", "2"}; break;
    case FieldKind::real: texts = {"0", "0.1", "0.25", "2"}; break;
    case FieldKind::list: {  // each element, so that what must be of one length stays so
      std::string text;
      for (const double x : field.type->numbers(value)) text += (text.empty() ? "" : "/") + value_text(2 * x);
      return {text.empty() ? "none" : text};
    }
  }
  const std::string present = field.type->text(value);
  std::erase(texts, present);
  if (field.type->kind != FieldKind::real || field.type->optional) return texts;
  const bool usual = std::any_of(texts.begin(), texts.end(), [&](const std::string& text) {
    double x = 0;
    return detail::read_number(text, x) && field.range.contains(x);
  });
  const double quarter = 0.75 * field.range.low + 0.25 * field.range.high;
  if (!usual && std::isfinite(quarter)) texts.push_back(value_text(quarter));
  return texts;
}

}  // namespace

bool valid(const detail::Entry& entry, const void* value) {
  try {
    detail::check_fields(entry, value);
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::vector<Change> changes_of(const detail::Entry& entry, const void* base) {
  std::vector<Change> changes;
  for (const AnyField& field : entry.fields) {
    if (field.name == "lr" && field.type->kind == FieldKind::real) continue;
    for (std::string& text : other_values(field, field.in(base))) changes.emplace_back(&field, std::move(text));
  }
  return changes;
}

}  // namespace fuselage::validate
