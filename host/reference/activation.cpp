// The activations, value only; derivatives by dual numbers.
#include <cmath>
#include <numbers>
#include <stdexcept>

#include "host/reference/dual.h"
#include "host/reference/options.h"
#include "host/reference/reference.h"

namespace fuselage::reference {
namespace {

using D = Dual<1>;

D relu(const D& x) { return x.value <= 0 ? D(0) : x; }  // NaN passes on

/// 1 / (1 + e^-x). As written e^-x overflows below -709, and its derivative with it.
D sigmoid(const D& x) {
  if (x.value >= 0) return 1 / (1 + exp(-x));
  const D e = exp(x);
  return e / (1 + e);
}

/// x Phi(x). (1 + erf(x/sqrt 2)) / 2 cancels for negative x; erfc(-x/sqrt 2) / 2 is the same and does not.
D gelu(const D& x) { return x * erfc(-x / std::numbers::sqrt2) / 2; }

/// x (1 + tanh u) / 2 with u = sqrt(2/pi) (x + 0.044715 x^3); (1 + tanh u) / 2 is sigmoid(2u), which does not cancel.
D gelu_tanh(const D& x) {
  const double scale = std::sqrt(2 / std::numbers::pi);
  return x * sigmoid(2 * (scale * (x + 0.044715 * (x * x * x))));
}

}  // namespace

std::vector<std::string> activation_names() { return {"relu", "gelu", "tanh", "sigmoid"}; }

ActivationOutput activation(std::string_view name, const Options& options, double x) {
  OptionReader reader(name, options);
  const bool by_tanh = name == "gelu" && reader.get_flag("tanh");
  reader.finish();
  const D at(x, 0);
  D y;
  if (name == "relu") {
    y = relu(at);
  } else if (name == "gelu") {
    y = by_tanh ? gelu_tanh(at) : gelu(at);
  } else if (name == "tanh") {
    y = tanh(at);
  } else if (name == "sigmoid") {
    y = sigmoid(at);
  } else {
    throw std::invalid_argument("reference: there is no activation '" + std::string(name) + "'");
  }
  return {y.value, std::isnan(y.value) ? y.value : y.slope[0]};  // there is no slope at NaN
}

}  // namespace fuselage::reference
