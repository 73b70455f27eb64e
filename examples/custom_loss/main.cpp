// Losses of one's own, beside the library: the formula alone, and its gradient comes with it. A C++ compiler makes them
// for the CPU; nvcc makes them for the GPU as well, from this same file.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "fuselage/custom_loss.h"
#include "fuselage/fuselage.h"

struct AbsolutePlusL1 {
  float lambda = 0.1f;
  template <class S>
  FUSELAGE_HD S operator()(S p, S t) const {
    return abs(p - t) + S(lambda) * abs(p);
  }
};

struct Huber {
  float delta = 1;
  template <class S>
  FUSELAGE_HD S operator()(S p, S t) const {
    const S d = p - t, a = abs(d), c = S(delta);
    return select(a <= c, S(0.5) * d * d, c * (a - S(0.5) * c));
  }
};

namespace {

using Floats = std::vector<float>;

/// The value and the gradient of every element.
struct Elements {
  Floats value, gradient;
};

template <class Loss>
Elements run(fuselage::Backend& backend, const Loss& loss, const Floats& p, const Floats& t) {
  const std::size_t n = p.size(), bytes = n * sizeof(float);
  const fuselage::Buffer memory(backend, 4 * bytes), report(backend, sizeof(fuselage::LossReport));
  float* const data = memory.as<float>();
  const auto view = [&](std::size_t i) { return fuselage::View(data + i * n, static_cast<std::int64_t>(n)); };
  backend.copy(data, p.data(), bytes);
  backend.copy(data + n, t.data(), bytes);
  fuselage::LossBatch batch;
  batch.prediction = view(0);
  batch.target = view(1);
  batch.values = view(2);
  batch.gradient = view(3);
  batch.reduction = fuselage::Reduction::none;
  backend.loss(loss, batch, report.as<fuselage::LossReport>());
  Elements out{Floats(n), Floats(n)};
  backend.copy(out.value.data(), data + 2 * n, bytes);
  backend.copy(out.gradient.data(), data + 3 * n, bytes);
  backend.synchronize();
  return out;
}

}  // namespace

int main() {
  const fuselage::CustomLoss l1 = fuselage::custom_loss(AbsolutePlusL1{0.5f});
  const fuselage::CustomLoss huber = fuselage::custom_loss(Huber{0.75f});
  const auto backend = fuselage::make_backend(l1.has_kernel() ? "auto" : "cpu");

  const Elements small = run(*backend, l1, {2, -3, 1}, {1, 1, 1});
  std::printf("%s: |p - t| + |p|/2 of p = 2, -3, 1 and t = 1: value %g %g %g, gradient %g %g %g\n",
              backend->description().c_str(), double(small.value[0]), double(small.value[1]), double(small.value[2]),
              double(small.gradient[0]), double(small.gradient[1]), double(small.gradient[2]));

  Floats p{0, 0.75f, -0.75f, 1e30f, HUGE_VALF, -HUGE_VALF, NAN}, t(p.size());
  for (int i = 0; i < 100000; ++i) p.push_back(std::sin(float(i)) * 2), t.push_back(std::cos(float(i) * 3));
  const Elements own = run(*backend, huber, p, t), built_in = run(*backend, fuselage::loss::Huber{0.75}, p, t);
  const bool same = std::memcmp(own.value.data(), built_in.value.data(), p.size() * sizeof(float)) == 0;
  float ulps = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const float a = own.gradient[i], b = built_in.gradient[i],
                ulp = std::nextafter(std::abs(b), HUGE_VALF) - std::abs(b);
    if (std::isnan(a) != std::isnan(b)) ulps = HUGE_VALF;
    if (a != b && !std::isnan(a)) ulps = std::max(ulps, std::abs(a - b) / ulp);
  }
  std::printf("huber as its value alone, %zu elements: values %s, gradients at most %g ulp from the built-in's\n",
              p.size(), same ? "the same bits" : "DIFFER", double(ulps));
  const bool right = small.value == Floats{2, 5.5f, 0.5f} && small.gradient == Floats{1.5f, -1.5f, 0.5f};
  return right && same && ulps <= 1 ? 0 : 1;
}
