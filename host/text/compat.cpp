// Reads a peer's name of a loss, with the peer's options.
#include "fuselage/compat.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "fuselage/core/suggest.h"

namespace fuselage {
namespace {

using Settings = std::map<std::string, std::string, std::less<>>;

std::string_view name_part(std::string_view text) { return text.substr(0, text.find(':')); }
std::string_view field_part(std::string_view text) {
  const std::size_t colon = text.find(':');
  return colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
}

/// Python's True and False as well.
std::string value_of(std::string_view text) {
  return text == "True" ? "true" : text == "False" ? "false" : text == "None" ? "none" : std::string(text);
}

Settings settings_of(std::string_view owner, std::string_view text) {
  Settings settings;
  detail::for_each_setting(
      owner, text, [&](std::string_view key, std::string_view value) { settings.emplace(key, value_of(value)); });
  return settings;
}

std::optional<std::size_t> conditions_met(const PeerLoss& entry, const Settings& given) {
  std::size_t count = 0;
  for (const auto& [key, value] : settings_of(entry.function, entry.when)) {
    const auto found = given.find(key);
    if (found == given.end() || found->second != value) return {};
    ++count;
  }
  return count;
}

/// The peer's entries of this name, else those of the loss of this name here.
std::vector<const PeerLoss*> entries_called(Peer peer, std::string_view name) {
  std::vector<const PeerLoss*> theirs, ours;
  std::vector<std::string> known;
  for (const PeerLoss& entry : peer_losses()) {
    if (entry.peer != peer) continue;
    if (known.empty() || known.back() != entry.function) known.emplace_back(entry.function);
    if (entry.function == name || (!entry.type.empty() && entry.type == name)) theirs.push_back(&entry);
    if (name_part(entry.ours) == name) ours.push_back(&entry);
  }
  if (theirs.empty() && ours.empty())
    throw Error(Errc::unknown_name,
                std::string(name_of(peer)) + " has no loss '" + std::string(name) + "'" + suggest(name, known));
  return theirs.empty() ? ours : theirs;
}

/// Of several entries the one with the most conditions, all of them met.
const PeerLoss& chosen(const std::vector<const PeerLoss*>& entries, std::string_view name, const Settings& given) {
  const PeerLoss* best = nullptr;
  std::size_t most = 0;
  for (const PeerLoss* entry : entries)
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

std::vector<Option> options_of(const PeerLoss& entry) {
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

Reduction reduction_of(const PeerLoss& entry, const std::string& name) {
  const auto is = [&](Peer peer, std::string_view text) { return entry.peer == peer && name == text; };
  const bool keras = entry.peer == Peer::keras;
  if (name == "mean" || is(Peer::keras, "sum_over_batch_size")) return entry.reduction;
  if (entry.peer == Peer::torch && name == "batchmean" && name_part(entry.ours) == "kl")
    return Reduction::mean_over_batch;
  if (is(Peer::keras, "mean_with_sample_weight")) return Reduction::mean;
  // Keras sums means over the last axis; where a loss has one output a row, that is a sum as here.
  const bool elements =
      std::visit([]<class L>(const L&) { return loss::Elementwise<L>; }, Losses::parse(entry.ours, "loss"));
  if (keras && elements && (name == "sum" || name == "none"))
    throw Error(Errc::bad_argument, std::string(entry.function) + ": reduction=" + name +
                                        " is of means over the last axis in Keras; give reduction=mean, and as divisor "
                                        "the number of columns for Keras's sum");
  if (name == "sum") return Reduction::sum;
  if (name == "none") return Reduction::none;
  throw Error(Errc::unknown_name, std::string(entry.function) + " has no reduction '" + name + "'");
}

/// Whether an option chooses among entries.
bool is_switch(const std::vector<const PeerLoss*>& entries, std::string_view option) {
  return std::any_of(entries.begin(), entries.end(),
                     [&](const PeerLoss* entry) { return settings_of(entry->function, entry->when).contains(option); });
}

/// An option that Keras leaves to a mask.
bool leaves_rows_out(const PeerLoss& entry, const Settings& given) {
  return entry.peer == Peer::keras && given.contains("ignore_class") && given.at("ignore_class") != "none";
}

}  // namespace

Peer parse_peer(std::string_view name) {
  Peer peer{};
  std::vector<std::string> known;
  for (const std::string_view each : names_of(peer)) known.emplace_back(each);
  if (!detail::read_value(name, peer))
    throw Error(Errc::unknown_name, "unknown peer '" + std::string(name) + "'" + suggest(name, known));
  return peer;
}

Convention convention(Peer peer, std::string_view text) {
  const std::string_view name = name_part(text);
  Settings given = settings_of(name, field_part(text));
  const std::vector<const PeerLoss*> entries = entries_called(peer, name);
  const PeerLoss& entry = chosen(entries, name, given);
  Convention result{Losses::parse(entry.ours, "loss"), entry.reduction, peer == Peer::keras, entry.targets,
                    entry.remarks};
  const std::vector<Option> options = options_of(entry);
  std::vector<std::string> known{"reduction"};
  for (const Option& option : options) known.push_back(option.theirs);
  for (const auto& [key, value] : given) {
    const auto option = std::find_if(options.begin(), options.end(), [&](const Option& o) { return o.theirs == key; });
    if (key == "reduction")
      result.reduction = reduction_of(entry, value);
    else if (option == options.end())
      throw Error(Errc::unknown_name,
                  std::string(name) + ": option '" + key + "' is not reproduced" + suggest(key, known));
    else if (!option->ours.empty())
      Losses::set(result.loss, option->ours, value);
    else if (is_switch(entries, key) && value != "true" && value != "false")
      throw Error(Errc::bad_argument, std::string(name) + ": " + key + " = '" + value + "' is neither true nor false");
  }
  if (leaves_rows_out(entry, given) && result.reduction == entry.reduction) result.reduction = Reduction::mean;
  Losses::check(result.loss);
  return result;
}

}  // namespace fuselage
