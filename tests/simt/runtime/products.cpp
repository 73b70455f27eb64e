// Matrix products of the emulated device, in place of host/backend/cuda/products.cpp: a plain loop in a fixed order.
#include "host/backend/cuda/products.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "host/backend/cuda/runtime.h"
#include "tests/simt/check.h"
#include "tests/simt/memory.h"
#include "tests/simt/runtime/queues.h"

namespace fuselage::cuda {
namespace {

std::size_t bytes_of(std::int64_t rows, std::int64_t cols) {
  return static_cast<std::size_t>(rows * cols) * sizeof(float);
}

/// Every sum in the order of k, alpha being a factor of A.
void multiply(const Product& p) {
  if (!p.accumulate) std::fill_n(p.c, p.m * p.n, 0.0f);
  for (std::int64_t i = 0; i < p.m; ++i)
    for (std::int64_t k = 0; k < p.k; ++k) {
      const float a = p.alpha * (p.transpose_a ? p.a[k * p.m + i] : p.a[i * p.k + k]);
      for (std::int64_t j = 0; j < p.n; ++j)
        p.c[i * p.n + j] += a * (p.transpose_b ? p.b[j * p.k + k] : p.b[k * p.n + j]);
    }
}

std::string run_product(const Product& p, simt::OperationId id) {
  const simt::DeviceAccess access;
  std::string fault = simt::check::read_range(id, p.a, bytes_of(p.m, p.k));
  if (fault.empty()) fault = simt::check::read_range(id, p.b, bytes_of(p.k, p.n));
  if (fault.empty() && p.accumulate) fault = simt::check::read_range(id, p.c, bytes_of(p.m, p.n));
  if (fault.empty()) fault = simt::check::write_range(id, p.c, bytes_of(p.m, p.n));
  if (fault.empty()) multiply(p);
  return simt::fault_of(id, fault);
}

/// What is wrong with an operand as a place in device memory.
void check_operand(const void* data, std::size_t bytes, const char* name) {
  const simt::Allocation* a = simt::find_allocation(data);
  const bool fits = a && !a->pinned && reinterpret_cast<std::uintptr_t>(data) + bytes <= a->begin + a->bytes;
  if (!fits)
    throw Error(Errc::cuda, std::string("product: ") + name + ", " + std::to_string(bytes) + " bytes from " +
                                simt::describe(data) + ", is not within device memory");
}

using Shape = std::tuple<bool, bool, std::int64_t, std::int64_t, std::int64_t>;
Shape shape_of(const Product& p) { return {p.transpose_a, p.transpose_b, p.m, p.n, p.k}; }

}  // namespace

/// The shapes that were run: a real library plans for each at its first run, which no capture allows.
struct Products::State {
  std::set<Shape> planned;
};

Products::Products() = default;
Products::~Products() = default;

void Products::run(const Product& p, CUstream_st* stream) {
  if (p.m == 0 || p.n == 0) return;
  if (p.k == 0 && p.accumulate) return;
  if (p.k == 0) return check(cudaMemsetAsync(p.c, 0, bytes_of(p.m, p.n), stream), "zeroing");
  check_operand(p.a, bytes_of(p.m, p.k), "a");
  check_operand(p.b, bytes_of(p.k, p.n), "b");
  check_operand(p.c, bytes_of(p.m, p.n), "c");
  if (!state_) state_ = std::make_unique<State>();
  state_->planned.insert(shape_of(p));
  const auto work = [p](simt::OperationId id) { return run_product(p, id); };
  const simt::Lock lock(simt::runtime_mutex());
  check(simt::submit(stream, {{simt::Deed::Kind::product, "", 0}, [work](const simt::Place&) { return work; }}),
        "queueing a product");
}

bool Products::ready(const Product& p) const {
  return p.m == 0 || p.n == 0 || p.k == 0 || (state_ && state_->planned.contains(shape_of(p)));
}

std::string Products::library() const { return "emulated products"; }

}  // namespace fuselage::cuda
