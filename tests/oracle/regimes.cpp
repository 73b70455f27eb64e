// The inputs of `fuselage validate` as files for another library, and the judgement of its answers by the same judge.
//   oracle_regimes dump FOLDER       writes N.<array>.npy for every plain problem, and problems.txt
//   oracle_regimes judge FOLDER      prints host/validate/peer_errors.h from N.values.npy and N.<array>_gradient.npy
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>

#include "fuselage/data.h"
#include "host/validate/compare.h"
#include "host/validate/inputs.h"

namespace fuselage::validate {
namespace {

namespace fs = std::filesystem;

/// Calls f(number, problem, whether it is of the quick sweep).
void for_each_plain(const std::function<void(int, const LossProblem&, bool)>& f) {
  int number = 0;
  Losses::for_each([&]<class L>() {
    for (const DType type : {DType::f32, DType::bf16, DType::f16})
      for (const bool quick : {false, true})
        for_each_problem(AnyLoss(L{}), type, quick, 0, [&](const LossProblem& problem) {
          if (const auto p = plain(problem)) f(++number, *p, quick);
        });
  });
}

fs::path file(const fs::path& folder, int number, std::string_view name) {
  return folder / fmt::format("{}.{}.npy", number, name);
}

void dump(const fs::path& folder) {
  std::ofstream list(folder / "problems.txt");
  for_each_plain([&](int number, const LossProblem& p, bool) {
    const auto write = [&](std::string_view name, const Array& array) {
      write_npy(file(folder, number, name), is_label(array.dtype()) ? array : converted(array, DType::f32));
    };
    write("prediction", p.prediction);
    if (p.second) write("second", *p.second);
    if (p.third) write("third", *p.third);
    if (p.target.size() > 0) write("target", p.target);
    list << number << ' ' << Losses::name_of(p.loss) << ' ' << name_of(p.prediction.dtype()) << '\n';
  });
}

/// The answer as if it were a backend's; counts are taken as right.
LossSolution answer(const fs::path& folder, int number, const LossProblem& p, const reference::LossOutput& expected) {
  LossSolution got;
  got.report.count = expected.count;
  got.report.weight_sum = expected.weight_sum;
  const auto read = [&](std::string_view name, DType type) {
    return fs::exists(file(folder, number, name)) ? converted(read_npy(file(folder, number, name)), type) : Array();
  };
  got.values = read("values", DType::f32);
  got.gradient = read("prediction_gradient", p.prediction.dtype());
  got.second_gradient = read("second_gradient", p.prediction.dtype());
  got.third_gradient = read("third_gradient", p.prediction.dtype());
  return got;
}

struct Row {
  std::string loss;
  DType type;
  Regime regime;
  bool quick;
  auto operator<=>(const Row&) const = default;
};

std::string_view enumerator_of(DType type) { return type == DType::f32 ? "f32" : type == DType::bf16 ? "bf16" : "f16"; }
std::string number_text(double x) { return std::isfinite(x) ? fmt::format("{:.3g}", x) : "kInfinity"; }

struct Sweep {
  std::string loss;
  DType type;
  bool quick;
  auto operator<=>(const Sweep&) const = default;
};

void judge(const fs::path& folder) {
  std::map<Row, Findings> found;
  std::map<Sweep, std::uint64_t> digests;
  std::set<Sweep> answered;
  for_each_plain([&](int number, const LossProblem& p, bool quick) {
    const Sweep sweep{std::string(Losses::name_of(p.loss)), p.prediction.dtype(), quick};
    digests[sweep] = digest(digests[sweep], p);
    if (!fs::exists(file(folder, number, "values"))) return;
    answered.insert(sweep);
    const reference::LossOutput expected = solve_by_reference(p);
    compare(p, expected, answer(folder, number, p, expected), found[{sweep.loss, sweep.type, p.regime, quick}]);
  });
  fmt::print("inline constexpr PeerErrors kTorchErrors[] = {{\n");
  for (const auto& [row, findings] : found)
    fmt::print("    {{\"{}\", DType::{}, Regime::{}, {}, {}, {}}},\n", row.loss, enumerator_of(row.type),
               name_of(row.regime), row.quick, number_text(findings.value.ulp), number_text(findings.gradient.ulp));
  fmt::print("}};\n\ninline constexpr PeerInputs kTorchInputs[] = {{\n");
  for (const Sweep& sweep : answered)
    fmt::print("    {{\"{}\", DType::{}, {}, {:#018x}}},\n", sweep.loss, enumerator_of(sweep.type), sweep.quick,
               digests[sweep]);
  fmt::print("}};\n");
}

}  // namespace
}  // namespace fuselage::validate

int main(int count, char** arguments) {
  const std::string verb = count == 3 ? arguments[1] : "";
  if (verb == "dump")
    fuselage::validate::dump(arguments[2]);
  else if (verb == "judge")
    fuselage::validate::judge(arguments[2]);
  else
    std::cerr << "oracle_regimes dump FOLDER, or judge FOLDER\n";
  return verb == "dump" || verb == "judge" ? 0 : 2;
}
