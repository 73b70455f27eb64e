// What happens to gradients before any rule sees them, and the loss scale.
#include <algorithm>
#include <cmath>

#include "host/reference/options.h"
#include "host/reference/reference.h"

namespace fuselage::reference {
namespace {

double norm_of(const std::vector<double>& x) {
  long double sum = 0;
  for (const double v : x) sum += static_cast<long double>(v) * v;
  return static_cast<double>(std::sqrt(sum));
}

void shrink_to(double greatest, double norm, std::vector<double>& x) {
  if (greatest == 0 || norm <= greatest) return;
  for (double& v : x) v = v / norm * greatest;
}

struct Fields {
  double value, tensor, norm, loss_scale, growth, backoff, interval, least, greatest;
};

Fields read(const Options& options) {
  OptionReader reader("gradient", options);
  const auto at_least_0 = [&](const char* key, double fallback) {
    return reader.get_between(key, fallback, 0, kUnbounded);
  };
  Fields f{at_least_0("clip_value", 0),
           at_least_0("clip_tensor", 0),
           at_least_0("clip_norm", 0),
           at_least_0("loss_scale", 0),
           at_least_0("growth", 2),
           at_least_0("backoff", 0.5),
           at_least_0("interval", 2000),
           at_least_0("least_scale", 0x1p-100),
           at_least_0("greatest_scale", 0x1p100)};
  reader.get("check_finite", 0);
  reader.get("nonfinite", 0);
  reader.finish();
  return f;
}

}  // namespace

GradientNorms prepare_gradients(const Options& options, double scale, std::vector<std::vector<double>>& gradients) {
  const Fields f = read(options);
  GradientNorms found;
  std::vector<double> norms;
  for (std::vector<double>& g : gradients) {
    for (double& x : g) {
      if (f.loss_scale > 0) x /= scale;
      if (!std::isfinite(x)) ++found.nonfinite;
      if (f.value > 0 && std::fabs(x) > f.value) x = std::copysign(f.value, x);
    }
    shrink_to(f.tensor, norm_of(g), g);
    norms.push_back(norm_of(g));
  }
  found.norm = norm_of(norms);
  for (std::vector<double>& g : gradients) shrink_to(f.norm, found.norm, g);
  return found;
}

LossScale scale_after(const Options& options, bool overflow, LossScale before) {
  const Fields f = read(options);
  if (overflow) return {std::max(f.least, before.scale * f.backoff), 0};
  const std::int64_t good = before.good + 1;
  if (f.interval > 0 && good == static_cast<std::int64_t>(f.interval))
    return {std::min(f.greatest, before.scale * f.growth), 0};
  return {before.scale, good};
}

}  // namespace fuselage::reference
