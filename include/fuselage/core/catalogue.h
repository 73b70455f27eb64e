// A list of definitions is the registry: names, strings, checks and help follow from it.
//
// A definition is a struct of plain fields with `name`, `formula`, `summary` and `fields()`. Its text form is
// "name" or "name:field=value,field=value"; to_string and parse are inverse to each other. What reads and writes texts
// is in the library, once for all definitions.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "fuselage/core/error.h"
#include "fuselage/core/field.h"

namespace fuselage {

template <class... Ts>
struct Catalogue;

/// What an entry of a list is, without its type.
struct EntryInfo {
  std::string name, formula, summary;
  std::vector<FieldInfo> fields;
};

namespace detail {

/// The text side of a definition, whose values are given by their address.
struct Entry {
  std::string_view name, formula, summary;
  std::vector<AnyField> fields;
  const void* defaults;
  void (*check)(const void* value);  ///< of fields that must fit each other; null where any do
};

template <class T>
const Entry& entry_of() {
  static const T defaults{};
  static const Entry entry = [] {
    Entry e{T::name, T::formula, T::summary, {}, &defaults, nullptr};
    for_each_field<T>([&](const auto& field) {
      using V = typename std::remove_cvref_t<decltype(field)>::value_type;
      const std::ptrdiff_t offset =
          reinterpret_cast<const char*>(&(defaults.*field.member)) - reinterpret_cast<const char*>(&defaults);
      e.fields.push_back({field.name, field.help, field.range, &kFieldType<V>, offset});
    });
    if constexpr (requires { defaults.check(); }) e.check = [](const void* v) { static_cast<const T*>(v)->check(); };
    return e;
  }();
  return entry;
}

/// An entry of a list, and how a variant of the list holds it.
struct ListEntry {
  const Entry* entry;
  void (*reset)(void* any);  ///< makes it hold the entry's defaults
  void* (*held)(void* any);  ///< the value, where it holds one of this entry
};

/// The text side of a list, a type of its own so that the lists of fuselage have theirs in the library.
template <class List>
struct ListEntries {
  static std::span<const ListEntry> all();
};
template <class List>
std::span<const ListEntry> ListEntries<List>::all() {
  using Any = typename List::Any;
  static const std::vector<ListEntry> entries = [] {
    std::vector<ListEntry> list;
    List::for_each([&]<class T>() {
      list.push_back({&entry_of<T>(), [](void* any) { *static_cast<Any*>(any) = T{}; },
                      [](void* any) -> void* { return std::get_if<T>(static_cast<Any*>(any)); }});
    });
    return list;
  }();
  return entries;
}

/// What a definition, or the one that a variant of a list holds, is; and where.
template <class T>
const Entry& entry_for(const T&) {
  return entry_of<T>();
}
template <class T>
void* held_by(T& value) {
  return &value;
}
template <class... Ts>
const Entry& entry_for(const std::variant<Ts...>& any) {
  return *ListEntries<Catalogue<Ts...>>::all()[any.index()].entry;
}
template <class... Ts>
void* held_by(std::variant<Ts...>& any) {
  return ListEntries<Catalogue<Ts...>>::all()[any.index()].held(&any);
}
template <class T>
const void* held_by(const T& value) {
  return held_by(const_cast<T&>(value));
}

/// Throws Error(bad_argument) unless every field is in its range and they fit each other.
void check_fields(const Entry& entry, const void* value);
/// Throws Error(unknown_name) for a key, Error(bad_argument) for a value.
void set_field(const Entry& entry, void* value, std::string_view key, std::string_view text);
/// ":field=value,field=value" of the fields that differ from their defaults.
std::string fields_text(const Entry& entry, const void* value);
EntryInfo entry_info(const Entry& entry);

template <class T>
void check_fields(const T& value) {
  check_fields(entry_for(value), held_by(value));
}
template <class T>
void set_field(T& value, std::string_view key, std::string_view text) {
  set_field(entry_for(value), held_by(value), key, text);
}
template <class T>
std::string fields_text(const T& value) {
  return fields_text(entry_for(value), held_by(value));
}

/// The keys and values of a comma-separated list of "key=value"; Error(bad_argument) for another text or a key that is
/// there twice.
std::vector<std::pair<std::string_view, std::string_view>> settings_in(std::string_view owner, std::string_view text);

void make(std::span<const ListEntry> list, void* any, std::string_view name, std::string_view kind);
std::vector<EntryInfo> describe(std::span<const ListEntry> list);

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

  static std::string_view name_of(const Any& any) { return names[any.index()]; }

  static std::vector<EntryInfo> describe() { return detail::describe(entries()); }

  /// The entry called `name`, with its defaults. `kind` ("loss") goes into the message of Error(unknown_name).
  static Any make(std::string_view name, std::string_view kind) {
    Any result;
    detail::make(entries(), &result, name, kind);
    return result;
  }

  /// Sets one field from text; Error(unknown_name) for a key, Error(bad_argument) for a value.
  static void set(Any& any, std::string_view key, std::string_view text) { detail::set_field(any, key, text); }

  /// Throws Error(bad_argument) unless every field is in its range. Call it where a value enters.
  static void check(const Any& any) { detail::check_fields(any); }

  /// "huber:delta=0.5" -> Huber{.delta = 0.5}, checked.
  static Any parse(std::string_view text, std::string_view kind) {
    const std::size_t colon = text.find(':');
    Any result = make(text.substr(0, colon), kind);
    if (colon != std::string_view::npos)
      for (const auto& [key, value] : detail::settings_in(name_of(result), text.substr(colon + 1)))
        set(result, key, value);
    check(result);
    return result;
  }

  /// The text that parse reads back to an equal value: the name, and the fields that differ from their defaults.
  static std::string to_string(const Any& any) { return std::string(name_of(any)) + detail::fields_text(any); }

 private:
  static std::span<const detail::ListEntry> entries() { return detail::ListEntries<Catalogue>::all(); }
};

}  // namespace fuselage
