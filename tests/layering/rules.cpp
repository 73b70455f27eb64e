// Who may include whom. The table of docs/design.md, as code.
#include "tests/layering/rules.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <regex>
#include <set>

namespace fuselage::test {
namespace {

constexpr std::string_view kPublic = "include/fuselage/";
// Where a user's compiler decides what is made of a loss of their own.
constexpr std::string_view kCustomLoss = "include/fuselage/custom_loss.h";
constexpr std::size_t kLongest = 400;

/// Layers of the public headers; -1 for one that the table does not know, and for everything else.
int layer_of(std::string_view path) {
  if (!path.starts_with(kPublic)) return -1;
  const std::string name(path.substr(kPublic.size()));
  if (name.starts_with("core/")) return 0;
  if (std::regex_match(name, std::regex("(loss|optim|metric|activation|schedule)/.*"))) return 1;
  static const std::map<std::string, int> layers = {
      {"losses.h", 2},        {"optimizers.h", 2},  {"metrics.h", 2},  {"activations.h", 2},
      {"schedules.h", 2},     {"batch.h", 3},       {"compat.h", 4},   {"loss_pass.h", 3},
      {"row_pass.h", 3},      {"term_pass.h", 3},   {"episodes.h", 3}, {"fairness.h", 3},
      {"fairness_pass.h", 3}, {"memory.h", 3},      {"backend.h", 3},  {"combination.h", 3},
      {"batch_triplet.h", 3}, {"pair_pass.h", 3},   {"info_nce.h", 3}, {"pair_losses.h", 3},
      {"array.h", 4},         {"data.h", 4},        {"nn.h", 4},       {"optimizer.h", 4},
      {"history.h", 4},       {"own_loss.h", 3},    {"tile.h", 3},     {"tile_loss.h", 3},
      {"custom_loss.h", 3},   {"update_pass.h", 3}, {"validate.h", 4}, {"checkpoint.h", 5},
      {"train.h", 5},         {"fuselage.h", 6},    {"c_api.h", 6},    {"gradient_pass.h", 3},
  };
  const auto found = layers.find(name);
  return found == layers.end() ? -1 : found->second;
}

/// "loss" of "include/fuselage/loss/mse.h", "data" of "host/data/csv.cpp".
std::string folder_after(std::string_view path, std::string_view prefix) {
  const std::string_view rest = path.substr(prefix.size());
  return std::string(rest.substr(0, rest.find('/')));
}

// What a pass reads and reports, shared by definitions of metrics, kernels and backends.
bool is_pass_data(std::string_view header) {
  static const std::set<std::string_view> headers = {
      "include/fuselage/batch.h",         "include/fuselage/loss_pass.h",     "include/fuselage/row_pass.h",
      "include/fuselage/term_pass.h",     "include/fuselage/episodes.h",      "include/fuselage/fairness.h",
      "include/fuselage/fairness_pass.h", "include/fuselage/batch_triplet.h", "include/fuselage/pair_pass.h",
      "include/fuselage/own_loss.h",      "include/fuselage/update_pass.h",   "include/fuselage/gradient_pass.h"};
  return headers.contains(header);
}

bool is_seam(std::string_view header) { return header == "kernels/kernels.h"; }

bool public_may(std::string_view path, std::string_view header) {
  if (path.starts_with("include/fuselage/cuda/")) {
    return header.starts_with("include/fuselage/cuda/") || header.starts_with("kernels/") || is_pass_data(header) ||
           (layer_of(header) >= 0 && layer_of(header) <= 2);
  }
  if (path == kCustomLoss && header == "include/fuselage/cuda/own_launch.h") return true;
  const int mine = layer_of(path), theirs = layer_of(header);
  if (theirs < 0) return false;
  if (mine == 0) return theirs == 0;
  if (mine == 1) {
    const std::string folder = folder_after(path, kPublic);
    if (theirs == 1)
      return header == std::string(kPublic) + folder + "/concepts.h" || header == "include/fuselage/loss/row.h" ||
             header == "include/fuselage/loss/log_ratio.h" || header == "include/fuselage/optim/moments.h";
    return theirs == 0 || (folder == "metric" && header == "include/fuselage/batch.h");
  }
  if (is_pass_data(path)) return theirs <= 2 || is_pass_data(header);
  return theirs <= mine && (mine != 2 || theirs <= 1);
}

bool kernel_may(std::string_view header) {
  return header.starts_with("kernels/") || header.starts_with("include/fuselage/cuda/") || is_pass_data(header) ||
         (layer_of(header) >= 0 && layer_of(header) <= 2);
}

/// Folders of host/ that build on each other, each on those before it; the reference is seen by those that compare.
bool host_may(std::string_view path, std::string_view header) {
  static constexpr std::array<std::string_view, 6> order = {"text", "data", "nn", "validate", "train", "cli"};
  const std::string mine = folder_after(path, "host/");
  if (is_seam(header))
    return std::regex_match(std::string(path), std::regex("host/backend/cuda_backend[^/]*\\.(cpp|h)"));
  if (mine == "reference") return header.starts_with("host/reference/");
  if (header.starts_with("include/fuselage/cuda/")) return false;
  const int theirs = layer_of(header);
  if (header.starts_with("host/backend/cuda/") && !path.starts_with("host/backend/cuda")) return false;
  if (mine == "backend") return header.starts_with("host/backend/") || (theirs >= 0 && theirs <= 3);
  if (theirs >= 0) return true;
  if (!header.starts_with("host/")) return false;
  const std::string folder = folder_after(header, "host/");
  if (folder == "reference") return mine == "validate" || mine == "train" || mine == "cli";
  const auto me = std::find(order.begin(), order.end(), mine), it = std::find(order.begin(), order.end(), folder);
  return me != order.end() && it != order.end() && it <= me;
}

bool is_cuda(const std::string& name) {
  static const std::regex cuda(
      "(cuda|cub|cublas|cublasLt|cudnn|thrust|nccl|curand|nvrtc|cooperative_groups)(_[a-z0-9_]*)?"
      "(\\.h|\\.hpp|\\.cuh|/.*)");
  return std::regex_match(name, cuda);
}

bool is_standard(const std::string& name) { return std::regex_match(name, std::regex("[a-z_0-9]+")); }

std::string angle_breach(std::string_view path, const std::string& name) {
  if (path.starts_with("include/") && !path.starts_with("include/fuselage/cuda/") && !is_standard(name))
    return "includes <" + name + ">; public headers include the standard library and each other";
  if (path.starts_with("host/reference/") && !is_standard(name))
    return "includes <" + name + ">; the reference knows the standard library alone";
  const bool cuda_backend = path.starts_with("host/backend/cuda_backend") || path.starts_with("host/backend/cuda/");
  if (path.starts_with("host/") && !cuda_backend && is_cuda(name))
    return "includes <" + name + ">; CUDA belongs to kernels/ and the CUDA backend";
  return {};
}

/// Where a quoted name lies: a public header, a path from the root, or (in tests) a neighbour. Empty: nowhere.
std::string resolve(const std::set<std::string>& files, const std::string& path, const std::string& name) {
  for (const std::string& candidate : {"include/" + name, name, path.substr(0, path.rfind('/') + 1) + name})
    if (files.contains(candidate)) return candidate;
  return {};
}

void check_text(const Source& source, std::vector<std::string>& out) {
  static const std::regex condition("(^|\n)[ \t]*#[ \t]*(if|ifdef|ifndef|elif)\\b");
  static const std::regex macro("(^|\n)[ \t]*#[ \t]*define[ \t]+(\\w+)");
  const std::string& path = source.path;
  const std::string code = code_of(source.text);
  if (code.find("<<<") != std::string::npos && path != "kernels/launch.cuh")
    out.push_back(path + ": launches a kernel; kernels/launch.cuh alone does");
  const bool emulator = path.starts_with("tests/simt/");  // it is made of what it replaces
  const bool may_ask = path == "include/fuselage/core/hd.h" || path == "include/fuselage/core/dtype.h" ||
                       path == kCustomLoss || emulator;
  std::smatch found;
  if (!may_ask && std::regex_search(code, found, condition))
    out.push_back(path + ": asks the preprocessor (#" + found[2].str() +
                  "); only core/hd.h, core/dtype.h and custom_loss.h do");
  if (!emulator && path != "include/fuselage/core/hd.h" && std::regex_search(code, found, macro))
    out.push_back(path + ": defines the macro " + found[2].str() + "; FUSELAGE_HD is the only one");
  if (is_seam(path) && std::regex_search(code, std::regex("\\btemplate\\b")))
    out.push_back(path + ": has a template; the seam is plain declarations");
  const auto lines = static_cast<std::size_t>(std::count(source.text.begin(), source.text.end(), '\n'));
  if (lines > kLongest)
    out.push_back(path + ": has " + std::to_string(lines) + " lines; " + std::to_string(kLongest) + " is the most");
}

using Graph = std::map<std::string, std::set<std::string>>;

void check_includes(const Source& source, const std::set<std::string>& files, Graph& graph,
                    std::vector<std::string>& out) {
  for (const Include& include : includes_of(source.text)) {
    if (!include.quoted) {
      const std::string breach = angle_breach(source.path, include.name);
      if (!breach.empty()) out.push_back(source.path + ": " + breach);
      if (is_seam(source.path) && !is_standard(include.name))
        out.push_back(source.path + ": includes <" + include.name + ">; the seam has no CUDA header");
      continue;
    }
    const std::string header = resolve(files, source.path, include.name);
    if (header.empty()) {
      out.push_back(source.path + ": includes \"" + include.name + "\", which is not in the tree");
    } else if (!may_include(source.path, header)) {
      out.push_back(source.path + ": may not include \"" + include.name + "\"");
    } else {
      graph[source.path].insert(header);
    }
  }
}

void check_cycles(const Graph& graph, std::vector<std::string>& out) {
  std::map<std::string, int> state;  // 1: on the way, 2: done
  const std::function<void(const std::string&)> visit = [&](const std::string& at) {
    state[at] = 1;
    if (const auto next = graph.find(at); next != graph.end()) {
      for (const std::string& header : next->second) {
        if (state[header] == 1) out.push_back(at + ": includes " + header + " in a cycle");
        if (state[header] == 0) visit(header);
      }
    }
    state[at] = 2;
  };
  for (const auto& [path, headers] : graph)
    if (state[path] == 0) visit(path);
}

}  // namespace

bool may_include(std::string_view path, std::string_view header) {
  if (path.starts_with("tests/") || path.starts_with("bench/")) return true;
  if (path.starts_with("examples/")) return header.starts_with("include/") || header.starts_with("examples/");
  if (path.starts_with("include/")) return public_may(path, header);
  if (path.starts_with("kernels/")) return kernel_may(header);
  if (path.starts_with("host/")) return host_may(path, header);
  return false;
}

std::vector<std::string> breaches(const std::vector<Source>& tree) {
  std::set<std::string> files;
  for (const Source& source : tree) files.insert(source.path);
  std::vector<std::string> out;
  Graph graph;
  for (const Source& source : tree) {
    const bool known = layer_of(source.path) >= 0 || source.path.starts_with("include/fuselage/cuda/");
    if (source.path.starts_with("include/") && !known)
      out.push_back(source.path + ": the table of layers (tests/layering/rules.cpp) does not know this header");
    check_text(source, out);
    check_includes(source, files, graph, out);
  }
  check_cycles(graph, out);
  return out;
}

}  // namespace fuselage::test
