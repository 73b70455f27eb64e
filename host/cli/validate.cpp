// `fuselage validate`: every loss and optimizer on every backend against the reference.
#include "fuselage/validate.h"

#include <fmt/format.h>

#include <memory>

#include "fuselage/backend.h"
#include "host/cli/json_output.h"
#include "host/cli/verbs.h"

namespace fuselage::cli {
namespace {

struct Options {
  ValidateOptions sweep;
  bool derivatives = false, json = false;
};

Json regimes_of(const ValidationRow& row) {
  Json json = Json::object();
  for (const Regime regime : kRegimes) {
    const RegimeErrors& found = row.regimes[static_cast<std::size_t>(regime)];
    if (found.cases == 0) continue;
    Json& errors = json[std::string(name_of(regime))] = {
        {"cases", found.cases}, {"value_ulp", number(found.value_ulp)}, {"gradient_ulp", number(found.gradient_ulp)}};
    if (found.torch_value_ulp < 0) continue;
    errors["plain_value_ulp"] = number(found.plain_value_ulp);
    errors["plain_gradient_ulp"] = number(found.plain_gradient_ulp);
    errors["torch_value_ulp"] = number(found.torch_value_ulp);
    errors["torch_gradient_ulp"] = number(found.torch_gradient_ulp);
    errors["torch_allowance"] = found.torch_allowance;
    errors["torch_reason"] = found.torch_reason;
    errors["no_worse_than_torch"] = !found.is_value_worse() && !found.is_gradient_worse();
  }
  return json;
}

Json to_json(const ValidationRow& row) {
  return {{"family", row.family},
          {"name", row.name},
          {"dtype", name_of(row.dtype)},
          {"cases", row.cases},
          {"value_ulp", number(row.value_ulp)},
          {"value_budget", row.budget.value},
          {"worst_value", row.worst_value},
          {"gradient_ulp", number(row.gradient_ulp)},
          {"gradient_budget", row.budget.gradient},
          {"worst_gradient", row.worst_gradient},
          {"rounded_share", row.rounded_share},
          {"regimes", regimes_of(row)},
          {"no_worse_than_torch", row.is_no_worse_than_torch()},
          {"budget_reason", row.budget.reason},
          {"mismatch", row.mismatch},
          {"same_bits", row.same_bits},
          {"agrees", row.agrees()},
          {"disagreement", row.disagreement},
          {"passed", row.passed()}};
}

Json to_json(const ValidationReport& report) {
  Json json{{"passed", report.passed()}, {"backends", report.backends}, {"seconds", report.seconds}};
  json["rows"] = Json::array();
  for (const ValidationRow& row : report.rows) json["rows"].push_back(to_json(row));
  return json;
}

Json to_json(const DerivativeCheck& check) {
  return {{"loss", check.loss},
          {"points", check.points},
          {"wrong", check.wrong},
          {"first_wrong", check.first_wrong},
          {"passed", check.passed()}};
}

std::string error_pair(double value, double gradient) {
  const auto error = [](double ulp) { return ulp < 1000 ? fmt::format("{:.2f}", ulp) : fmt::format("{:.1e}", ulp); };
  return error(value) + " / " + error(gradient);
}

/// The worst errors of each loss in each regime, value / gradient; where PyTorch has it, without options beside its.
std::string regime_table(const ValidationReport& report) {
  std::string text = fmt::format(
      "\nWorst errors of losses in each regime, value / gradient; without options they may exceed PyTorch's on the "
      "same\n"
      "inputs by {:g}, the last rounding:\n\n{:<27} {:<5}",
      RegimeErrors::kTorchAllowance, "", "dtype");
  for (const Regime regime : kRegimes) text += fmt::format(" {:>17}", name_of(regime));
  for (const ValidationRow& row : report.rows) {
    if (row.family != "loss") continue;
    text += fmt::format("\n{:<27} {:<5}", row.name, name_of(row.dtype));
    bool torch = false;
    for (const RegimeErrors& found : row.regimes) {
      text += fmt::format(" {:>17}", found.cases == 0 ? "-" : error_pair(found.value_ulp, found.gradient_ulp));
      torch |= found.torch_value_ulp >= 0;
    }
    if (!torch) continue;
    const auto line = [&](const char* who, auto value, auto gradient) {
      text += fmt::format("\n{:<27} {:<5}", who, "");
      for (const RegimeErrors& found : row.regimes)
        text += fmt::format(" {:>17}", found.torch_value_ulp < 0 ? "" : error_pair(found.*value, found.*gradient));
    };
    line("  without options", &RegimeErrors::plain_value_ulp, &RegimeErrors::plain_gradient_ulp);
    line("  PyTorch", &RegimeErrors::torch_value_ulp, &RegimeErrors::torch_gradient_ulp);
  }
  return text + '\n';
}

/// The regimes in which PyTorch is more accurate by more than is allowed, and those where more than chance is.
std::string worse_than_torch(const ValidationRow& row) {
  std::string text;
  for (const Regime regime : kRegimes) {
    const RegimeErrors& found = row.regimes[static_cast<std::size_t>(regime)];
    const auto look = [&](const char* what, double ulp, double torch_ulp) {
      if (found.is_worse(ulp, torch_ulp))
        text += fmt::format("    worse than PyTorch: {} {} {:.3g}, there {:.3g}, allowed {:g} more\n", name_of(regime),
                            what, ulp, torch_ulp, found.torch_allowance);
    };
    look("value", found.plain_value_ulp, found.torch_value_ulp);
    look("gradient", found.plain_gradient_ulp, found.torch_gradient_ulp);
    if (!found.torch_reason.empty())
      text += fmt::format("    allowed {:g} more than PyTorch, {}: {}\n", found.torch_allowance, name_of(regime),
                          found.torch_reason);
  }
  return text;
}

void print_text(const ValidationReport& report) {
  std::string text = "Backends:";
  for (const std::string& backend : report.backends) text += fmt::format(" {};", backend);
  text.back() = '\n';
  text += fmt::format(
      "Errors against the reference in ulp, worst (budget); value: of losses and of optimizer state, gradient: of\n"
      "gradients and of parameters; rounded: gradients of losses that are correctly rounded to their type; each: with "
      "matrix products, which may add in\n"
      "another order on each backend.\n\n"
      "{:<10} {:<25} {:<5} {:>6} {:>14} {:>14} {:>9} {:>10}\n",
      "", "", "dtype", "cases", "value", "gradient", "rounded", "backends");
  for (const ValidationRow& row : report.rows) {
    const auto error = [](double ulp, double budget) { return fmt::format("{:.2f} ({:g})", ulp, budget); };
    const std::string rounded = row.family == "loss" ? fmt::format("{:.2f} %", 100 * row.rounded_share) : "";
    text += fmt::format("{:<10} {:<25} {:<5} {:>6} {:>14} {:>14} {:>9} {:>10}{}\n", row.family, row.name,
                        name_of(row.dtype), row.cases, error(row.value_ulp, row.budget.value),
                        error(row.gradient_ulp, row.budget.gradient), rounded,
                        !row.agrees()   ? "DIFFER"
                        : row.same_bits ? "same bits"
                                        : "each",
                        row.passed() ? "" : "  MISSED");
    if (row.value_ulp > row.budget.value) text += "    value: " + row.worst_value + '\n';
    if (row.gradient_ulp > row.budget.gradient) text += "    gradient: " + row.worst_gradient + '\n';
    if (!row.is_rounded())
      text += fmt::format("    rounded: less than {:g} % of the gradients\n", 100 * ValidationRow::kRoundedShare);
    text += worse_than_torch(row);
    if (!row.mismatch.empty()) text += "    " + row.mismatch + '\n';
    if (!row.agrees()) text += "    " + row.disagreement + '\n';
    if (!row.budget.reason.empty()) text += fmt::format("    wider budget: {}\n", row.budget.reason);
  }
  text += regime_table(report);
  std::cout << text << fmt::format("\n{} in {:.1f} s\n", report.passed() ? "All passed" : "MISSED", report.seconds);
}

void print_text(const std::vector<DerivativeCheck>& checks) {
  std::cout << "\nDerivatives against differences of the value, in double:\n";
  for (const DerivativeCheck& check : checks)
    std::cout << fmt::format("  {:<42} {:>5} points, {} wrong {}\n", check.loss, check.points, check.wrong,
                             check.first_wrong);
}

int run(const Options& options) {
  const ValidationReport report = run_validation(options.sweep);
  bool passed = report.passed();
  Json json = to_json(report);
  if (!options.json) print_text(report);
  if (options.derivatives) {
    const std::vector<DerivativeCheck> checks = check_derivatives();
    json["derivatives"] = Json::array();
    for (const DerivativeCheck& check : checks) {
      passed &= check.passed();
      json["derivatives"].push_back(to_json(check));
    }
    json["passed"] = passed;
    if (!options.json) print_text(checks);
  }
  if (options.json) print(json);
  return passed ? kDone : kCheckMissed;
}

}  // namespace

void add_validate(CLI::App& parent, int& exit_code) {
  const auto o = std::make_shared<Options>();
  Verb verb(parent, "validate", "Check every loss, penalty and optimizer against the reference");
  verb.option("--device", o->sweep.device, known_devices() + "; auto: all that are usable").shows_default();
  verb.option("--seed", o->sweep.seed, "Of the inputs").shows_default();
  verb.option("--name", o->sweep.names, "A loss, penalty or optimizer to look at; may be repeated; all unless given");
  verb.flag("--quick", o->sweep.quick, "Fewer shapes");
  verb.flag("--finite-difference", o->derivatives, "Also check derivatives against differences, in double");
  verb.flag("--json", o->json, "Print JSON");
  verb.footer(
      "Exit code 1 when an error is outside its budget or above PyTorch's, a count is wrong or two backends differ in "
      "a "
      "bit.\nPyTorch's errors are those on the inputs of seed 0.\nExamples:\n"
      "  fuselage validate\n  fuselage validate --name huber --name adamw\n  fuselage validate --device cuda "
      "--finite-difference --json");
  verb.does([o, &exit_code] { exit_code = run(*o); });
}

}  // namespace fuselage::cli
