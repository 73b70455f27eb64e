// The verbs of the program `fuselage`. Each has a file of its own, host/cli/<verb>.cpp, that adds its subcommand with
// options, help and examples (the footer), and a callback that does the work when the verb was chosen.
//
// A callback prints its result to stdout and throws Error for whatever went wrong; main() prints the message to stderr
// and turns the code into the exit status (exit_status). A check that was missed without an exception is told by
// exit_code = kCheckMissed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fuselage/core/error.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace fuselage::cli {

inline constexpr int kDone = 0;
inline constexpr int kCheckMissed = 1;  ///< a result outside its budget, a mismatch, values that are not finite
inline constexpr int kUsage = 2;        ///< unknown names, keys and options, values outside their range
inline constexpr int kBadData = 3;      ///< files that cannot be read, shapes, element types and labels that do not fit
inline constexpr int kDevice = 4;       ///< no such device, a CUDA call that failed, no memory

constexpr int exit_status(Errc code) {
  switch (code) {
    case Errc::mismatch:
    case Errc::non_finite: return kCheckMissed;
    case Errc::bad_argument:
    case Errc::unknown_name: return kUsage;
    case Errc::bad_shape:
    case Errc::bad_dtype:
    case Errc::bad_label:
    case Errc::io:
    case Errc::format: return kBadData;
    case Errc::out_of_memory:
    case Errc::no_device:
    case Errc::cuda: return kDevice;
  }
  return kCheckMissed;
}

/// An option of a verb.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option& required();
  Option& shows_default();
  Option& within(std::int64_t low, std::int64_t high);
  Option& not_negative();
  /// What stands for its value in the help.
  Option& type_name(const std::string& text);
  Option& excludes(const Option& other);

 private:
  CLI::Option* option_;
};

/// A verb, its options and what it does. The parser behind it (CLI11) is all headers, which take a compiler seconds:
/// verb.cpp and main.cpp alone include them.
class Verb {
 public:
  Verb(CLI::App& parent, const std::string& name, const std::string& summary);

  /// An option, or without dashes a word, that sets `value`, which must outlive the parser.
  Option option(const std::string& name, std::string& value, const std::string& help);
  Option option(const std::string& name, std::vector<std::string>& value, const std::string& help);
  Option option(const std::string& name, int& value, const std::string& help);
  Option option(const std::string& name, std::int64_t& value, const std::string& help);
  Option option(const std::string& name, std::uint64_t& value, const std::string& help);
  Option option(const std::string& name, double& value, const std::string& help);
  Option option(const std::string& name, std::optional<std::int64_t>& value, const std::string& help);
  Option option(const std::string& name, std::optional<double>& value, const std::string& help);
  Option flag(const std::string& name, bool& value, const std::string& help);
  /// Notes and examples below the options.
  void footer(const std::string& text);
  void does(const std::function<void()>& action);

 private:
  CLI::App& app_;
};

void add_train(CLI::App& parent, int& exit_code);
void add_eval(CLI::App& parent, int& exit_code);
void add_step(CLI::App& parent, int& exit_code);
void add_list(CLI::App& parent, int& exit_code);
void add_validate(CLI::App& parent, int& exit_code);
void add_bench(CLI::App& parent, int& exit_code);
void add_doctor(CLI::App& parent, int& exit_code);

}  // namespace fuselage::cli
