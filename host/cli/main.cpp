// The program `fuselage`: the frame around its verbs. It parses, runs one verb, and turns errors into messages and exit
// codes.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "fuselage/core/suggest.h"
#include "host/cli/verbs.h"

namespace {

using namespace fuselage;

// In the order of the help. A verb's file and its line here come together.
void add_verbs(CLI::App& app, int& exit_code) {
  cli::add_train(app, exit_code);
  cli::add_eval(app, exit_code);
  cli::add_step(app, exit_code);
  cli::add_list(app, exit_code);
  cli::add_validate(app, exit_code);
  cli::add_bench(app, exit_code);
  cli::add_doctor(app, exit_code);
}

/// An option with nothing in it, as "$FILE" of a variable that is not set, is a mistake and never the default.
void refuse_empty_values(CLI::App& app) {
  const auto refuse = [](const std::string& text) {
    return text.empty() ? std::string("the value is empty") : std::string();
  };
  for (CLI::App* verb : app.get_subcommands([](CLI::App*) { return true; }))
    for (CLI::Option* option : verb->get_options())
      if (option->get_expected_max() > 0) option->check(refuse);
}

constexpr const char* kFooter =
    "\nExit codes: 0 done, 1 a check missed, 2 wrong usage, 3 bad data, 4 device.\n"
    "`fuselage VERB --help` shows the options of a verb with examples.";

int complain(int status, const std::string& message) {
  std::cout.flush();
  std::cerr << "fuselage: " << message << '\n';
  return status;
}

/// Says so when the first word that is no option is no verb.
bool unknown_verb(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(verb->get_name());
  for (int i = 1; i < argc; ++i) {
    if (argv[i][0] == '-') continue;
    if (std::find(names.begin(), names.end(), argv[i]) != names.end()) return false;
    complain(cli::kUsage, "unknown verb '" + std::string(argv[i]) + "'" + suggest(argv[i], names));
    return true;
  }
  return false;
}

/// " (did you mean '--device'?)" for the first option that the chosen verb does not have.
std::string suggest_option(const CLI::App& app) {
  for (const CLI::App* verb : app.get_subcommands())
    for (const std::string& wrong : verb->remaining()) {
      if (wrong.rfind("--", 0) != 0) continue;
      std::vector<std::string> names;
      for (const CLI::Option* option : verb->get_options())
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
      return suggest(wrong.substr(0, wrong.find('=')), names);
    }
  return {};
}

/// OpenMP's threads spin while they wait, and on a machine that others use too they get in each other's way, so they
/// are to sleep. The policy is read when the program is loaded, so it loads itself once more; a policy that the user
/// set stays.
void sleep_while_waiting(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") || std::getenv("GOMP_SPINCOUNT")) return;
  ::setenv("OMP_WAIT_POLICY", "passive", 1);
  ::execv("/proc/self/exe", argv);  // where that is refused, the program goes on as it is
}

int run(int argc, char** argv) {
  CLI::App app{"fuselage: fused losses, gradients and optimizer steps on CPU and CUDA", "fuselage"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "fuselage " FUSELAGE_VERSION);
  app.footer(kFooter);
  int exit_code = cli::kDone;
  add_verbs(app, exit_code);
  refuse_empty_values(app);
  if (unknown_verb(app, argc, argv)) return cli::kUsage;
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    app.exit(help);  // prints it
  } catch (const CLI::ExtrasError& error) {
    return complain(cli::kUsage, error.what() + suggest_option(app));
  } catch (const CLI::ParseError& error) {
    return complain(cli::kUsage, std::string(error.what()) + "; `fuselage --help` shows the usage");
  }
  std::cout.flush();
  if (!std::cout || std::fflush(stdout) != 0) return complain(cli::kBadData, "cannot write to standard output");
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  sleep_while_waiting(argv);
  try {
    return run(argc, argv);
  } catch (const Error& error) {
    return complain(cli::exit_status(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return complain(cli::kDevice, "out of memory");
  } catch (const std::exception& error) {
    return complain(cli::kCheckMissed, std::string("internal error: ") + error.what());
  }
}
