// Trajectory files through nlohmann-json; steps of whole tensors by plain loops.
#include "tests/support/trajectories.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "host/validate/problem.h"
#include "tests/support/paths.h"

namespace fuselage::test {
namespace {

using Json = nlohmann::json;

std::filesystem::path folder() { return source_dir() / "tests/oracle/trajectories"; }

Json parse_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  return Json::parse(in);
}

Doubles in_a_row(const std::vector<Doubles>& tensors) {
  Doubles all;
  for (const Doubles& tensor : tensors) all.insert(all.end(), tensor.begin(), tensor.end());
  return all;
}

/// Makes the steps of all tensors by move(step, tensor, rate) and keeps what they leave in `parameters`.
template <class Prepare, class Move>
std::vector<Doubles> follow(double lr, const std::string& rates, const std::vector<Doubles>& parameters,
                            Prepare prepare, Move move) {
  const TrajectoryInputs& inputs = trajectory_inputs();
  std::vector<Doubles> kept;
  for (std::size_t step = 0; step < inputs.gradients.size(); ++step) {
    const auto t = static_cast<std::int64_t>(step) + 1;
    prepare(t, lr * (rates.empty() ? 1 : inputs.rates.at(rates).at(step)));
    for (std::size_t tensor = 0; tensor < parameters.size(); ++tensor) move(tensor, inputs.gradients[step][tensor]);
    if (std::find(inputs.stored.begin(), inputs.stored.end(), t) != inputs.stored.end())
      kept.push_back(in_a_row(parameters));
  }
  return kept;
}

struct FloatTensor {
  std::vector<float> p;
  std::vector<std::array<float, optim::kMaxSlots>> state;
  double kept = 0;
};

float regularised(const UpdateOptions& options, float p, float g) {
  const float l1 = static_cast<float>(options.l1), l2 = static_cast<float>(options.l2);
  return (options.maximize ? -g : g) + l2 * p + l1 * sign(p);
}

/// One step of a tensor: the options of every update, then the rule.
template <class R>
void move(const UpdateOptions& options, double lr, typename R::Step step, FloatTensor& x, const Doubles& gradient) {
  std::vector<float> g(x.p.size());
  const float shrink = static_cast<float>(lr * options.decay);
  for (std::size_t i = 0; i < g.size(); ++i) {
    g[i] = regularised(options, x.p[i], static_cast<float>(gradient[i]));
    x.p[i] = std::fma(-shrink, x.p[i], x.p[i]);
  }
  if constexpr (optim::NormRule<R>) {
    double p_square = 0, measured_square = 0;
    for (std::size_t i = 0; i < g.size(); ++i) {
      const double p = x.p[i], measured = R::measured(step, x.p[i], g[i], x.state[i].data());
      p_square += p * p;
      measured_square += measured * measured;
    }
    R::fit(step, p_square, measured_square, x.kept);
  }
  for (std::size_t i = 0; i < g.size(); ++i) R::update(step, x.p[i], g[i], x.state[i].data());
}

template <class R>
std::vector<Doubles> definition_trajectory(const R& rule, const UpdateOptions& options, const std::string& rates) {
  std::vector<Doubles> parameters = trajectory_inputs().start;
  std::vector<FloatTensor> tensors;
  for (const Doubles& start : parameters)
    tensors.push_back({{start.begin(), start.end()}, {start.size(), std::array<float, optim::kMaxSlots>{}}});
  double memory[optim::kMaxMemory] = {}, now = 0;
  typename R::Step step{};
  return follow(
      rule.lr, rates, parameters,
      [&](std::int64_t t, double lr) {
        step = rule.at(t, lr, memory);
        now = lr;
      },
      [&](std::size_t tensor, const Doubles& g) {
        move<R>(options, now, step, tensors[tensor], g);
        parameters[tensor].assign(tensors[tensor].p.begin(), tensors[tensor].p.end());
      });
}

}  // namespace

Doubles TrajectoryInputs::starts() const { return in_a_row(start); }

std::string TrajectoryCase::text() const { return peer + ": " + call + " against " + rule; }

const TrajectoryInputs& trajectory_inputs() {
  static const TrajectoryInputs inputs = [] {
    const Json json = parse_file(folder() / "inputs.json");
    TrajectoryInputs result;
    json.at("stored").get_to(result.stored);
    json.at("rates").get_to(result.rates);
    json.at("start").get_to(result.start);
    json.at("gradients").get_to(result.gradients);
    return result;
  }();
  return inputs;
}

std::map<std::string, std::vector<TrajectoryCase>> read_trajectories() {
  std::map<std::string, std::vector<TrajectoryCase>> result;
  for (const auto& entry : std::filesystem::directory_iterator(folder())) {
    const std::string name = entry.path().stem().string();
    if (name == "inputs") continue;
    const Json file = parse_file(entry.path());
    for (const Json& item : file.at("cases"))
      result[name].push_back({item.at("rule"), item.at("peer"), item.at("call"), item.value("rates", ""),
                              item.value("compat", ""), item.at("parameters").get<std::vector<Doubles>>()});
  }
  return result;
}

std::vector<Doubles> reference_trajectory(const OptimizerSpec& optimizer, const std::string& rates) {
  const std::string name(Optimizers::name_of(optimizer.rule));
  reference::Options options = validate::reference_options(optimizer.rule, "lr");
  options.merge(validate::reference_options(optimizer.options));
  std::vector<Doubles> parameters = trajectory_inputs().start;
  std::vector<std::vector<Doubles>> state(parameters.size());
  std::vector<reference::Memory> memory(parameters.size());
  std::int64_t t = 0;
  double lr = 0;
  return follow(
      optimizer.lr(), rates, parameters,
      [&](std::int64_t step, double rate) {
        t = step;
        lr = rate;
      },
      [&](std::size_t tensor, const Doubles& g) {
        reference::step(name, options, t, lr, parameters[tensor], g, state[tensor], memory[tensor]);
      });
}

std::vector<Doubles> definition_trajectory(const OptimizerSpec& optimizer, const std::string& rates) {
  return std::visit([&](const auto& rule) { return definition_trajectory(rule, optimizer.options, rates); },
                    optimizer.rule);
}

}  // namespace fuselage::test
