// The update rules, from the recurrences of the papers as PyTorch arranges them.
#include <cmath>
#include <limits>
#include <stdexcept>

#include "host/reference/options.h"
#include "host/reference/reference.h"

namespace fuselage::reference {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Rule {
  bool maximize = false;
  double l1 = 0, l2 = 0;
  double momentum = 0, dampening = 0;
  bool nesterov = false;
  double beta1 = 0, beta2 = 0, eps = 0, weight_decay = 0;
};

Rule read(std::string_view name, const Options& options) {
  OptionReader reader(name, options);
  Rule rule;
  rule.maximize = reader.get_flag("maximize");
  rule.l1 = reader.get_between("l1", 0, 0, kInfinity);
  rule.l2 = reader.get_between("l2", 0, 0, kInfinity);
  if (name == "sgd") {
    rule.momentum = reader.get_between("momentum", 0, 0, kInfinity);
    rule.dampening = reader.get_between("dampening", 0, 0, 1);
    rule.nesterov = reader.get_flag("nesterov");
  } else {
    const double below_one = std::nextafter(1.0, 0.0);
    rule.beta1 = reader.get_between("beta1", 0.9, 0, below_one);
    rule.beta2 = reader.get_between("beta2", 0.999, 0, below_one);
    rule.eps = reader.get_between("eps", 1e-8, 0, kInfinity);
    if (name == "adamw") rule.weight_decay = reader.get_between("weight_decay", 0.01, 0, kInfinity);
  }
  reader.finish();
  return rule;
}

double sgd(const Rule& rule, std::int64_t t, double lr, double p, double g, double& v) {
  if (rule.momentum == 0) return p - lr * g;
  v = t == 1 ? g : rule.momentum * v + (1 - rule.dampening) * g;
  return p - lr * (rule.nesterov ? g + rule.momentum * v : v);
}

double adam(const Rule& rule, std::int64_t t, double lr, double p, double g, double& m, double& v) {
  m = rule.beta1 * m + (1 - rule.beta1) * g;
  v = rule.beta2 * v + (1 - rule.beta2) * g * g;
  const double m_hat = m / (1 - std::pow(rule.beta1, static_cast<double>(t)));
  const double v_hat = v / (1 - std::pow(rule.beta2, static_cast<double>(t)));
  return p * (1 - lr * rule.weight_decay) - lr * m_hat / (std::sqrt(v_hat) + rule.eps);
}

}  // namespace

std::vector<std::string> optimizer_names() { return {"sgd", "adam", "adamw"}; }

std::int64_t state_count(std::string_view name) {
  if (name == "sgd") return 1;
  if (name == "adam" || name == "adamw") return 2;
  throw std::invalid_argument("reference: there is no optimizer '" + std::string(name) + "'");
}

void step(std::string_view name, const Options& options, std::int64_t t, double lr, std::vector<double>& p,
          const std::vector<double>& g, std::vector<std::vector<double>>& state) {
  const auto arrays = static_cast<std::size_t>(state_count(name));
  const Rule rule = read(name, options);
  if (t < 1) throw std::invalid_argument("reference: step t is " + std::to_string(t) + ", expected 1 or more");
  if (!(lr >= 0 && lr < kInfinity)) throw std::invalid_argument("reference: lr is negative or not finite");
  if (g.size() != p.size()) throw std::invalid_argument("reference: g and p differ in size");
  if (!state.empty() && state.size() != arrays) {
    throw std::invalid_argument("reference: state has " + std::to_string(state.size()) + " arrays, expected " +
                                std::to_string(arrays));
  }
  for (const auto& array : state) {
    if (array.size() != p.size()) throw std::invalid_argument("reference: state and p differ in size");
  }
  if (state.empty()) state.assign(arrays, std::vector<double>(p.size(), 0.0));
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double sign = p[i] > 0 ? 1 : p[i] < 0 ? -1 : 0;
    const double gradient = (rule.maximize ? -g[i] : g[i]) + rule.l2 * p[i] + rule.l1 * sign;
    p[i] = name == "sgd" ? sgd(rule, t, lr, p[i], gradient, state[0][i])
                         : adam(rule, t, lr, p[i], gradient, state[0][i], state[1][i]);
  }
}

}  // namespace fuselage::reference
