// What a model is: its text, its checks, its initial values.
#include <cmath>

#include "fuselage/core/math.h"
#include "fuselage/core/rng.h"
#include "fuselage/nn.h"

namespace fuselage {
namespace {

/// Two normals from block i / 2 (Box and Muller, 1958): the even element takes the cosine, the odd one the sine.
double normal(std::uint64_t seed, std::int64_t i, std::uint32_t stream) {
  const std::uint64_t first = static_cast<std::uint64_t>(i) & ~std::uint64_t{1};
  const double u = 1 - uniform_double(random_word64(seed, first, stream, 0));
  const double v = uniform_double(random_word64(seed, first + 1, stream, 0));
  const double radius = fuselage::sqrt(-2 * fuselage::log(u));
  return radius * cospi(i % 2 == 0 ? 2 * v : 2 * v - 0.5);
}

}  // namespace

std::string ModelSpec::to_string() const {
  std::string text = std::to_string(inputs);
  for (const Dense& layer : layers)
    text += " -> " + std::to_string(layer.outputs) + " " + Activations::to_string(layer.activation);
  return text;
}

void ModelSpec::check() const {
  constexpr std::int64_t kLargest = std::int64_t{1} << 24;
  auto check_width = [&](const std::string& what, std::int64_t width) {
    if (width < 1 || width > kLargest)
      throw Error(Errc::bad_argument, "model: " + what + " = " + std::to_string(width) + " is outside [1, " +
                                          std::to_string(kLargest) + "]");
  };
  check_width("inputs", inputs);
  if (layers.empty()) throw Error(Errc::bad_argument, "model: it has no layers");
  for (std::size_t i = 0; i < layers.size(); ++i) {
    check_width("layer " + std::to_string(i) + ": outputs", layers[i].outputs);
    Activations::check(layers[i].activation);
  }
}

std::vector<float> initial_values(const ModelSpec& spec, const std::vector<TensorPlace>& tensors) {
  const TensorPlace& last = tensors.back();
  std::vector<float> values(static_cast<std::size_t>(last.offset + last.size));
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    const TensorPlace& tensor = tensors[t];
    if (tensor.shape.size() != 2) continue;
    const std::uint32_t stream = stream_of(RandomUse::init, static_cast<std::uint32_t>(t));
    const double outputs = static_cast<double>(tensor.shape[0]), inputs = static_cast<double>(tensor.shape[1]);
    const double deviation = fuselage::sqrt(2 / inputs), bound = fuselage::sqrt(6 / (inputs + outputs));
    for (std::int64_t i = 0; i < tensor.size; ++i) {
      const std::uint64_t index = static_cast<std::uint64_t>(i);
      const double x = spec.init == Init::he
                           ? deviation * normal(spec.seed, i, stream)
                           : bound * (2 * uniform_double(random_word64(spec.seed, index, stream, 0)) - 1);
      values[static_cast<std::size_t>(tensor.offset + i)] = static_cast<float>(x);
    }
  }
  return values;
}

}  // namespace fuselage
