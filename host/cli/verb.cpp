// The options of verbs, by CLI11.
#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>

#include "fuselage/core/field.h"
#include "host/cli/verbs.h"

namespace fuselage::cli {
namespace {

/// CLI11 would take -1 for 2^64 - 1, and what is above that for it.
std::string whole_number(const std::string& text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, status] = std::from_chars(text.data(), end, value);
  return status == std::errc() && stop == end ? "" : "'" + text + "' is not a whole number from 0 to 2^64 - 1";
}

std::string not_negative_number(const std::string& text) {
  double value = 0;
  const bool valid = detail::read_value(text, value) && value >= 0 && std::isfinite(value);
  return valid ? "" : "'" + text + "' is not a finite number of at least 0";
}

}  // namespace

Option& Option::required() {
  option_->required();
  return *this;
}

Option& Option::shows_default() {
  option_->capture_default_str();
  return *this;
}

Option& Option::within(std::int64_t low, std::int64_t high) {
  option_->check(CLI::Range(low, high));
  return *this;
}

Option& Option::not_negative() {
  option_->check(not_negative_number);
  return *this;
}

Option& Option::type_name(const std::string& text) {
  option_->type_name(text);
  return *this;
}

Option& Option::excludes(const Option& other) {
  option_->excludes(other.option_);
  return *this;
}

Verb::Verb(CLI::App& parent, const std::string& name, const std::string& summary)
    : app_(*parent.add_subcommand(name, summary)) {}

Option Verb::option(const std::string& name, std::string& value, const std::string& help) {
  return Option(app_.add_option(name, value, help));
}
Option Verb::option(const std::string& name, std::vector<std::string>& value, const std::string& help) {
  return Option(app_.add_option(name, value, help));
}
Option Verb::option(const std::string& name, int& value, const std::string& help) {
  return Option(app_.add_option(name, value, help));
}
Option Verb::option(const std::string& name, std::int64_t& value, const std::string& help) {
  return Option(app_.add_option(name, value, help));
}
Option Verb::option(const std::string& name, std::uint64_t& value, const std::string& help) {
  return Option(app_.add_option(name, value, help)->check(whole_number));
}
Option Verb::option(const std::string& name, double& value, const std::string& help) {
  return Option(app_.add_option(name, value, help));
}

Option Verb::option(const std::string& name, std::optional<std::int64_t>& value, const std::string& help) {
  return Option(app_.add_option(name, value, help));
}
Option Verb::option(const std::string& name, std::optional<double>& value, const std::string& help) {
  return Option(app_.add_option(name, value, help));
}

Option Verb::flag(const std::string& name, bool& value, const std::string& help) {
  return Option(app_.add_flag(name, value, help));
}

void Verb::footer(const std::string& text) { app_.footer(text); }

void Verb::does(const std::function<void()>& action) { app_.callback(action); }

}  // namespace fuselage::cli
