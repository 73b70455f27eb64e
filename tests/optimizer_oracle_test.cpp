// Trajectories of PyTorch, Keras and Optax over a hundred steps (tests/oracle/trajectories) against the reference in
// double and the definitions in float.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/support/trajectories.h"

namespace fuselage::test {
namespace {

constexpr std::size_t kLeastCases = 5;

/// Rules and options that no peer has; the reference is judged by hand there (optimizer_reference_test).
constexpr std::string_view kWithoutPeer[] = {
    "sgd:lr=1e-2,l1=0.1",
    "sgd:lr=1e-2,momentum=0.9,dampening=0.5,velocity=scaled",
    "adam:lr=1e-2,eps=1e-2,eps_root=1e-2,eps_form=uncorrected",
    "adam:lr=1e-2,l1=0.1,l2=0.1,decay=0.1,maximize=true",
    "amsgrad:lr=1e-2,eps=1e-2,eps_form=uncorrected,maximum_of=corrected",
    "adan",
    "adan:lr=1e-2,beta2=0.75,weight_decay=0.1",
    "ademamix:lr=1e-2,weight_decay=0.1,warmup=40",
    "rmsprop:eps=0.1,momentum=0.5,nesterov=true,centered=true,eps_place=inside",
    "lamb:lr=1e-2,weight_decay=0.1,lowest=0.5,highest=2",
    "lamb:lr=1e-2,lowest=0.1,highest=0.5",
    "lars:lr=1,weight_decay=0.1",
    "lars:lr=1,weight_decay=1,trust=1e-2,eps=0.5,nesterov=true",
    "novograd:lr=1e-2,weight_decay=0.1,averaging=true",
    "schedule_free_sgd:lr=0.1,power=1",
    "schedule_free_adamw:lr=1e-2,beta1=0.95,power=2,decay=0.1",
};

const std::map<std::string, std::vector<TrajectoryCase>>& oracles() {
  static const auto all = read_trajectories();
  return all;
}

/// How far elements may be from where they should be.
struct Tolerance {
  double of_path;   ///< share of the longest way that the element has been from its start
  double of_start;  ///< share of the start's magnitude, a step
};

// Stored numbers have 14 digits.
constexpr Tolerance kDouble{1e-12, 1e-13};
// Of rounding to float, 2^-24, three times at the start's magnitude in each step. Measured: two thirds of it.
constexpr Tolerance kFloat{3e-5, 3 * 0x1p-24};
// Of all parameters together. Measured: half of it.
constexpr double kFloatDistance = 5e-6;

/// Describes the element that is furthest off, where one is too far; empty: none is.
std::string strays(const std::vector<Doubles>& got, const std::vector<Doubles>& expected, Tolerance allowed) {
  const TrajectoryInputs& inputs = trajectory_inputs();
  const Doubles start = inputs.starts();
  if (got.size() != inputs.stored.size() || expected.size() != got.size()) return "steps are missing";
  double worst = 1;
  std::string report;
  Doubles path(start.size(), 0.0);
  for (std::size_t k = 0; k < got.size(); ++k) {
    if (got[k].size() != start.size() || expected[k].size() != start.size()) return "parameters are missing";
    const auto steps = static_cast<double>(inputs.stored[k]);
    for (std::size_t i = 0; i < start.size(); ++i) {
      path[i] = std::max(path[i], std::abs(expected[k][i] - start[i]));
      const double off = std::abs(got[k][i] - expected[k][i]);
      const double may = allowed.of_path * path[i] + allowed.of_start * steps * std::abs(start[i]);
      if (off <= worst * may) continue;
      worst = may > 0 ? off / may : HUGE_VAL;
      report = fmt::format("step {}, element {}: {} instead of {} ({:.3g} times what is allowed)", inputs.stored[k], i,
                           got[k][i], expected[k][i], worst);
    }
  }
  return report;
}

/// The greatest relative distance of all parameters together.
double distance(const std::vector<Doubles>& got, const std::vector<Doubles>& expected) {
  double greatest = 0;
  for (std::size_t k = 0; k < got.size(); ++k) {
    double off = 0, length = 0;
    for (std::size_t i = 0; i < got[k].size(); ++i) {
      off += std::pow(got[k][i] - expected[k][i], 2);
      length += std::pow(expected[k][i], 2);
    }
    greatest = std::max(greatest, std::sqrt(off / length));
  }
  return greatest;
}

TEST(OptimizerOracle, TheReferenceGoesWhereThePeersGo) {
  std::size_t count = 0;
  for (const auto& [rule, cases] : oracles())
    for (const TrajectoryCase& c : cases) {
      ++count;
      EXPECT_EQ(strays(reference_trajectory(OptimizerSpec::parse(c.rule), c.rates), c.parameters, kDouble), "")
          << c.text();
    }
  EXPECT_GE(count, kLeastCases * Optimizers::size);
}

TEST(OptimizerOracle, TheDefinitionsGoThereInFloat) {
  for (const auto& [rule, cases] : oracles())
    for (const TrajectoryCase& c : cases) {
      const auto got = definition_trajectory(OptimizerSpec::parse(c.rule), c.rates);
      EXPECT_EQ(strays(got, c.parameters, kFloat), "") << c.text();
      EXPECT_LE(distance(got, c.parameters), kFloatDistance) << c.text();
    }
}

TEST(OptimizerOracle, DefinitionsWithoutAPeerFollowTheReference) {
  for (const std::string_view text : kWithoutPeer)
    for (const char* rates : {"", "changing", "warm_up_10"}) {
      const OptimizerSpec optimizer = OptimizerSpec::parse(text);
      const auto got = definition_trajectory(optimizer, rates), expected = reference_trajectory(optimizer, rates);
      EXPECT_EQ(strays(got, expected, kFloat), "") << text << " " << rates;
      EXPECT_LE(distance(got, expected), kFloatDistance) << text << " " << rates;
    }
}

/// Options that no peer has.
bool is_exempt(const std::string& option) {
  static const std::set<std::string> exempt{
      "adan.weight_decay",        "lamb.lowest", "lamb.highest", "novograd.averaging", "schedule_free_sgd.power",
      "schedule_free_adamw.power"};
  return exempt.contains(option);
}

template <class T>
std::vector<std::string> changed_fields(const T& value) {
  std::vector<std::string> names;
  const detail::Entry& entry = detail::entry_for(value);
  for (const detail::AnyField& field : entry.fields)
    if (!field.type->equal(field.in(detail::held_by(value)), field.in(entry.defaults))) names.emplace_back(field.name);
  return names;
}

TEST(OptimizerOracle, EveryRuleAndOptionHasItsCases) {
  std::set<std::string> seen, without_peer;
  const auto see = [](const OptimizerSpec& spec, std::set<std::string>& into) {
    const std::string name(Optimizers::name_of(spec.rule));
    for (const std::string& field : changed_fields(spec.rule)) into.insert(name + "." + field);
    for (const std::string& field : changed_fields(spec.options)) into.insert("update." + field);
  };
  for (const auto& [rule, cases] : oracles())
    for (const TrajectoryCase& c : cases) see(OptimizerSpec::parse(c.rule), seen);
  for (const std::string_view text : kWithoutPeer) see(OptimizerSpec::parse(text), without_peer);
  for (const EntryInfo& rule : Optimizers::describe()) {
    const std::string& name = rule.name;
    const auto found = oracles().find(name);
    EXPECT_GE(found == oracles().end() ? 0 : found->second.size(), kLeastCases) << name;
    for (const FieldInfo& field : rule.fields) {
      const std::string option = name + "." + field.name;
      EXPECT_TRUE((is_exempt(option) ? without_peer : seen).contains(option)) << option;
    }
  }
  for (const char* option : {"update.l2", "update.decay", "update.maximize"}) EXPECT_TRUE(seen.contains(option));
  EXPECT_TRUE(without_peer.contains("update.l1"));
}

/// Another value for the field, in its range.
std::string another(const detail::AnyField& field, const void* definition) {
  const double now = field.type->numbers(field.in(definition)).at(0);
  switch (field.type->kind) {
    case detail::FieldKind::real: return field.range.contains(0.3) ? "0.3" : field.range.contains(1.5) ? "1.5" : "8";
    case detail::FieldKind::integer: return detail::value_text(now + 40);
    case detail::FieldKind::boolean: return now == 0 ? "true" : "false";
    default: return field.type->choices().at(now == 0 ? 1 : 0);
  }
}

/// A rule with everything in use that its other options need.
OptimizerSpec with_all_in_use(std::string_view name) {
  OptimizerSpec spec{Optimizers::make(name, "optimizer"), {}};
  for (const detail::AnyField& field : detail::entry_for(spec.rule).fields) {
    if (field.name == "momentum") spec.set("momentum", "0.9");
    if (field.name == "weight_decay") spec.set("weight_decay", "0.1");
  }
  if (name == "rprop") spec.set("lr", "1");
  return spec;
}

TEST(OptimizerOracle, EveryOptionChangesTheSteps) {
  for (const std::string_view name : Optimizers::names) {
    const OptimizerSpec plain = with_all_in_use(name);
    const auto expect_change = [&](const detail::AnyField& field, const void* definition) {
      OptimizerSpec changed = plain;
      changed.set(field.name, another(field, definition));
      ASSERT_NO_THROW(changed.check()) << name << "." << field.name;
      EXPECT_NE(reference_trajectory(changed, "changing"), reference_trajectory(plain, "changing"))
          << name << "." << field.name;
      EXPECT_NE(definition_trajectory(changed, "changing"), definition_trajectory(plain, "changing"))
          << name << "." << field.name;
    };
    for (const detail::AnyField& field : detail::entry_for(plain.rule).fields)
      expect_change(field, detail::held_by(plain.rule));
    for (const detail::AnyField& field : detail::entry_for(plain.options).fields) expect_change(field, &plain.options);
  }
}

}  // namespace
}  // namespace fuselage::test
