// Layers: bias and activation, and their backward pass with the column sums.
#include <algorithm>
#include <variant>

#include "kernels/launch.cuh"
#include "kernels/memory.cuh"

namespace fuselage::kernels {

namespace {

constexpr int kLayerThreads = 256;  // the most of a block

/// Whether rows of `cols` floats at these addresses can be read by 16 bytes.
template <class... P>
bool line_up(std::int64_t cols, P*... p) {
  return cols % 4 == 0 && ((reinterpret_cast<std::uintptr_t>(p) % 16 == 0) && ...);
}

/// a = activation(z + bias), N elements at a time; z + bias goes back to z where the activation's slope needs it.
// budget: forward_kernel registers<=80 spills=0
// vectors: forward_kernel<*, 4> loads>=2 stores>=1
template <class A, int N>
__global__ void __launch_bounds__(kLayerThreads)
    forward_kernel(const __grid_constant__ A activation, std::int64_t size, std::int64_t cols, float* z,
                   const float* bias, float* a) {
  const std::int64_t step = threads_of_grid() * N;
  for (std::int64_t i = thread_of_grid() * N; i < size; i += step) {
    float x[N], b[N], y[N];
    load_floats<N>(z + i, x);
    load_floats<N>(bias + i % cols, b);
#pragma unroll
    for (int v = 0; v < N; ++v) {
      x[v] = x[v] + b[v];
      y[v] = activation.value(x[v]);
    }
    if constexpr (A::needs_input) store_floats(x, z + i);
    store_floats(y, a + i);
  }
}

/// dz = da * slope in place; a thread takes N neighbouring columns of kColumnRows rows, and leaves their sums, added in
/// the order of the rows from +0, in part[group, cols].
// budget: backward_kernel registers<=80 spills=0
// vectors: backward_kernel<*, 4> loads>=3 stores>=4
template <class A, int N>
__global__ void __launch_bounds__(kLayerThreads)
    backward_kernel(const __grid_constant__ A activation, std::int64_t rows, std::int64_t cols, const float* z,
                    const float* a, float* da, float* part) {
  const std::int64_t width = cols / N, items = width * ceil_div(rows, kColumnRows);
  const std::int64_t step = threads_of_grid();
  for (std::int64_t k = thread_of_grid(); k < items; k += step) {
    const std::int64_t group = k / width, c = k % width * N, first = group * kColumnRows;
    const int count = rows - first < kColumnRows ? static_cast<int>(rows - first) : kColumnRows;
    float sum[N] = {};
#pragma unroll 2
    for (int r = 0; r < count; ++r) {
      const std::int64_t i = (first + r) * cols + c;
      float input[N] = {}, output[N], dz[N];
      if constexpr (A::needs_input) load_floats<N>(z + i, input);
      load_floats<N>(a + i, output);
      load_floats<N>(da + i, dz);
#pragma unroll
      for (int v = 0; v < N; ++v) {
        dz[v] = dz[v] * activation.slope(input[v], output[v]);
        sum[v] = sum[v] + dz[v];
      }
      store_floats(dz, da + i);
    }
    store_floats(sum, part + group * cols + c);
  }
}

/// bias_gradient[c] = the sum of column c of part[groups, cols], added in order in double, rounded once.
// budget: columns_kernel registers<=40 spills=0
__global__ void __launch_bounds__(kLayerThreads)
    columns_kernel(std::int64_t groups, std::int64_t cols, const float* part, float* bias_gradient) {
  const std::int64_t step = threads_of_grid();
  for (std::int64_t c = thread_of_grid(); c < cols; c += step) {
    double sum = 0;
    for (std::int64_t g = 0; g < groups; ++g) sum = sum + static_cast<double>(part[g * cols + c]);
    bias_gradient[c] = from_float<float>(static_cast<float>(sum));
  }
}

}  // namespace

void bias_activation(const AnyActivation& any, std::int64_t rows, std::int64_t cols, float* z, const float* bias,
                     float* a, CUstream_st* stream) {
  const std::int64_t size = rows * cols;
  if (size == 0) return;
  const int n = line_up(cols, z, bias, a) ? 4 : 1;
  const int threads = threads_for(kLayerThreads);
  const Launch shape{.name = "bias and activation",
                     .blocks = blocks_for(size, static_cast<std::int64_t>(threads) * n),
                     .threads = threads,
                     .stream = stream};
  std::visit(
      [&]<class A>(const A& activation) {
        launch(shape, n == 4 ? forward_kernel<A, 4> : forward_kernel<A, 1>, activation, size, cols, z, bias, a);
      },
      any);
}

std::size_t column_scratch(std::int64_t rows, std::int64_t cols) {
  return static_cast<std::size_t>(ceil_div(rows, kColumnRows) * cols) * sizeof(float);
}

void bias_activation_backward(const AnyActivation& any, std::int64_t rows, std::int64_t cols, const float* z,
                              const float* a, float* da, float* bias_gradient, void* scratch, CUstream_st* stream) {
  if (cols == 0) return;
  float* part = static_cast<float*>(scratch);
  const std::int64_t groups = ceil_div(rows, kColumnRows);
  const int threads = threads_for(kLayerThreads), n = line_up(cols, z, a, da, part) ? 4 : 1;
  if (groups > 0) {
    const Launch shape{.name = "backward of bias and activation",
                       .blocks = blocks_for(cols / n * groups, threads),
                       .threads = threads,
                       .stream = stream};
    std::visit(
        [&]<class A>(const A& activation) {
          launch(shape, n == 4 ? backward_kernel<A, 4> : backward_kernel<A, 1>, activation, rows, cols, z, a, da, part);
        },
        any);
  }
  launch({.name = "column sums", .blocks = blocks_for(cols, threads), .threads = threads, .stream = stream},
         columns_kernel, groups, cols, part, bias_gradient);
}

}  // namespace fuselage::kernels
