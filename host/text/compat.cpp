// Reads a peer's name of a loss, with the peer's options.
#include "fuselage/compat.h"
#include "host/text/peer_entries.h"

namespace fuselage {
namespace {

using namespace text;

Reduction reduction_of(const PeerLoss& entry, const std::string& name) {
  const auto is = [&](Peer peer, std::string_view text) { return entry.peer == peer && name == text; };
  const bool keras = entry.peer == Peer::keras, adds_rows = entry.reduction == Reduction::mean_over_batch;
  if (name == "mean" || is(Peer::keras, "sum_over_batch_size")) return entry.reduction;
  if (entry.peer == Peer::torch && name == "batchmean" && name_part(entry.ours) == "kl")
    return Reduction::mean_over_batch;
  if (adds_rows && (name == "none" || is(Peer::keras, "mean_with_sample_weight")))
    throw Error(Errc::bad_argument, std::string(entry.function) + ": reduction=" + name +
                                        " is of sums over the last axis in " + std::string(name_of(entry.peer)) +
                                        ", and here an element is an output; for a mean by weights give " +
                                        "the sum of the rows' weights as divisor");
  if (is(Peer::keras, "mean_with_sample_weight")) return Reduction::mean;
  // Keras sums means over the last axis; where a loss has one output a row, that is a sum as here.
  const bool elements =
      std::visit([]<class L>(const L&) { return loss::Elementwise<L>; }, Losses::parse(entry.ours, "loss"));
  if (keras && elements && !adds_rows && (name == "sum" || name == "none"))
    throw Error(Errc::bad_argument, std::string(entry.function) + ": reduction=" + name +
                                        " is of means over the last axis in Keras; give reduction=mean, and as divisor "
                                        "the number of columns for Keras's sum");
  if (name == "sum") return Reduction::sum;
  if (name == "none") return Reduction::none;
  throw Error(Errc::unknown_name, std::string(entry.function) + " has no reduction '" + name + "'");
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
  const auto entries = entries_called(peer_losses(), peer, name, "loss");
  const PeerLoss& entry = chosen(entries, name, given);
  Convention result{Losses::parse(entry.ours, "loss"),
                    entry.reduction,
                    peer == Peer::keras,
                    entry.targets,
                    entry.remarks,
                    entry.form};
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
  if (leaves_rows_out(entry, given) && result.reduction == entry.reduction)
    result.reduction = Reduction::mean_over_counted;
  Losses::check(result.loss);
  return result;
}

}  // namespace fuselage
