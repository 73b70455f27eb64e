// The list of the update rules, and what every update does before its rule.
#include <stdexcept>

#include "host/reference/rules.h"

namespace fuselage::reference {
namespace {

struct Entry {
  std::string_view name;
  std::int64_t arrays;
  UpdateRule (*make)(OptionReader&);
};

constexpr Entry kRules[] = {
    {"sgd", 1, make_sgd},
    {"signsgd", 1, make_signsgd},
    {"adam", 2, make_adam},
    {"adamw", 2, make_adamw},
    {"amsgrad", 3, make_amsgrad},
    {"adamax", 2, make_adamax},
    {"nadam", 2, make_nadam},
    {"radam", 2, make_radam},
    {"adabelief", 2, make_adabelief},
    {"yogi", 2, make_yogi},
    {"adan", 4, make_adan},
    {"adagrad", 1, make_adagrad},
    {"adadelta", 2, make_adadelta},
    {"rmsprop", 3, make_rmsprop},
    {"rprop", 2, make_rprop},
    {"lion", 1, make_lion},
    {"ademamix", 3, make_ademamix},
    {"lamb", 2, make_lamb},
    {"lars", 1, make_lars},
    {"novograd", 1, make_novograd},
    {"schedule_free_sgd", 1, make_schedule_free_sgd},
    {"schedule_free_adamw", 2, make_schedule_free_adamw},
};

const Entry& find(std::string_view name) {
  for (const Entry& entry : kRules)
    if (entry.name == name) return entry;
  throw std::invalid_argument("reference: there is no optimizer '" + std::string(name) + "'");
}

}  // namespace

std::vector<std::string> optimizer_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kRules) names.emplace_back(entry.name);
  return names;
}

std::int64_t state_count(std::string_view name) { return find(name).arrays; }

void step(std::string_view name, const Options& options, std::int64_t t, double lr, std::vector<double>& p,
          const std::vector<double>& g, std::vector<std::vector<double>>& state, Memory& memory) {
  const Entry& entry = find(name);
  OptionReader reader(name, options);
  const bool maximize = reader.get_flag("maximize");
  const double l1 = reader.get_between("l1", 0, 0, kUnbounded), l2 = reader.get_between("l2", 0, 0, kUnbounded),
               decay = reader.get_between("decay", 0, 0, kUnbounded);
  const UpdateRule rule = entry.make(reader);
  reader.finish();

  const auto arrays = static_cast<std::size_t>(entry.arrays);
  if (t < 1) throw std::invalid_argument("reference: step t is " + std::to_string(t) + ", expected 1 or more");
  if (!(lr >= 0 && lr <= kUnbounded)) throw std::invalid_argument("reference: lr is negative or not finite");
  if (g.size() != p.size()) throw std::invalid_argument("reference: g and p differ in size");
  if (!state.empty() && state.size() != arrays) {
    throw std::invalid_argument("reference: state has " + std::to_string(state.size()) + " arrays, expected " +
                                std::to_string(arrays));
  }
  for (const auto& array : state) {
    if (array.size() != p.size()) throw std::invalid_argument("reference: state and p differ in size");
  }

  if (state.empty()) state.assign(arrays, std::vector<double>(p.size(), 0.0));
  std::vector<double> gradient(g);
  for (std::size_t i = 0; i < p.size(); ++i) {
    gradient[i] = (maximize ? -g[i] : g[i]) + l2 * p[i] + l1 * sign_of(p[i]);
    p[i] = p[i] * (1 - lr * decay);
  }
  rule(Tensor{static_cast<double>(t), lr, p, gradient, state, memory});
}

}  // namespace fuselage::reference
