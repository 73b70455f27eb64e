// Texts of the entries of lists: what is the same for all definitions.
#include "fuselage/core/catalogue.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fuselage/core/suggest.h"

namespace fuselage::detail {

namespace {

/// Arithmetic is fp32: a finite number that becomes an infinity there is none that anything can be computed with.
bool fits_float(const AnyField& field, const void* value) {
  if (field.type->kind != FieldKind::real && field.type->kind != FieldKind::list) return true;
  const std::vector<double> numbers = field.type->numbers(field.in(value));
  return std::all_of(numbers.begin(), numbers.end(), [](double x) {
    return std::isinf(x) || std::abs(x) <= static_cast<double>(std::numeric_limits<float>::max());
  });
}

}  // namespace

void check_fields(const Entry& entry, const void* value) {
  for (const AnyField& field : entry.fields) {
    const auto refuse = [&](const std::string& why) {
      throw Error(Errc::bad_argument, std::string(entry.name) + ": " + std::string(field.name) + " = " +
                                          field.type->text(field.in(value)) + why);
    };
    if (!field.type->in_range(field.range, field.in(value))) {
      std::string choices;
      for (const std::string& choice : field.type->choices()) choices += (choices.empty() ? "" : ", ") + choice;
      refuse(choices.empty() ? " is outside " + to_string(field.range) : " is none of its choices: " + choices);
    }
    if (!fits_float(field, value)) refuse(" does not fit a float, whose largest number is 3.4028235e+38");
  }
  if (entry.check) entry.check(value);
}

void set_field(const Entry& entry, void* value, std::string_view key, std::string_view text) {
  bool found = false;
  for (const AnyField& field : entry.fields) {
    if (field.name != key) continue;
    found = true;
    if (field.type->read(text, field.in(value))) continue;
    const std::string what = std::string(entry.name) + ": " + std::string(key) + " = '" + std::string(text) + "' is ";
    const std::vector<std::string> choices = field.type->choices();
    throw Error(Errc::bad_argument, what + (choices.empty() ? "not a valid " + field.type->name()
                                                            : "none of its choices" + suggest(text, choices)));
  }
  if (found) return;
  std::vector<std::string> names;
  for (const AnyField& field : entry.fields) names.emplace_back(field.name);
  throw Error(Errc::unknown_name,
              std::string(entry.name) + " has no field '" + std::string(key) + "'" + suggest(key, names));
}

std::string fields_text(const Entry& entry, const void* value) {
  std::string text;
  for (const AnyField& field : entry.fields) {
    if (field.type->equal(field.in(value), field.in(entry.defaults))) continue;
    text += (text.empty() ? ":" : ",") + std::string(field.name) + "=" + field.type->text(field.in(value));
  }
  return text;
}

EntryInfo entry_info(const Entry& entry) {
  EntryInfo info{std::string(entry.name), std::string(entry.formula), std::string(entry.summary), {}};
  for (const AnyField& field : entry.fields)
    info.fields.push_back({std::string(field.name), field.type->name(), field.type->text(field.in(entry.defaults)),
                           std::string(field.help), field.range});
  return info;
}

std::vector<std::pair<std::string_view, std::string_view>> settings_in(std::string_view owner, std::string_view text) {
  std::vector<std::pair<std::string_view, std::string_view>> settings;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos || equals == 0)
      throw Error(Errc::bad_argument, std::string(owner) + ": expected field=value, got '" + std::string(item) + "'");
    const std::string_view key = item.substr(0, equals);
    if (std::any_of(settings.begin(), settings.end(), [&](const auto& earlier) { return earlier.first == key; }))
      throw Error(Errc::bad_argument, std::string(owner) + ": '" + std::string(key) + "' is given twice");
    settings.emplace_back(key, item.substr(equals + 1));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return settings;
}

void make(std::span<const ListEntry> list, void* any, std::string_view name, std::string_view kind) {
  std::vector<std::string> names;
  for (const ListEntry& item : list) {
    if (item.entry->name == name) return item.reset(any);
    names.emplace_back(item.entry->name);
  }
  throw Error(Errc::unknown_name,
              "unknown " + std::string(kind) + " '" + std::string(name) + "'" + suggest(name, names));
}

std::vector<EntryInfo> describe(std::span<const ListEntry> list) {
  std::vector<EntryInfo> entries;
  for (const ListEntry& item : list) entries.push_back(entry_info(*item.entry));
  return entries;
}

}  // namespace fuselage::detail
