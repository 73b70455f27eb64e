// Models: a chain of dense layers whose parameters live in one flat arena of the backend.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuselage/activations.h"
#include "fuselage/backend.h"
#include "fuselage/memory.h"
#include "fuselage/optimizer.h"

namespace fuselage {

/// A dense layer: a = activation(x W^T + b), W [outputs, inputs], b [outputs].
struct Dense {
  std::int64_t outputs = 0;
  AnyActivation activation;

  /// `activation` is a name of the list, with fields if any: "relu", "gelu:tanh=true".
  Dense(std::int64_t width, std::string_view activation_text = "identity")
      : outputs(width), activation(Activations::parse(activation_text, "activation")) {}
};

/// How weights start; biases start at 0.
enum class Init : std::uint8_t {
  he,      ///< normal with standard deviation sqrt(2 / inputs); He et al., ICCV 2015
  xavier,  ///< uniform within +-sqrt(6 / (inputs + outputs)); Glorot and Bengio, AISTATS 2010
};

constexpr std::string_view name_of(Init init) { return init == Init::he ? "he" : "xavier"; }

/// What a model is, without its numbers.
struct ModelSpec {
  std::int64_t inputs = 0;
  std::vector<Dense> layers;
  Init init = Init::he;
  std::uint64_t seed = 0;  ///< of the initial weights

  std::int64_t outputs() const { return layers.empty() ? inputs : layers.back().outputs; }
  /// "784 -> 256 relu -> 10 identity".
  std::string to_string() const;
  /// Throws Error(bad_argument) naming the layer when there is none, or a width is not positive or too large.
  void check() const;
};

/// Where a tensor of the model stands in its arenas.
struct TensorPlace {
  std::string name;  ///< "0.weight" [outputs, inputs], "0.bias" [outputs]
  std::vector<std::int64_t> shape;
  std::int64_t offset = 0;  ///< in elements; a multiple of 64, so that every tensor is aligned to 256 bytes
  std::int64_t size = 0;
};

/// The initial values of a model's arena (gaps are 0). Element i of tensor t comes from Philox at (seed, t, i) and
/// arithmetic of core/math.h, so it has the same bits on every machine.
std::vector<float> initial_values(const ModelSpec& spec, const std::vector<TensorPlace>& tensors);

/// Dense layers one after the other. Two arenas of equal layout hold values and gradients.
class Sequential {
 public:
  /// Allocates the arenas and writes the initial values.
  Sequential(Backend& backend, ModelSpec spec);

  const ModelSpec& spec() const { return spec_; }
  const std::vector<TensorPlace>& tensors() const { return tensors_; }

  /// Makes room for batches of up to `rows`; the only method after the constructor that allocates.
  void reserve(std::int64_t rows);
  std::int64_t reserved() const { return rows_; }

  /// Queues the predictions [rows, outputs] for x [rows, inputs]; valid until the next call. rows <= reserved().
  const float* forward(const float* x, std::int64_t rows);
  /// Where the gradient of the predictions [rows, outputs] goes before backward().
  float* output_gradient() { return gradients_out_[0].as<float>(); }
  /// Queues the gradients of all parameters for the x and rows of the last forward(). Overwrites output_gradient().
  void backward(const float* x, std::int64_t rows);

  /// What an optimizer moves.
  std::vector<Trainable> trainables() const;

  /// The arenas, in device memory: arena_size() floats each.
  std::int64_t arena_size() const { return arena_size_; }
  float* values() const { return values_.as<float>(); }
  float* gradients() const { return gradients_.as<float>(); }

 private:
  struct Layer {
    std::int64_t inputs, outputs;
    AnyActivation activation;
    std::int64_t weight, bias;  // offsets in the arenas
    Buffer z;                   // pre-activations, where the activation's derivative needs them
    Buffer a;
  };

  Backend& backend_;
  ModelSpec spec_;
  std::vector<TensorPlace> tensors_;
  std::vector<Layer> layers_;
  std::int64_t arena_size_ = 0, rows_ = 0;
  Buffer values_, gradients_;
  Buffer gradients_out_[2];  // of the layers' outputs, in turn: the last layer's is the first
};

}  // namespace fuselage
