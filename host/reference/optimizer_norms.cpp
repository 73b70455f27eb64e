// Rules with norms of the whole tensor.
#include <algorithm>
#include <cmath>
#include <limits>

#include "host/reference/rules.h"

namespace fuselage::reference {
namespace {

double norm_squared(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return sum;
}

double norm(const std::vector<double>& x) { return std::sqrt(norm_squared(x)); }

}  // namespace

/// You et al., ICLR 2020, algorithm 2, phi the identity; the bounds are those of the ratio, as in DeepSpeed.
UpdateRule make_lamb(OptionReader& reader) {
  const double beta1 = reader.get_below("beta1", 0.9, 0, 1), beta2 = reader.get_below("beta2", 0.999, 0, 1),
               eps = reader.get_between("eps", 1e-6, 0, kUnbounded),
               weight_decay = reader.get_between("weight_decay", 0, 0, kUnbounded),
               eps_root = reader.get_between("eps_root", 0, 0, kUnbounded),
               lowest = reader.get_between("lowest", 0, 0, kUnbounded),
               highest = reader.get_between("highest", std::numeric_limits<double>::infinity(), 0,
                                            std::numeric_limits<double>::infinity());
  if (lowest > highest) reader.fail("lowest", "is above highest");
  return [=](const Tensor& x) {
    std::vector<double> u(x.p.size());
    for (std::size_t i = 0; i < u.size(); ++i) {
      const double g = x.g[i];
      double &m = x.state[0][i], &v = x.state[1][i];
      m = beta1 * m + (1 - beta1) * g;
      v = beta2 * v + (1 - beta2) * g * g;
      const double m_hat = m / (1 - std::pow(beta1, x.t)), v_hat = v / (1 - std::pow(beta2, x.t));
      u[i] = m_hat / (std::sqrt(v_hat + eps_root) + eps) + weight_decay * x.p[i];
    }
    const double length = norm(x.p), step = norm(u);
    const double ratio = length > 0 && step > 0 ? std::clamp(length / step, lowest, highest) : 1;
    for (std::size_t i = 0; i < u.size(); ++i) x.p[i] -= x.lr * ratio * u[i];
  };
}

/// You, Gitman and Ginsburg, 2017, algorithm 1.
UpdateRule make_lars(OptionReader& reader) {
  const double momentum = reader.get_below("momentum", 0.9, 0, 1),
               weight_decay = reader.get_between("weight_decay", 0, 0, kUnbounded),
               trust = reader.get_between("trust", 1e-3, 0, kUnbounded),
               eps = reader.get_between("eps", 0, 0, kUnbounded);
  const bool nesterov = reader.get_flag("nesterov"), combined = reader.get_flag("norm");
  return [=](const Tensor& x) {
    std::vector<double> direction(x.g);
    for (std::size_t i = 0; i < direction.size(); ++i) direction[i] += weight_decay * x.p[i];
    const double length = norm(x.p), gradient = norm(combined ? direction : x.g);
    double ratio = 1;
    if (length > 0 && gradient > 0) ratio = trust * length / (gradient + (combined ? 0 : weight_decay * length) + eps);
    for (std::size_t i = 0; i < direction.size(); ++i) {
      const double entering = x.lr * ratio * direction[i];
      if (momentum == 0) {
        x.p[i] -= entering;
        continue;
      }
      double& v = x.state[0][i];
      v = momentum * v + entering;
      x.p[i] -= nesterov ? entering + momentum * v : v;
    }
  };
}

/// Ginsburg et al., 2019, algorithm 1. The memory holds the tensor's second moment.
UpdateRule make_novograd(OptionReader& reader) {
  const double beta1 = reader.get_below("beta1", 0.95, 0, 1), beta2 = reader.get_below("beta2", 0.98, 0, 1),
               eps = reader.get_between("eps", 1e-8, 0, kUnbounded),
               weight_decay = reader.get_between("weight_decay", 0, 0, kUnbounded),
               eps_root = reader.get_between("eps_root", 0, 0, kUnbounded);
  const bool averaging = reader.get_flag("averaging");
  return [=](const Tensor& x) {
    double& v = x.memory.tensor;
    v = x.t == 1 ? norm_squared(x.g) : beta2 * v + (1 - beta2) * norm_squared(x.g);
    const double spread = std::sqrt(v + eps_root) + eps;
    for (std::size_t i = 0; i < x.p.size(); ++i) {
      const double u = (spread > 0 ? x.g[i] / spread : 0) + weight_decay * x.p[i];
      double& m = x.state[0][i];
      m = x.t == 1 ? u : beta1 * m + (averaging ? 1 - beta1 : 1) * u;
      x.p[i] -= x.lr * m;
    }
  };
}

}  // namespace fuselage::reference
