// A list of definitions is the registry: names, strings, checks and help follow from it by folds.
//
// A definition is a struct of plain fields with `name`, `formula`, `summary` and `fields()`. Its text form is
// "name" or "name:field=value,field=value"; to_string and parse are inverse to each other.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "fuselage/core/error.h"
#include "fuselage/core/field.h"
#include "fuselage/core/suggest.h"

namespace fuselage {

/// What an entry of a list is, without its type.
struct EntryInfo {
  std::string name, formula, summary;
  std::vector<FieldInfo> fields;
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
std::vector<std::string> field_names() {
  std::vector<std::string> names;
  for_each_field<T>([&](const auto& field) { names.emplace_back(field.name); });
  return names;
}

/// Throws unless every field is in its range.
template <class T>
void check_fields(const T& value) {
  for_each_field<T>([&](const auto& field) {
    if (!in_range(field.range, value.*field.member))
      throw Error(Errc::bad_argument, std::string(T::name) + ": " + std::string(field.name) + " = " +
                                          value_text(value.*field.member) + " is outside " + to_string(field.range));
  });
  if constexpr (requires { value.check(); }) value.check();  // fields that must fit each other
}

template <class T>
void set_field(T& value, std::string_view key, std::string_view text) {
  bool found = false;
  for_each_field<T>([&](const auto& field) {
    if (field.name != key) return;
    found = true;
    using V = typename std::remove_cvref_t<decltype(field)>::value_type;
    if (read_value(text, value.*field.member)) return;
    const std::string what = std::string(T::name) + ": " + std::string(key) + " = '" + std::string(text) + "' is ";
    if constexpr (Choice<V>) {
      std::vector<std::string> names;
      for (const std::string_view name : names_of(V{})) names.emplace_back(name);
      throw Error(Errc::bad_argument, what + "none of its choices" + suggest(text, names));
    } else {
      throw Error(Errc::bad_argument, what + "not a valid " + type_name<V>());
    }
  });
  if (!found)
    throw Error(Errc::unknown_name,
                std::string(T::name) + " has no field '" + std::string(key) + "'" + suggest(key, field_names<T>()));
}

template <class T>
std::string fields_text(const T& value) {
  const T defaults{};
  std::string text;
  for_each_field<T>([&](const auto& field) {
    if (value.*field.member == defaults.*field.member) return;
    text += (text.empty() ? ":" : ",") + std::string(field.name) + "=" + value_text(value.*field.member);
  });
  return text;
}

template <class T>
EntryInfo entry_info() {
  EntryInfo info{std::string(T::name), std::string(T::formula), std::string(T::summary), {}};
  const T defaults{};
  for_each_field<T>([&](const auto& field) {
    using V = typename std::remove_cvref_t<decltype(field)>::value_type;
    info.fields.push_back({std::string(field.name), type_name<V>(), value_text(defaults.*field.member),
                           std::string(field.help), field.range});
  });
  return info;
}

/// Calls f(key, value) for each "key=value" of a comma-separated list.
template <class F>
void for_each_setting(std::string_view owner, std::string_view text, F&& f) {
  std::vector<std::string_view> seen;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos || equals == 0)
      throw Error(Errc::bad_argument, std::string(owner) + ": expected field=value, got '" + std::string(item) + "'");
    const std::string_view key = item.substr(0, equals);
    if (std::find(seen.begin(), seen.end(), key) != seen.end())
      throw Error(Errc::bad_argument, std::string(owner) + ": '" + std::string(key) + "' is given twice");
    seen.push_back(key);
    f(key, item.substr(equals + 1));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
}

}  // namespace detail

/// The list of the definitions Ts.
template <class... Ts>
struct Catalogue {
  using Any = std::variant<Ts...>;  ///< a value of any entry
  static constexpr std::size_t size = sizeof...(Ts);
  static constexpr std::array<std::string_view, size> names{Ts::name...};

  /// Calls f.template operator()<T>() for every entry.
  template <class F>
  static constexpr void for_each(F&& f) {
    (f.template operator()<Ts>(), ...);
  }

  static std::string_view name_of(const Any& any) {
    return std::visit([](const auto& value) { return std::remove_cvref_t<decltype(value)>::name; }, any);
  }

  static std::vector<EntryInfo> describe() { return {detail::entry_info<Ts>()...}; }

  /// The entry called `name`, with its defaults. `kind` ("loss") goes into the message of Error(unknown_name).
  static Any make(std::string_view name, std::string_view kind) {
    Any result;
    const bool found = ((Ts::name == name ? (result = Ts{}, true) : false) || ...);
    if (!found)
      throw Error(Errc::unknown_name, "unknown " + std::string(kind) + " '" + std::string(name) + "'" +
                                          suggest(name, std::vector<std::string>{std::string(Ts::name)...}));
    return result;
  }

  /// Sets one field from text; Error(unknown_name) for a key, Error(bad_argument) for a value.
  static void set(Any& any, std::string_view key, std::string_view text) {
    std::visit([&](auto& value) { detail::set_field(value, key, text); }, any);
  }

  /// Throws Error(bad_argument) unless every field is in its range. Call it where a value enters.
  static void check(const Any& any) {
    std::visit([](const auto& value) { detail::check_fields(value); }, any);
  }

  /// "huber:delta=0.5" -> Huber{.delta = 0.5}, checked.
  static Any parse(std::string_view text, std::string_view kind) {
    const std::size_t colon = text.find(':');
    Any result = make(text.substr(0, colon), kind);
    if (colon != std::string_view::npos)
      detail::for_each_setting(name_of(result), text.substr(colon + 1),
                               [&](std::string_view key, std::string_view value) { set(result, key, value); });
    check(result);
    return result;
  }

  /// The text that parse reads back to an equal value: the name, and the fields that differ from their defaults.
  static std::string to_string(const Any& any) {
    return std::visit(
        [](const auto& value) {
          return std::string(std::remove_cvref_t<decltype(value)>::name) + detail::fields_text(value);
        },
        any);
  }
};

}  // namespace fuselage
