// Names and options of peers: what the tables of their losses and of their optimizers are read with.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fuselage/compat.h"
#include "fuselage/core/suggest.h"

namespace fuselage::text {

using Settings = std::map<std::string, std::string, std::less<>>;

inline std::string_view name_part(std::string_view text) { return text.substr(0, text.find(':')); }
inline std::string_view field_part(std::string_view text) {
  const std::size_t colon = text.find(':');
  return colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
}

/// Python's True and False as well.
inline std::string value_of(std::string_view text) {
  return text == "True" ? "true" : text == "False" ? "false" : text == "None" ? "none" : std::string(text);
}

inline Settings settings_of(std::string_view owner, std::string_view text) {
  Settings settings;
  for (const auto& [key, value] : detail::settings_in(owner, text)) settings.emplace(key, value_of(value));
  return settings;
}

template <class Entry>
std::optional<std::size_t> conditions_met(const Entry& entry, const Settings& given) {
  std::size_t count = 0;
  for (const auto& [key, value] : settings_of(entry.function, entry.when)) {
    const auto found = given.find(key);
    if (found == given.end() || found->second != value) return {};
    ++count;
  }
  return count;
}

/// The peer's entries of this name, else those of the definition of this name here. `kind` goes into the error.
template <class Entry>
std::vector<const Entry*> entries_called(std::span<const Entry> all, Peer peer, std::string_view name,
                                         std::string_view kind) {
  std::vector<const Entry*> theirs, ours;
  std::vector<std::string> known;
  for (const Entry& entry : all) {
    if (entry.peer != peer) continue;
    if (known.empty() || known.back() != entry.function) known.emplace_back(entry.function);
    if (entry.function == name || (!entry.type.empty() && entry.type == name)) theirs.push_back(&entry);
    if (name_part(entry.ours) == name) ours.push_back(&entry);
  }
  if (theirs.empty() && ours.empty())
    throw Error(Errc::unknown_name, std::string(name_of(peer)) + " has no " + std::string(kind) + " '" +
                                        std::string(name) + "'" + suggest(name, known));
  return theirs.empty() ? ours : theirs;
}

/// Of several entries the one with the most conditions, all of them met.
template <class Entry>
const Entry& chosen(const std::vector<const Entry*>& entries, std::string_view name, const Settings& given) {
  const Entry* best = nullptr;
  std::size_t most = 0;
  for (const Entry* entry : entries)
    if (const auto met = conditions_met(*entry, given); met && (!best || *met > most)) {
      best = entry;
      most = *met;
    }
  if (!best)
    throw Error(Errc::bad_argument,
                std::string(name) + " is reproduced with " + std::string(entries.front()->when) + " alone");
  return *best;
}

struct Option {
  std::string theirs, ours;  ///< ours is empty where the option changes nothing
};

template <class Entry>
std::vector<Option> options_of(const Entry& entry) {
  std::vector<Option> options;
  for (std::string_view rest = entry.options; !rest.empty();) {
    const std::string_view item = rest.substr(0, rest.find(','));
    const std::size_t equals = item.find('=');
    options.push_back({std::string(item.substr(0, equals)),
                       std::string(equals == std::string_view::npos ? item : item.substr(equals + 1))});
    rest = item.size() == rest.size() ? std::string_view() : rest.substr(item.size() + 1);
  }
  for (const auto& [key, value] : settings_of(entry.function, entry.when)) options.push_back({key, ""});
  return options;
}

/// Whether an option chooses among entries.
template <class Entry>
bool is_switch(const std::vector<const Entry*>& entries, std::string_view option) {
  return std::any_of(entries.begin(), entries.end(),
                     [&](const Entry* entry) { return settings_of(entry->function, entry->when).contains(option); });
}

}  // namespace fuselage::text
