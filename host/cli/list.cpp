// `fuselage list`: the lists, for people, as JSON and as the tables of the documentation.
#include <fmt/format.h>
#include <optional>

#include <map>
#include <string>

#include "fuselage/activations.h"
#include "fuselage/compat.h"
#include "fuselage/core/suggest.h"
#include "fuselage/episodes.h"
#include "fuselage/fairness.h"
#include "fuselage/losses.h"
#include "fuselage/metrics.h"
#include "fuselage/optimizers.h"
#include "fuselage/pair_losses.h"
#include "fuselage/schedules.h"
#include "host/cli/json_output.h"
#include "host/cli/loss_inputs.h"
#include "host/cli/verbs.h"

namespace fuselage::cli {
namespace {

struct Family {
  std::string title;
  std::vector<EntryInfo> entries;
  std::map<std::string, LossTraits> traits{};  ///< losses only
  std::map<std::string, std::string> takes{};  ///< losses only: prediction and target in words
  std::map<std::string, std::string> kind{};   ///< of what stands beside the losses: "pairs", "penalty", "function"
  std::optional<EntryInfo> shared{};           ///< what every entry takes besides
};

/// "real, sign", "`mean` real, `variance` positive; real" and so on, of elements.
template <class L>
std::string element_inputs_text() {
  if constexpr (requires { L::second; })
    return fmt::format("`{}` {}, `{}` {}; {}", L::inputs.prediction, name_of(L::prediction), L::inputs.second,
                       name_of(L::second), name_of(L::target));
  else
    return fmt::format("{}, {}", name_of(L::prediction), name_of(L::target));
}

/// "rows `x1`, `x2` of real; sign" and so on.
template <class L>
std::string row_inputs_text() {
  constexpr RowShape shape = L::row;
  constexpr Inputs inputs = L::inputs;
  std::string text = "rows";
  if (shape.row_second)
    text += fmt::format(" of {}, `{}`; ", name_of(L::prediction), inputs.second);
  else if (inputs.third.empty() && inputs.second.empty())
    text += fmt::format(" of {}; ", name_of(L::prediction));
  else
    text += fmt::format(" `{}`, `{}`{} of {}; ", inputs.prediction, inputs.second,
                        inputs.third.empty() ? "" : fmt::format(", `{}`", inputs.third), name_of(L::prediction));
  switch (shape.target) {
    case RowTarget::classes: return text + "label or a number for each class";
    case RowTarget::labels: return text + "label";
    case RowTarget::dense: return text + "a row of real";
    case RowTarget::none: return text + "no target";
    case RowTarget::single: break;
  }
  if constexpr (requires { L::target; }) text += name_of(L::target);
  return text;
}

Family family(const std::string& name) {
  if (name == "losses") {
    Family f{"Loss", Losses::describe()};
    Losses::for_each([&]<class L>() {
      const std::string name(L::name);
      f.traits[name] = traits_of<L>();
      if constexpr (loss::Elementwise<L>)
        f.takes[name] = element_inputs_text<L>();
      else if constexpr (loss::RowSums<L>)
        f.takes[name] = row_inputs_text<L>();
      else
        f.takes[name] = "rows of logit; label or a number for each class";
    });
    return f;
  }
  if (name == "optimizers") {
    Family f{"Optimizer", Optimizers::describe()};
    f.shared = detail::entry_info(detail::entry_of<UpdateOptions>());
    return f;
  }
  if (name == "pairs") return {"Loss", PairLosses::describe()};
  if (name == "penalties") return {"Penalty", Penalties::describe()};
  if (name == "functions") return {"Function", EpisodeFunctions::describe()};
  if (name == "metrics") return {"Metric", Metrics::describe()};
  if (name == "schedules") return {"Schedule", Schedules::describe()};
  if (name == "activations") return {"Activation", Activations::describe()};
  const std::vector<std::string> known{"losses",  "pairs",     "penalties",   "functions", "optimizers",
                                       "metrics", "schedules", "activations", "compat",    "compat_optimizers"};
  throw Error(Errc::unknown_name, "there is no list '" + name + "'" + suggest(name, known));
}

/// What JSON and text hold beside the losses: losses with calls of their own, what goes with a loss,
/// and what makes its inputs.
void add_companions(Family& losses) {
  const auto add = [&](const std::vector<EntryInfo>& entries, const char* kind) {
    for (const EntryInfo& entry : entries) {
      losses.entries.push_back(entry);
      losses.kind[entry.name] = kind;
    }
  };
  add(PairLosses::describe(), "pairs");
  add(Penalties::describe(), "penalty");
  add(EpisodeFunctions::describe(), "function");
}

template <class Entry>
std::string peer_name(const Entry& entry) {
  std::string text(entry.function);
  if (!entry.when.empty()) text += ":" + std::string(entry.when);
  return text;
}

/// "a, b" of "a,b=c": the options that an entry takes beside those that choose it.
template <class Entry>
std::string peer_options(const Entry& entry) {
  std::string text;
  for (std::string_view rest = entry.options; !rest.empty();) {
    const std::string_view item = rest.substr(0, rest.find(','));
    text += (text.empty() ? "`" : ", `") + std::string(item.substr(0, item.find('='))) + "`";
    rest.remove_prefix(std::min(rest.size(), item.size() + 1));
  }
  return text;
}

Json compat_json() {
  Json list = Json::array();
  for (const PeerLoss& entry : peer_losses())
    list.push_back({{"peer", name_of(entry.peer)},
                    {"name", peer_name(entry)},
                    {"type", entry.type},
                    {"loss", entry.ours},
                    {"reduction", name_of(entry.reduction)},
                    {"arguments", entry.arguments},
                    {"targets", entry.targets},
                    {"remarks", entry.remarks}});
  return list;
}

std::string compat_text() {
  std::string text;
  for (const PeerLoss& entry : peer_losses())
    text += fmt::format("{:<6} {:<62} {} {}\n", name_of(entry.peer), peer_name(entry), entry.ours,
                        name_of(entry.reduction));
  return text;
}

std::string compat_markdown() {
  std::string text =
      "| Peer | Its loss | Loss here | Options | Its mean | Arguments there | Targets | Remarks |\n"
      "|---|---|---|---|---|---|---|---|\n";
  for (const PeerLoss& entry : peer_losses())
    text += fmt::format("| {} | `{}` | `{}` | {} | `{}` | `{}` | {} | {} |\n", name_of(entry.peer), peer_name(entry),
                        entry.ours, peer_options(entry), name_of(entry.reduction), entry.arguments, entry.targets,
                        entry.remarks);
  return text;
}

Json compat_optimizers_json() {
  Json list = Json::array();
  for (const PeerOptimizer& entry : peer_optimizers())
    list.push_back({{"peer", name_of(entry.peer)},
                    {"name", peer_name(entry)},
                    {"type", entry.type},
                    {"optimizer", entry.ours},
                    {"remarks", entry.remarks}});
  return list;
}

std::string compat_optimizers_text() {
  std::string text;
  for (const PeerOptimizer& entry : peer_optimizers())
    text += fmt::format("{:<6} {:<30} {}\n", name_of(entry.peer), peer_name(entry), entry.ours);
  return text;
}

std::string compat_optimizers_markdown() {
  std::string text = "| Peer | Its optimizer | Here | Options | Remarks |\n|---|---|---|---|---|\n";
  for (const PeerOptimizer& entry : peer_optimizers())
    text += fmt::format("| {} | `{}` | `{}` | {} | {} |\n", name_of(entry.peer), peer_name(entry), entry.ours,
                        peer_options(entry), entry.remarks);
  return text;
}

Json to_json(const FieldInfo& field) {
  return {{"name", field.name},
          {"type", field.type},
          {"default", field.default_value},
          {"low", number(field.range.low)},
          {"high", number(field.range.high)},
          {"low_open", field.range.low_open},
          {"high_open", field.range.high_open},
          {"help", field.help}};
}

Json to_json(const Family& family) {
  Json list = Json::array();
  for (const EntryInfo& entry : family.entries) {
    Json item{{"name", entry.name}, {"summary", entry.summary}, {"formula", entry.formula}};
    item["fields"] = Json::array();
    for (const FieldInfo& field : entry.fields) item["fields"].push_back(to_json(field));
    if (const auto kind = family.kind.find(entry.name); kind != family.kind.end()) item["kind"] = kind->second;
    if (const auto found = family.traits.find(entry.name); found != family.traits.end()) {
      const LossTraits& traits = found->second;
      item["kind"] = traits.elementwise ? "pointwise" : "row";
      item["inputs"] = Json::array();
      for (const LossInputInfo& input : loss_inputs(traits)) {
        Json described{{"name", input.name},
                       {"shape", input.shape},
                       {"dtype", input.dtype},
                       {"required", input.required},
                       {"gradient", input.gradient}};
        if (!input.means.empty()) described["means"] = input.means;
        item["inputs"].push_back(std::move(described));
      }
      item["prediction"] = name_of(traits.prediction_domain);
      item["target"] = name_of(traits.target_domain);
    }
    list.push_back(std::move(item));
  }
  return list;
}

std::string range_text(const FieldInfo& field) {
  if (field.type == "boolean") return "true, false";
  if (!field.type.starts_with("real") && !field.type.starts_with("integer")) return field.type;
  if (field.range.low == -kInfinity && field.range.high == kInfinity) return "any";
  return to_string(field.range);
}

/// A cell of a table: a bar would end it.
std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, 1, '\\');
  return text;
}

std::string to_markdown(const Family& family) {
  const bool losses = !family.takes.empty();
  std::string text = fmt::format("| {} | What it is | Formula |{} Fields |\n|---|---|---|{}---|\n", family.title,
                                 losses ? " Prediction, target |" : "", losses ? "---|" : "");
  for (const EntryInfo& entry : family.entries) {
    std::string fields;
    for (const FieldInfo& field : entry.fields)
      fields += fmt::format("{}`{}` = {} in {}: {}", fields.empty() ? "" : "<br>", field.name, field.default_value,
                            range_text(field), cell(field.help));
    text += fmt::format("| `{}` | {} | `{}` | ", entry.name, cell(entry.summary), cell(entry.formula));
    if (const auto takes = family.takes.find(entry.name); takes != family.takes.end()) text += takes->second + " | ";
    text += fields + " |\n";
  }
  return text;
}

/// What every entry takes is told once in a table, and with each entry elsewhere.
Family for_table(Family family) {
  if (!family.shared) return family;
  family.shared->name = "any of them";
  family.entries.push_back(*family.shared);
  return family;
}
Family with_shared(Family family) {
  if (family.shared)
    for (EntryInfo& entry : family.entries)
      entry.fields.insert(entry.fields.end(), family.shared->fields.begin(), family.shared->fields.end());
  return family;
}

std::string to_text(const Family& family) {
  std::string text;
  for (const EntryInfo& entry : family.entries) {
    text += fmt::format("{}\n  {}\n  {}\n", entry.name, entry.summary, entry.formula);
    if (const auto found = family.traits.find(entry.name); found != family.traits.end()) {
      text += "  inputs: ";
      for (const LossInputInfo& input : loss_inputs(found->second))
        text += fmt::format("{}{}{}{}", input.name == "pred" ? "" : ", ", input.name, input.required ? "" : "?",
                            input.means.empty() ? "" : fmt::format(" ({})", input.means));
      text += '\n';
    }
    for (const FieldInfo& field : entry.fields)
      text += fmt::format("    {} = {}  {} in {}: {}\n", field.name, field.default_value, field.type, range_text(field),
                          field.help);
  }
  return text;
}

}  // namespace

void add_list(CLI::App& parent, int&) {
  struct Options {
    std::string list;
    bool json = false, markdown = false;
  };
  const auto options = std::make_shared<Options>();
  Verb verb(parent, "list",
            "List losses, losses over pairs of rows, penalties on groups, functions over episodes, "
            "optimizers, metrics, schedules, activations, or the losses or optimizers of peers");
  verb.option("list", options->list,
              "losses, pairs, penalties, functions, optimizers, metrics, schedules, activations, compat or "
              "compat_optimizers")
      .required();
  const Option json = verb.flag("--json", options->json, "A JSON array with fields, ranges and inputs");
  verb.flag("--markdown", options->markdown, "The table of the documentation").excludes(json);
  verb.footer("Examples:\n  fuselage list losses\n  fuselage list optimizers --json");
  verb.does([options] {
    if (options->list == "compat") {
      if (options->json)
        print(compat_json());
      else
        std::cout << (options->markdown ? compat_markdown() : compat_text());
      return;
    }
    if (options->list == "compat_optimizers") {
      if (options->json)
        print(compat_optimizers_json());
      else
        std::cout << (options->markdown ? compat_optimizers_markdown() : compat_optimizers_text());
      return;
    }
    Family f = family(options->list);
    if (options->list == "losses" && !options->markdown) add_companions(f);
    if (options->json)
      print(to_json(with_shared(f)));
    else
      std::cout << (options->markdown ? to_markdown(for_table(f)) : to_text(with_shared(f)));
  });
}

}  // namespace fuselage::cli
