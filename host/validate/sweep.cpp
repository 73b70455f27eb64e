// The sweep over lists, storage types and backends, and the budgets.
#include "host/validate/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "fuselage/core/suggest.h"
#include "host/validate/batch_problem.h"
#include "host/validate/compare.h"
#include "host/validate/inputs.h"
#include "host/validate/peer_errors.h"
#include "host/validate/peer_inputs.h"

namespace fuselage {
namespace validate {
namespace {

constexpr DType kTypes[] = {DType::f32, DType::bf16, DType::f16};

void add_findings(ValidationRow& row, const Findings& findings) {
  row.value_ulp = findings.value.ulp;
  row.worst_value = findings.value.where;
  row.gradient_ulp = findings.gradient.ulp;
  row.worst_gradient = findings.gradient.where;
  row.mismatch = findings.mismatch;
  if (findings.gradients > 0)
    row.rounded_share = static_cast<double>(findings.rounded_gradients) / static_cast<double>(findings.gradients);
}

/// Solves by everybody; the first difference goes into the row, and whoever differs is compared with the reference too.
template <class Problem, class Solve, class Judge>
auto solve_by_all(const Problem& problem, const std::vector<Solver>& solvers, const Solve& solve, const Judge& judge,
                  ValidationRow& row) {
  const auto first = solve(solvers.front(), problem);
  judge(first);
  for (std::size_t i = 1; i < solvers.size(); ++i) {
    const auto other = solve(solvers[i], problem);
    const std::string what = difference(first, other);
    if (what.empty()) continue;
    judge(other);
    if (row.disagreement.empty())
      row.disagreement =
          fmt::format("{}: {} and {} differ in {}", problem.text, solvers.front().name, solvers[i].name, what);
  }
  ++row.cases;
  return first;
}

/// The gradient in the prediction's own memory, and a pass without values, must give the same bits.
void check_memory_variants(const LossProblem& problem, const LossSolution& expected, const std::vector<Solver>& solvers,
                           ValidationRow& row) {
  for (const Solver& solver : solvers) {
    LossProblem variant = problem;
    variant.in_place = true;
    variant.without_values = true;
    LossSolution got = solver.loss(variant);
    got.values = expected.values;
    const std::string what = difference(expected, got);
    if (!what.empty() && row.disagreement.empty())
      row.disagreement = fmt::format("{}: {} in place differs in {}", problem.text, solver.name, what);
  }
}

}  // namespace

Solver solver_of(std::string name, std::shared_ptr<Backend> backend) {
  return {std::move(name), [backend](const LossProblem& p) { return solve(*backend, p); },
          [backend](const StepProblem& p) { return solve(*backend, p); }, backend};
}

std::vector<Solver> solvers_for(std::string_view device) {
  std::vector<Solver> solvers;
  const bool automatic = device == "auto";
  if (automatic || device == "cpu") {
    for (const std::string& target : cpu_targets())
      for (const int threads : {1, 2})
        solvers.push_back(solver_of(fmt::format("cpu {} x{}", target, threads),
                                    std::shared_ptr<Backend>(make_cpu_backend({threads, target}))));
    if (device == "cpu" || !cuda_status().usable) return solvers;
  }
  const std::string name(automatic ? cuda_device_name() : device);
  solvers.push_back(solver_of(name, std::shared_ptr<Backend>(make_backend(name))));
  return solvers;
}

/// Where PyTorch may be ahead by more than the last rounding, and why.
struct TorchException {
  std::string_view loss;
  DType dtype;
  Regime regime;
  double allowance;
  std::string_view reason;
};
constexpr TorchException kTorchExceptions[] = {
    {"cosine_similarity", DType::f32, Regime::ordinary, 1,
     "one order of addition for everybody; where products cancel, its rounding is that of every element"},
};

/// What is stored of PyTorch for a row of the sweep with seed 0; null: nothing.
const PeerInputs* peer_inputs(const ValidationRow& row, bool quick, std::uint64_t seed) {
  const auto* found = std::find_if(std::begin(kTorchInputs), std::end(kTorchInputs), [&](const PeerInputs& peer) {
    return peer.loss == row.name && peer.dtype == row.dtype && peer.quick == quick;
  });
  return seed == 0 && found != std::end(kTorchInputs) ? found : nullptr;
}

void add_peer(ValidationRow& row, Regime regime, bool quick) {
  RegimeErrors& errors = row.regimes[static_cast<std::size_t>(regime)];
  for (const PeerErrors& peer : kTorchErrors) {
    if (peer.loss != row.name || peer.dtype != row.dtype || peer.regime != regime || peer.quick != quick) continue;
    errors.torch_value_ulp = peer.value_ulp;
    errors.torch_gradient_ulp = peer.gradient_ulp;
  }
  for (const TorchException& exception : kTorchExceptions) {
    if (exception.loss != row.name || exception.dtype != row.dtype || exception.regime != regime) continue;
    errors.torch_allowance = exception.allowance;
    errors.torch_reason = exception.reason;
  }
}

ValidationRow check_loss(const AnyLoss& entry, DType type, const std::vector<Solver>& solvers, bool quick,
                         std::uint64_t seed) {
  ValidationRow row{"loss", std::string(Losses::name_of(entry)), type};
  row.budget = loss_budget(row.name, type);
  std::array<Findings, std::size(kRegimes)> regimes, alone;
  std::array<bool, std::size(kRegimes)> is_plain{};
  const PeerInputs* const peer = peer_inputs(row, quick, seed);
  std::uint64_t inputs = 0;
  for_each_problem(entry, type, quick, seed, [&](const LossProblem& problem) {
    Findings& findings = regimes[static_cast<std::size_t>(problem.regime)];
    ++row.regimes[static_cast<std::size_t>(problem.regime)].cases;
    const reference::LossOutput expected = solve_by_reference(problem);
    const LossSolution first = solve_by_all(
        problem, solvers, [](const Solver& s, const LossProblem& p) { return s.loss(p); },
        [&](const LossSolution& got) { compare(problem, expected, got, findings); }, row);
    if (row.cases % 3 == 1) check_memory_variants(problem, first, solvers, row);
    if (const auto p = plain(problem); p && peer != nullptr) {
      const auto regime = static_cast<std::size_t>(problem.regime);
      compare(*p, solve_by_reference(*p), solvers.front().loss(*p), alone[regime]);
      inputs = digest(inputs, *p);
      is_plain[regime] = true;
    }
  });
  Findings worst;
  for (std::size_t i = 0; i < regimes.size(); ++i) {
    row.regimes[i].value_ulp = regimes[i].value.ulp;
    row.regimes[i].gradient_ulp = regimes[i].gradient.ulp;
    if (is_plain[i]) {
      row.regimes[i].plain_value_ulp = alone[i].value.ulp;
      row.regimes[i].plain_gradient_ulp = alone[i].gradient.ulp;
      add_peer(row, kRegimes[i], quick);
    }
    worst.add(regimes[i]);
  }
  add_findings(row, worst);
  if (peer != nullptr && inputs != peer->digest && row.mismatch.empty())
    row.mismatch = "PyTorch's errors were measured on other inputs: run tests/oracle/regimes.py";
  return row;
}

ValidationRow check_optimizer(const AnyOptimizer& entry, DType type, const std::vector<Solver>& solvers, bool quick,
                              std::uint64_t seed) {
  ValidationRow row{"optimizer", std::string(Optimizers::name_of(entry)), type};
  row.budget = optimizer_budget(row.name, type);
  Findings findings;
  for_each_problem(entry, type, quick, seed, [&](const StepProblem& problem) {
    solve_by_all(
        problem, solvers, [](const Solver& s, const StepProblem& p) { return s.steps(p); },
        [&](const std::vector<StepSolution>& got) { compare(problem, got, findings); }, row);
  });
  add_findings(row, findings);
  return row;
}

namespace {

/// Pairs and groups of rows: each problem by everybody. What has products is not held to the same bits, but each
/// solution is judged.
template <class Problem, class Entry>
ValidationRow check_batches(ValidationRow row, const Entry& entry, bool same_bits, const std::vector<Solver>& solvers,
                            bool quick, std::uint64_t seed) {
  Findings findings;
  const auto solve_by = [](const Solver& s, const Problem& p) { return solve(*s.backend, p); };
  for_each_problem(entry, row.dtype, quick, seed, [&](const Problem& problem) {
    const auto judge = [&](const BatchSolution& got) { compare(problem, got, findings); };
    if (same_bits) {
      solve_by_all(problem, solvers, solve_by, judge, row);
    } else {
      for (const Solver& solver : solvers) judge(solve_by(solver, problem));
      ++row.cases;
    }
  });
  add_findings(row, findings);
  row.same_bits = same_bits;
  return row;
}

}  // namespace

ValidationRow check_pairs(const PairLosses::Any& entry, DType type, const std::vector<Solver>& solvers, bool quick,
                          std::uint64_t seed) {
  ValidationRow row{"pairs", std::string(PairLosses::name_of(entry)), type};
  row.budget = pair_budget(row.name, type);
  return check_batches<PairProblem>(std::move(row), entry, !has_products(entry), solvers, quick, seed);
}

ValidationRow check_penalty(const AnyPenalty& entry, DType type, const std::vector<Solver>& solvers, bool quick,
                            std::uint64_t seed) {
  ValidationRow row{"penalty", std::string(Penalties::name_of(entry)), type};
  row.budget = penalty_budget(row.name, type);
  return check_batches<PenaltyProblem>(std::move(row), entry, true, solvers, quick, seed);
}

}  // namespace validate

namespace {

constexpr double kCommonUlp = 4, kNarrowUlp = 1;

// The common budget of fp32: a result is a handful of operations that each round to half an ulp, and sums of at most 24
// roundings that mostly cancel. bf16 and fp16: the rounding to storage, and an fp32 error that may tip it over.
template <class List>
ErrorBudget budget_in(std::string_view name, DType type) {
  ErrorBudget found{kCommonUlp, kCommonUlp, {}};
  List::for_each([&]<class L>() {
    constexpr Budget budget = loss::budget_of<L>();
    if (L::name == name) found = {budget.value, budget.gradient, budget.reason};
  });
  if (type != DType::f32) found.gradient = kNarrowUlp;
  return found;
}

}  // namespace

ErrorBudget loss_budget(std::string_view loss, DType type) { return budget_in<Losses>(loss, type); }
ErrorBudget optimizer_budget(std::string_view, DType type) {
  return {kCommonUlp, type == DType::f32 ? kCommonUlp : kNarrowUlp, {}};
}
ErrorBudget pair_budget(std::string_view loss, DType type) { return budget_in<PairLosses>(loss, type); }
ErrorBudget penalty_budget(std::string_view penalty, DType type) { return budget_in<Penalties>(penalty, type); }

bool ValidationReport::passed() const {
  return std::all_of(rows.begin(), rows.end(), [](const ValidationRow& row) { return row.passed(); });
}

namespace {

void expect_known(const std::vector<std::string>& names) {
  std::vector<std::string> known;
  Losses::for_each([&]<class L>() { known.emplace_back(L::name); });
  PairLosses::for_each([&]<class L>() { known.emplace_back(L::name); });
  Penalties::for_each([&]<class P>() { known.emplace_back(P::name); });
  Optimizers::for_each([&]<class R>() { known.emplace_back(R::name); });
  for (const std::string& name : names)
    if (std::ranges::count(known, name) == 0)
      throw Error(Errc::unknown_name, "unknown loss, penalty or optimizer '" + name + "'" + suggest(name, known));
}

}  // namespace

ValidationReport run_validation(const ValidateOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  ValidationReport report;
  expect_known(options.names);
  const std::vector<validate::Solver> solvers = validate::solvers_for(options.device);
  for (const validate::Solver& solver : solvers) report.backends.push_back(solver.name);
  const auto is_chosen = [&](std::string_view name) {
    return options.names.empty() || std::ranges::count(options.names, name) > 0;
  };
  for (const DType type : validate::kTypes) {
    Losses::for_each([&]<class L>() {
      if (!is_chosen(L::name)) return;
      report.rows.push_back(validate::check_loss(L{}, type, solvers, options.quick, options.seed));
    });
    PairLosses::for_each([&]<class L>() {
      if (!is_chosen(L::name)) return;
      report.rows.push_back(validate::check_pairs(L{}, type, solvers, options.quick, options.seed));
    });
    Penalties::for_each([&]<class P>() {
      if (!is_chosen(P::name)) return;
      ValidationRow row = validate::check_penalty(P{}, type, solvers, options.quick, options.seed);
      if (row.cases > 0) report.rows.push_back(std::move(row));
    });
    Optimizers::for_each([&]<class R>() {
      if (!is_chosen(R::name)) return;
      report.rows.push_back(validate::check_optimizer(R{}, type, solvers, options.quick, options.seed));
    });
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace fuselage
