// A table of a run file, read with suspicion: what is not asked for is an unknown key, what has another type is an
// error, and every message starts with file and line.
#pragma once

#include <toml++/toml.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuselage/core/error.h"
#include "fuselage/core/suggest.h"

namespace fuselage::train {

/// "run.toml:12" of a node of the file. What an override brought has no place there.
inline std::string place_of(const toml::node& node) {
  const toml::source_region& source = node.source();
  return source.path && source.begin ? *source.path + ":" + std::to_string(source.begin.line) : "command line";
}

[[noreturn]] inline void fail_at(const toml::node& node, Errc code, const std::string& message) {
  throw Error(code, place_of(node) + ": " + message);
}

class TomlSection {
 public:
  /// `name` as messages call it, "[train]".
  TomlSection(const toml::table& table, std::string name) : table_(table), name_(std::move(name)) {}

  /// The node, or null; from now on the key is known.
  const toml::node* find(std::string_view key) {
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
    return table_.get(key);
  }
  const toml::node& need(std::string_view key) {
    const toml::node* node = find(key);
    if (!node) fail_at(table_, Errc::bad_argument, name_ + " needs a key '" + std::string(key) + "'");
    return *node;
  }
  void read(std::string_view key, std::string& to) {
    if (const toml::node* node = find(key)) to = expect<std::string>(*node, key, "text");
  }
  void read(std::string_view key, bool& to) {
    if (const toml::node* node = find(key)) to = expect<bool>(*node, key, "true or false");
  }
  void read(std::string_view key, double& to) {
    if (const toml::node* node = find(key)) to = expect<double>(*node, key, "a number");
  }
  void read(std::string_view key, std::int64_t& to, std::int64_t low, std::int64_t high = INT64_MAX) {
    const toml::node* node = find(key);
    if (!node) return;
    const std::int64_t value = expect<std::int64_t>(*node, key, "an integer");
    if (value < low || value > high)
      fail_at(*node, Errc::bad_argument,
              name_ + " " + std::string(key) + " = " + std::to_string(value) + " is outside [" + std::to_string(low) +
                  ", " + std::to_string(high) + "]");
    to = value;
  }
  void read(std::string_view key, std::vector<std::string>& to) {
    const toml::node* node = find(key);
    if (!node) return;
    const toml::array* list = node->as_array();
    if (!list) fail_at(*node, Errc::bad_argument, name_ + " " + std::string(key) + " is not a list of text");
    to.clear();
    for (const toml::node& item : *list) to.push_back(expect<std::string>(item, key, "a list of text"));
  }
  /// One of `names`; returns its index, or `otherwise` when the key is not there.
  int choice(std::string_view key, const std::vector<std::string>& names, int otherwise) {
    const toml::node* node = find(key);
    if (!node) return otherwise;
    const std::string text = expect<std::string>(*node, key, "text");
    for (std::size_t i = 0; i < names.size(); ++i)
      if (names[i] == text) return static_cast<int>(i);
    fail_at(*node, Errc::unknown_name,
            name_ + " " + std::string(key) + " = '" + text + "' is not known" + suggest(text, names));
  }
  /// The same of an enumeration whose names names_of() gives.
  template <class E>
  E choice(std::string_view key, E otherwise) {
    const auto all = names_of(otherwise);
    return static_cast<E>(choice(key, std::vector<std::string>(all.begin(), all.end()), static_cast<int>(otherwise)));
  }

  /// Throws Error(unknown_name) for a key that nobody asked for.
  void finish() const {
    for (const auto& [key, node] : table_) {
      bool known = false;
      for (const std::string& name : known_) known |= name == key.str();
      if (!known)
        fail_at(node, Errc::unknown_name,
                name_ + " has no key '" + std::string(key.str()) + "'" + suggest(key.str(), known_));
    }
  }

  const std::string& name() const { return name_; }

 private:
  template <class T>
  T expect(const toml::node& node, std::string_view key, const char* what) const {
    const toml::optional<T> value = node.value_exact<T>();
    if (value) return *value;
    if constexpr (std::is_same_v<T, double>)
      if (node.is_integer()) return static_cast<double>(node.as_integer()->get());
    if constexpr (std::is_same_v<T, std::int64_t>)  // "1e5" is an integer too
      if (const auto* real = node.as_floating_point())
        if (const double x = real->get();
            x > -9e15 && x < 9e15 && x == static_cast<double>(static_cast<std::int64_t>(x)))
          return static_cast<std::int64_t>(x);
    fail_at(node, Errc::bad_argument, name_ + " " + std::string(key) + " is not " + what);
  }

  const toml::table& table_;
  std::string name_;
  std::vector<std::string> known_;
};

}  // namespace fuselage::train
