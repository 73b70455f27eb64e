// Adam and what came of it.
#include <algorithm>
#include <cmath>

#include "host/reference/rules.h"

namespace fuselage::reference {
namespace {

double mean(double beta, double old, double x) { return beta * old + (1 - beta) * x; }

/// What a running mean that began at 0 is short of.
double unbiased(double x, double beta, double t) { return x / (1 - std::pow(beta, t)); }

double read_beta(OptionReader& reader, const char* key, double fallback) {
  return reader.get_below(key, fallback, 0, 1);
}

double read_amount(OptionReader& reader, const char* key, double fallback) {
  return reader.get_between(key, fallback, 0, kUnbounded);
}

/// The decays of the two moments, and what stands beside the root: eps outside of it, or over sqrt(1 - beta2^t), which
/// is the eps hat of Kingma and Ba, section 2.
struct Moments {
  double beta1, beta2, eps, eps_root;
  bool eps_hat;

  Moments(OptionReader& reader, double default_eps, bool default_hat = false)
      : beta1(read_beta(reader, "beta1", 0.9)),
        beta2(read_beta(reader, "beta2", 0.999)),
        eps(read_amount(reader, "eps", default_eps)),
        eps_root(read_amount(reader, "eps_root", 0)),
        eps_hat(reader.get_flag("eps_form", default_hat)) {}

  double spread(double v_hat, double t) const {
    return std::sqrt(v_hat + eps_root) + (eps_hat ? eps / std::sqrt(1 - std::pow(beta2, t)) : eps);
  }
};

/// As above, of rules without a choice of where eps stands.
struct PlainMoments {
  double beta1, beta2, eps, eps_root;

  PlainMoments(OptionReader& reader, double default_eps, double default_root = 0)
      : beta1(read_beta(reader, "beta1", 0.9)),
        beta2(read_beta(reader, "beta2", 0.999)),
        eps(read_amount(reader, "eps", default_eps)),
        eps_root(read_amount(reader, "eps_root", default_root)) {}

  double spread(double v_hat) const { return std::sqrt(v_hat + eps_root) + eps; }
};

UpdateRule adam(const Moments& c, double weight_decay) {
  return for_each_element([=](const Element& x) {
    double &m = x.slot(0), &v = x.slot(1);
    m = mean(c.beta1, m, x.g);
    v = mean(c.beta2, v, x.g * x.g);
    const double m_hat = unbiased(m, c.beta1, x.t), v_hat = unbiased(v, c.beta2, x.t);
    x.p -= x.lr * (m_hat / c.spread(v_hat, x.t) + weight_decay * x.p);
  });
}

}  // namespace

/// Kingma and Ba, ICLR 2015, algorithm 1.
UpdateRule make_adam(OptionReader& reader) { return adam(Moments(reader, 1e-8), 0); }

/// Loshchilov and Hutter, ICLR 2019, the decay times the rate.
UpdateRule make_adamw(OptionReader& reader) {
  return adam(Moments(reader, 1e-8), read_amount(reader, "weight_decay", 0.01));
}

/// Reddi, Kale and Kumar, ICLR 2018, with the corrections of PyTorch, or those of Optax.
UpdateRule make_amsgrad(OptionReader& reader) {
  const Moments c(reader, 1e-8);
  const bool of_corrected = reader.get_flag("maximum_of");
  return for_each_element([=](const Element& x) {
    double &m = x.slot(0), &v = x.slot(1), &greatest = x.slot(2);
    m = mean(c.beta1, m, x.g);
    v = mean(c.beta2, v, x.g * x.g);
    greatest = std::max(greatest, of_corrected ? unbiased(v, c.beta2, x.t) : v);
    const double greatest_hat = of_corrected ? greatest : unbiased(greatest, c.beta2, x.t);
    x.p -= x.lr * unbiased(m, c.beta1, x.t) / c.spread(greatest_hat, x.t);
  });
}

/// Kingma and Ba, section 7.1, algorithm 2, which has no eps: PyTorch's stands within the maximum, Keras' beside u.
UpdateRule make_adamax(OptionReader& reader) {
  const double beta1 = read_beta(reader, "beta1", 0.9), beta2 = read_beta(reader, "beta2", 0.999),
               eps = read_amount(reader, "eps", 1e-8);
  const bool inside = reader.get_flag("eps_place", true);
  return for_each_element([=](const Element& x) {
    double &m = x.slot(0), &u = x.slot(1);
    m = mean(beta1, m, x.g);
    u = std::max(beta2 * u, std::abs(x.g) + (inside ? eps : 0));
    x.p -= x.lr * unbiased(m, beta1, x.t) / (inside ? u : u + eps);
  });
}

/// Dozat, 2016, with the schedule of mu that the paper proposes. The memory holds the product of the mu.
UpdateRule make_nadam(OptionReader& reader) {
  const PlainMoments c(reader, 1e-8);
  const double momentum_decay = read_amount(reader, "momentum_decay", 0.004);
  const bool constant = reader.get_flag("constant_momentum");
  return [=](const Tensor& x) {
    const auto mu = [=](double t) {
      return constant ? c.beta1 : c.beta1 * (1 - 0.5 * std::pow(0.96, t * momentum_decay));
    };
    double& product = x.memory.group[0];
    product = (x.t == 1 ? 1 : product) * mu(x.t);
    const double now = mu(x.t), next = mu(x.t + 1);
    for (std::size_t i = 0; i < x.p.size(); ++i) {
      const double g = x.g[i];
      double &m = x.state[0][i], &v = x.state[1][i];
      m = mean(c.beta1, m, g);
      v = mean(c.beta2, v, g * g);
      const double m_bar = next * m / (1 - product * next) + (1 - now) * g / (1 - product);
      x.p[i] -= x.lr * m_bar / c.spread(unbiased(v, c.beta2, x.t));
    }
  };
}

/// Liu et al., ICLR 2020, algorithm 2, with the threshold of PyTorch.
UpdateRule make_radam(OptionReader& reader) {
  const Moments c(reader, 1e-8, true);
  const double threshold = reader.get_between("threshold", 5, 4, kUnbounded);
  return for_each_element([=](const Element& x) {
    double &m = x.slot(0), &v = x.slot(1);
    m = mean(c.beta1, m, x.g);
    v = mean(c.beta2, v, x.g * x.g);
    const double m_hat = unbiased(m, c.beta1, x.t), power = std::pow(c.beta2, x.t);
    const double limit = 2 / (1 - c.beta2) - 1, rho = limit - 2 * x.t * power / (1 - power);
    if (rho > threshold) {
      const double r = std::sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho));
      x.p -= x.lr * r * m_hat / c.spread(unbiased(v, c.beta2, x.t), x.t);
    } else {
      x.p -= x.lr * m_hat;
    }
  });
}

/// Zhuang et al., NeurIPS 2020, algorithm 2; eps_root stays in s, as there.
UpdateRule make_adabelief(OptionReader& reader) {
  const PlainMoments c(reader, 1e-16, 1e-16);
  return for_each_element([=](const Element& x) {
    double &m = x.slot(0), &s = x.slot(1);
    m = mean(c.beta1, m, x.g);
    s = mean(c.beta2, s, (x.g - m) * (x.g - m)) + c.eps_root;
    x.p -= x.lr * unbiased(m, c.beta1, x.t) / (std::sqrt(unbiased(s, c.beta2, x.t)) + c.eps);
  });
}

/// Zaheer et al., NeurIPS 2018, algorithm 2, with the corrections of Optax, which the paper does not have.
UpdateRule make_yogi(OptionReader& reader) {
  const PlainMoments c(reader, 1e-3);
  const double initial = read_amount(reader, "initial", 1e-6);
  return for_each_element([=](const Element& x) {
    double &m = x.slot(0), &v = x.slot(1);
    if (x.t == 1) m = v = initial;
    const double square = x.g * x.g;
    m = mean(c.beta1, m, x.g);
    v = v - (1 - c.beta2) * sign_of(v - square) * square;
    x.p -= x.lr * unbiased(m, c.beta1, x.t) / c.spread(unbiased(v, c.beta2, x.t));
  });
}

/// Xie et al., TPAMI 2024, algorithm 1, each beta here being 1 less theirs; corrected as by the authors' program.
UpdateRule make_adan(OptionReader& reader) {
  const double beta1 = read_beta(reader, "beta1", 0.98), beta2 = read_beta(reader, "beta2", 0.92),
               beta3 = read_beta(reader, "beta3", 0.99), eps = read_amount(reader, "eps", 1e-8),
               weight_decay = read_amount(reader, "weight_decay", 0), eps_root = read_amount(reader, "eps_root", 0);
  const double weight = reader.get_flag("difference") ? 1 - beta2 : beta2;
  return for_each_element([=](const Element& x) {
    double &m = x.slot(0), &v = x.slot(1), &n = x.slot(2), &before = x.slot(3);
    const double change = x.t == 1 ? 0 : x.g - before, ahead = x.g + weight * change;
    m = mean(beta1, m, x.g);
    v = mean(beta2, v, change);
    n = mean(beta3, n, ahead * ahead);
    before = x.g;
    const double direction = unbiased(m, beta1, x.t) + weight * unbiased(v, beta2, x.t);
    const double rate = x.lr / (std::sqrt(unbiased(n, beta3, x.t) + eps_root) + eps);
    x.p = (x.p - rate * direction) / (1 + x.lr * weight_decay);
  });
}

/// Pagliardini, Ablin and Grangier, ICLR 2025, algorithm 1 and the schedulers of its section 3.
UpdateRule make_ademamix(OptionReader& reader) {
  const double beta1 = reader.get_inside("beta1", 0.9, 0, 1), beta2 = read_beta(reader, "beta2", 0.999),
               beta3 = reader.get_inside("beta3", 0.9999, 0, 1), alpha = read_amount(reader, "alpha", 5),
               eps = read_amount(reader, "eps", 1e-8), weight_decay = read_amount(reader, "weight_decay", 0),
               eps_root = read_amount(reader, "eps_root", 0);
  const double warmup = reader.get_between("warmup", 0, 0, 9e15);
  if (std::trunc(warmup) != warmup) reader.fail("warmup", "is not an integer");
  return for_each_element([=](const Element& x) {
    double &m = x.slot(0), &slow = x.slot(1), &v = x.slot(2);
    double b3 = beta3, a = alpha;
    if (warmup > 0) {
      const double part = std::min(x.t / warmup, 1.0), from = std::log(beta1), to = std::log(beta3);
      a = part * alpha;
      b3 = std::min(std::exp(from * to / ((1 - part) * to + part * from)), beta3);
    }
    m = mean(beta1, m, x.g);
    slow = mean(b3, slow, x.g);
    v = mean(beta2, v, x.g * x.g);
    const double spread = std::sqrt(unbiased(v, beta2, x.t) + eps_root) + eps;
    x.p -= x.lr * ((unbiased(m, beta1, x.t) + a * slow) / spread + weight_decay * x.p);
  });
}

}  // namespace fuselage::reference
