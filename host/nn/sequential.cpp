// The chain of dense layers: arenas, forward, backward.
#include <algorithm>

#include "fuselage/nn.h"

namespace fuselage {
namespace {

constexpr std::int64_t kAlignment = 64;  // floats: 256 bytes

std::size_t bytes_of(std::int64_t floats) { return static_cast<std::size_t>(floats) * sizeof(float); }

bool needs_input(const AnyActivation& activation) {
  return std::visit([](const auto& a) { return std::remove_cvref_t<decltype(a)>::needs_input; }, activation);
}

}  // namespace

Sequential::Sequential(Backend& backend, ModelSpec spec) : backend_(backend), spec_(std::move(spec)) {
  spec_.check();
  auto place = [&](std::string name, std::vector<std::int64_t> shape) {
    const std::int64_t size = shape.size() == 2 ? shape[0] * shape[1] : shape[0], offset = arena_size_;
    tensors_.push_back({std::move(name), std::move(shape), offset, size});
    arena_size_ += (size + kAlignment - 1) / kAlignment * kAlignment;
    return offset;
  };
  std::int64_t inputs = spec_.inputs;
  for (std::size_t i = 0; i < spec_.layers.size(); ++i) {
    const Dense& dense = spec_.layers[i];
    const std::int64_t weight = place(std::to_string(i) + ".weight", {dense.outputs, inputs});
    const std::int64_t bias = place(std::to_string(i) + ".bias", {dense.outputs});
    layers_.push_back({inputs, dense.outputs, dense.activation, weight, bias, {}, {}});
    inputs = dense.outputs;
  }
  values_ = Buffer(backend_, bytes_of(arena_size_));
  gradients_ = Buffer(backend_, bytes_of(arena_size_));
  for (const Buffer* arena : {&values_, &gradients_}) backend_.zero(arena->data(), arena->bytes());
  const std::vector<float> initial = initial_values(spec_, tensors_);
  backend_.copy(values_.data(), initial.data(), bytes_of(static_cast<std::int64_t>(initial.size())));
  backend_.synchronize();
}

void Sequential::reserve(std::int64_t rows) {
  if (rows <= rows_) return;
  backend_.synchronize();
  std::int64_t widest = 1;
  for (Layer& layer : layers_) {
    const std::size_t bytes = bytes_of(rows * layer.outputs);
    layer.a = Buffer(backend_, bytes);
    if (needs_input(layer.activation)) layer.z = Buffer(backend_, bytes);
    widest = std::max(widest, layer.outputs);
  }
  for (Buffer& buffer : gradients_out_) buffer = Buffer(backend_, bytes_of(rows * widest));
  rows_ = rows;
}

const float* Sequential::forward(const float* x, std::int64_t rows) {
  require(rows >= 0 && rows <= rows_, Errc::bad_argument, "model: forward() with more rows than reserve() was told");
  for (Layer& layer : layers_) {
    float* a = layer.a.as<float>();
    float* z = layer.z.data() ? layer.z.as<float>() : a;
    backend_.product({.transpose_b = true,
                      .m = rows,
                      .n = layer.outputs,
                      .k = layer.inputs,
                      .a = x,
                      .b = values() + layer.weight,
                      .c = z});
    backend_.bias_activation(layer.activation, rows, layer.outputs, z, values() + layer.bias, a);
    x = a;
  }
  return x;
}

void Sequential::backward(const float* x, std::int64_t rows) {
  for (std::size_t l = layers_.size(), turn = 0; l-- > 0; turn ^= 1) {
    Layer& layer = layers_[l];
    float* dz = gradients_out_[turn].as<float>();
    const float* a = layer.a.as<float>();
    const float* z = layer.z.data() ? layer.z.as<float>() : a;
    backend_.bias_activation_backward(layer.activation, rows, layer.outputs, z, a, dz, gradients() + layer.bias);
    backend_.product({.transpose_a = true,
                      .m = layer.outputs,
                      .n = layer.inputs,
                      .k = rows,
                      .a = dz,
                      .b = l > 0 ? layers_[l - 1].a.as<float>() : x,
                      .c = gradients() + layer.weight});
    if (l > 0)
      backend_.product({.m = rows,
                        .n = layer.inputs,
                        .k = layer.outputs,
                        .a = dz,
                        .b = values() + layer.weight,
                        .c = gradients_out_[turn ^ 1].as<float>()});
  }
}

std::vector<Trainable> Sequential::trainables() const {
  std::vector<Trainable> result;
  for (const TensorPlace& tensor : tensors_)
    result.push_back({tensor.name, values() + tensor.offset, gradients() + tensor.offset, tensor.shape});
  return result;
}

}  // namespace fuselage
