// `fuselage doctor`: what this build and this machine have, what is missing and what to install.
#include <dnnl.h>
#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <thread>

#include "fuselage/backend.h"
#include "host/cli/json_output.h"
#include "host/cli/verbs.h"

namespace fuselage::cli {
namespace {

struct Processor {
  std::string model;
  std::vector<std::string> features;  ///< those that the vector kernels ask about
};

Processor processor() {
  Processor found{"unknown", {}};
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    const std::string value = line.substr(colon + 2);
    if (line.starts_with("model name")) found.model = value;
    if (!line.starts_with("flags") && !line.starts_with("Features")) continue;
    std::istringstream words(value);
    for (const std::string& word : std::vector<std::string>(std::istream_iterator<std::string>(words), {}))
      for (const char* known : {"avx", "avx2", "fma", "f16c", "bmi1", "bmi2", "avx512f", "avx512bw", "avx512dq",
                                "avx512vl", "avx512cd", "avx512_bf16", "avx512_fp16", "asimd", "sve"})
        if (word == known) found.features.push_back(word);
    break;  // one processor speaks for all
  }
  return found;
}

std::string openmp_version() {
  // _OPENMP is the date of the standard, as yyyymm.
  return std::to_string(_OPENMP);
}

/// What keeps this build or machine from its best, each with its remedy.
std::vector<std::string> missing(const CudaStatus& cuda, const std::vector<std::string>& targets) {
  std::vector<std::string> items;
  if (!cuda.built)
    items.push_back(
        "CUDA code is not in this build: install a CUDA toolkit (nvcc 12.4 or later) and configure with "
        "-DFUSELAGE_CUDA=ON");
  else if (!cuda.usable)
    items.push_back("CUDA cannot be used: " + cuda.text);
  if (targets.front() == "portable")
    items.push_back("vector kernels: this processor has neither AVX2 nor AVX-512, so the portable ones are taken");
  if (omp_get_max_threads() < omp_get_num_procs())
    items.push_back(
        fmt::format("threads: OMP_NUM_THREADS or a limit allows {} of {}", omp_get_max_threads(), omp_get_num_procs()));
  return items;
}

Json report() {
  const CudaStatus cuda = cuda_status();
  const std::vector<std::string> targets = cpu_targets();
  const Processor cpu = processor();
  const dnnl_version_t& dnnl = *dnnl_version();
  std::string why;
  const std::unique_ptr<Backend> automatic = make_backend("auto", &why), host = make_cpu_backend();
  return {{"device", {{"auto", automatic->device()}, {"why", why}, {"description", automatic->description()}}},
          {"cpu",
           {{"model", cpu.model},
            {"features", cpu.features},
            {"targets", targets},
            {"chosen_target", targets.front()},
            {"processors", omp_get_num_procs()},
            {"threads", omp_get_max_threads()},
            {"openmp", openmp_version()},
            {"description", host->description()},
            {"products", fmt::format("oneDNN {}.{}.{}", dnnl.major, dnnl.minor, dnnl.patch)}}},
          {"cuda",
           {{"built", cuda.built},
            {"usable", cuda.usable},
            {"status", cuda.text},
            {"devices", cuda.devices},
            {"architectures", cuda.architectures},
            {"runtime", cuda.runtime},
            {"driver", cuda.driver}}},
          {"missing", missing(cuda, targets)}};
}

/// Nested objects as indented lines; lists on one line.
void print_text(const Json& json, int indent = 0) {
  for (const auto& [key, value] : json.items()) {
    if (value.is_object()) {
      std::cout << key << '\n';
      print_text(value, indent + 2);
      continue;
    }
    std::string text = value.is_string() ? value.get<std::string>() : value.is_array() ? "" : value.dump();
    if (value.is_array())
      for (const auto& item : value)
        text += (text.empty() ? "" : indent == 0 ? "\n  " : ", ") + item.get<std::string>();
    if (indent == 0 && value.is_array()) {
      std::cout << key << "\n  " << (text.empty() ? "nothing" : text) << '\n';
      continue;
    }
    std::cout << fmt::format("{:{}}{:<14} {}\n", "", indent, key, text.empty() ? "none" : text);
  }
}

}  // namespace

void add_doctor(CLI::App& parent, int&) {
  const auto json = std::make_shared<bool>(false);
  Verb verb(parent, "doctor", "Say what this build and this machine have, and what is missing");
  verb.flag("--json", *json, "Print JSON");
  verb.footer("Example:\n  fuselage doctor");
  verb.does([json] {
    const Json found = report();
    if (*json)
      print(found);
    else
      print_text(found);
  });
}

}  // namespace fuselage::cli
