// The program run as its users run it, on files in a folder of its own.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fuselage/data.h"
#include "tests/support/files.h"
#include "tests/support/paths.h"

namespace fuselage::test {

using Json = nlohmann::json;
struct CliResult {
  int status = -1;
  std::string out, err;
  Json json() const { return Json::parse(out); }
};

class CliTest : public ::testing::Test {
 protected:
  TempFolder folder_;
  const std::string program_ = "'" + environment_or("FUSELAGE_CLI", FUSELAGE_CLI) + "'";

  std::string path(std::string_view name) const { return (folder_ / name).string(); }

  CliResult run(const std::string& arguments) const {
    const std::string command = program_ + " " + arguments + " >'" + path("out") + "' 2>'" + path("err") + "'";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, bytes_of(path("out")), bytes_of(path("err"))};
  }
  /// Runs, and expects an exit status and words of the message.
  void refuse(const std::string& arguments, int status, const std::vector<std::string>& words) const {
    const CliResult result = run(arguments);
    EXPECT_EQ(result.status, status) << arguments << "\n" << result.err;
    for (const std::string& word : words)
      EXPECT_NE(result.err.find(word), std::string::npos) << "'" << word << "' in: " << result.err;
    EXPECT_EQ(result.out, "") << "errors belong to stderr";
  }

  template <class T>
  std::string npy(const std::string& name, std::vector<std::int64_t> shape, const std::vector<T>& values) const {
    write_npy(folder_ / name, Array::of(std::move(shape), values));
    return path(name);
  }
  std::string mse_inputs() const {
    return " --pred " + npy<float>("y.npy", {4}, {2.5f, 0, 2, 8}) + " --target " +
           npy<double>("t.npy", {4}, {3, -0.5, 2, 7}) + " ";
  }
};

}  // namespace fuselage::test
