// Rules by a velocity, by signs, and by averages of the parameter.
#include <algorithm>
#include <cmath>

#include "host/reference/rules.h"

namespace fuselage::reference {

/// Sutskever et al., ICML 2013, as PyTorch arranges it, or with the rate in the velocity as Keras does.
UpdateRule make_sgd(OptionReader& reader) {
  const double momentum = reader.get_below("momentum", 0, 0, 1), dampening = reader.get_between("dampening", 0, 0, 1);
  const bool nesterov = reader.get_flag("nesterov"), scaled = reader.get_flag("velocity");
  return for_each_element([=](const Element& x) {
    if (momentum == 0) {
      x.p -= x.lr * x.g;
      return;
    }
    double& v = x.slot(0);
    const double entering = scaled ? x.lr * x.g : x.g, leaving = scaled ? 1 : x.lr;
    v = x.t == 1 ? entering : momentum * v + (1 - dampening) * entering;
    x.p -= leaving * (nesterov ? entering + momentum * v : v);
  });
}

/// Bernstein et al., ICML 2018: signSGD, and Signum where there is a momentum.
UpdateRule make_signsgd(OptionReader& reader) {
  const double momentum = reader.get_below("momentum", 0, 0, 1);
  return for_each_element([=](const Element& x) {
    if (momentum == 0) {
      x.p -= x.lr * sign_of(x.g);
      return;
    }
    double& m = x.slot(0);
    m = momentum * m + (1 - momentum) * x.g;
    x.p -= x.lr * sign_of(m);
  });
}

/// Chen et al., NeurIPS 2023, algorithm 2.
UpdateRule make_lion(OptionReader& reader) {
  const double beta1 = reader.get_below("beta1", 0.9, 0, 1), beta2 = reader.get_below("beta2", 0.99, 0, 1),
               weight_decay = reader.get_between("weight_decay", 0, 0, kUnbounded);
  return for_each_element([=](const Element& x) {
    double& m = x.slot(0);
    const double c = beta1 * m + (1 - beta1) * x.g;
    x.p -= x.lr * (sign_of(c) + weight_decay * x.p);
    m = beta2 * m + (1 - beta2) * x.g;
  });
}

namespace {

/// Defazio et al., NeurIPS 2024: z takes the steps, x is the average of the z, the gradient is taken at y between them.
struct ScheduleFree {
  double beta, power, lr_power;

  explicit ScheduleFree(OptionReader& reader)
      : beta(reader.get_inside("beta1", 0.9, 0, 1)),
        power(reader.get_between("power", 0, 0, kUnbounded)),
        lr_power(reader.get_between("lr_power", 2, 0, kUnbounded)) {}

  /// The share of this step in the average. The memory holds the sum of the weights and the greatest rate.
  double share(const Tensor& x) const {
    double &sum = x.memory.group[0], &greatest = x.memory.group[1];
    greatest = std::max(greatest, x.lr);
    const double weight = std::pow(x.t, power) * std::pow(greatest, lr_power);
    sum += weight;
    return sum > 0 ? weight / sum : 0;
  }

  void move(double lr, double c, double& y, double& z, double direction) const {
    const double x = (y - (1 - beta) * z) / beta;
    z -= lr * direction;
    y = (1 - beta) * z + beta * ((1 - c) * x + c * z);
  }
};

}  // namespace

UpdateRule make_schedule_free_sgd(OptionReader& reader) {
  const ScheduleFree average(reader);
  const double weight_decay = reader.get_between("weight_decay", 0, 0, kUnbounded);
  return [=](const Tensor& x) {
    const double c = average.share(x);
    for (std::size_t i = 0; i < x.p.size(); ++i) {
      double &y = x.p[i], &z = x.state[0][i];
      if (x.t == 1) z = y;
      average.move(x.lr, c, y, z, x.g[i] + weight_decay * y);
    }
  };
}

UpdateRule make_schedule_free_adamw(OptionReader& reader) {
  const ScheduleFree average(reader);
  const double beta2 = reader.get_below("beta2", 0.999, 0, 1), eps = reader.get_between("eps", 1e-8, 0, kUnbounded),
               weight_decay = reader.get_between("weight_decay", 0, 0, kUnbounded);
  return [=](const Tensor& x) {
    const double c = average.share(x);
    for (std::size_t i = 0; i < x.p.size(); ++i) {
      const double g = x.g[i];
      double &y = x.p[i], &z = x.state[0][i], &v = x.state[1][i];
      if (x.t == 1) z = y;
      v = beta2 * v + (1 - beta2) * g * g;
      const double v_hat = v / (1 - std::pow(beta2, x.t));
      average.move(x.lr, c, y, z, g / (std::sqrt(v_hat) + eps) + weight_decay * y);
    }
  };
}

}  // namespace fuselage::reference
