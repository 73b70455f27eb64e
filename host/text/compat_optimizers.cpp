// Reads a peer's name of an optimizer, with the peer's options.
#include "host/text/peer_entries.h"

namespace fuselage {

OptimizerSpec optimizer_convention(Peer peer, std::string_view optimizer) {
  using namespace text;
  const std::string_view name = name_part(optimizer);
  const Settings given = settings_of(name, field_part(optimizer));
  const auto entries = entries_called(peer_optimizers(), peer, name, "optimizer");
  const PeerOptimizer& entry = chosen(entries, name, given);
  OptimizerSpec result = OptimizerSpec::parse(entry.ours);
  const std::vector<Option> options = options_of(entry);
  std::vector<std::string> known;
  for (const Option& option : options) known.push_back(option.theirs);
  for (const auto& [key, value] : given) {
    const auto option = std::find_if(options.begin(), options.end(), [&](const Option& o) { return o.theirs == key; });
    if (option == options.end())
      throw Error(Errc::unknown_name,
                  std::string(name) + ": option '" + key + "' is not reproduced" + suggest(key, known));
    if (!option->ours.empty())
      result.set(option->ours, value);
    else if (is_switch(entries, key) && value != "true" && value != "false")
      throw Error(Errc::bad_argument, std::string(name) + ": " + key + " = '" + value + "' is neither true nor false");
  }
  result.check();
  return result;
}

}  // namespace fuselage
