// `fuselage list`: the lists, for people, as JSON and as the tables of the documentation.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "fuselage/activations.h"
#include "fuselage/core/suggest.h"
#include "fuselage/losses.h"
#include "fuselage/metrics.h"
#include "fuselage/optimizers.h"
#include "fuselage/schedules.h"
#include "host/cli/json_output.h"
#include "host/cli/loss_inputs.h"
#include "host/cli/verbs.h"

namespace fuselage::cli {
namespace {

struct Family {
  std::string title;
  std::vector<EntryInfo> entries;
  std::map<std::string, bool> is_row;  ///< losses only
};

Family family(const std::string& name) {
  if (name == "losses") {
    Family f{"Loss", Losses::describe(), {}};
    Losses::for_each([&]<class L>() { f.is_row[std::string(L::name)] = is_row_loss<L>; });
    return f;
  }
  if (name == "optimizers") {
    Family f{"Optimizer", Optimizers::describe(), {}};
    // Every optimizer takes the options of the update as well.
    for (EntryInfo& entry : f.entries)
      for (const FieldInfo& field : detail::entry_info<UpdateOptions>().fields) entry.fields.push_back(field);
    return f;
  }
  if (name == "metrics") return {"Metric", Metrics::describe(), {}};
  if (name == "schedules") return {"Schedule", Schedules::describe(), {}};
  if (name == "activations") return {"Activation", Activations::describe(), {}};
  const std::vector<std::string> known{"losses", "optimizers", "metrics", "schedules", "activations"};
  throw Error(Errc::unknown_name, "there is no list '" + name + "'" + suggest(name, known));
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
    if (const auto row = family.is_row.find(entry.name); row != family.is_row.end()) {
      item["kind"] = row->second ? "row" : "pointwise";
      item["inputs"] = Json::array();
      for (const LossInputInfo& input : loss_inputs(row->second))
        item["inputs"].push_back(
            {{"name", input.name}, {"shape", input.shape}, {"dtype", input.dtype}, {"required", input.required}});
    }
    list.push_back(std::move(item));
  }
  return list;
}

std::string range_text(const FieldInfo& field) {
  if (field.type == "boolean") return "true, false";
  if (field.range.low == -kInfinity && field.range.high == kInfinity) return "any";
  return to_string(field.range);
}

/// A cell of a table: a bar would end it.
std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, 1, '\\');
  return text;
}

std::string to_markdown(const Family& family) {
  std::string text = fmt::format("| {} | What it is | Formula | Fields |\n|---|---|---|---|\n", family.title);
  for (const EntryInfo& entry : family.entries) {
    std::string fields;
    for (const FieldInfo& field : entry.fields)
      fields += fmt::format("{}`{}` = {} in {}: {}", fields.empty() ? "" : "<br>", field.name, field.default_value,
                            range_text(field), cell(field.help));
    text += fmt::format("| `{}` | {} | `{}` | {} |\n", entry.name, cell(entry.summary), cell(entry.formula), fields);
  }
  return text;
}

std::string to_text(const Family& family) {
  std::string text;
  for (const EntryInfo& entry : family.entries) {
    text += fmt::format("{}\n  {}\n  {}\n", entry.name, entry.summary, entry.formula);
    if (const auto row = family.is_row.find(entry.name); row != family.is_row.end()) {
      text += "  inputs: ";
      for (const LossInputInfo& input : loss_inputs(row->second))
        text += fmt::format("{}{}{}", input.name == "pred" ? "" : ", ", input.name, input.required ? "" : "?");
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
  CLI::App* verb = parent.add_subcommand("list", "List losses, optimizers, metrics, schedules or activations");
  verb->add_option("list", options->list, "losses, optimizers, metrics, schedules or activations")->required();
  CLI::Option* json = verb->add_flag("--json", options->json, "A JSON array with fields, ranges and inputs");
  verb->add_flag("--markdown", options->markdown, "The table of the documentation")->excludes(json);
  verb->footer("Examples:\n  fuselage list losses\n  fuselage list optimizers --json");
  verb->callback([options] {
    const Family f = family(options->list);
    if (options->json)
      print(to_json(f));
    else
      std::cout << (options->markdown ? to_markdown(f) : to_text(f));
  });
}

}  // namespace fuselage::cli
