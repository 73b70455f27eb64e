// Matrix products of the CPU backend, by oneDNN.
#include "host/backend/cpu/products.h"

#include <fmt/format.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

#include <cstring>

namespace fuselage::cpu {

namespace {

/// oneDNN takes as many threads as OpenMP would; the setting belongs to the calling thread and is put back.
class ThreadLimit {
 public:
  explicit ThreadLimit(int threads) : saved_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~ThreadLimit() { omp_set_num_threads(saved_); }
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int saved_;
};

}  // namespace

void run_product(const Product& p, int threads) {
  constexpr std::int64_t kMost = std::int64_t{1} << 31;
  for (const std::int64_t size : {p.m, p.n, p.k})
    if (size < 0 || size >= kMost)
      throw Error(Errc::bad_shape, fmt::format("a product of {} x {} x {} is outside what can be done", p.m, p.k, p.n));
  if (p.m == 0 || p.n == 0) return;
  if (!p.c || (p.k > 0 && (!p.a || !p.b))) throw Error(Errc::bad_argument, "a product lacks one of its matrices");
  if (p.k == 0 && p.accumulate) return;
  if (p.k == 0) {
    std::memset(p.c, 0, static_cast<std::size_t>(p.m) * static_cast<std::size_t>(p.n) * sizeof(float));
    return;
  }
  const ThreadLimit limit(threads);
  const dnnl_status_t status =
      dnnl_sgemm(p.transpose_a ? 'T' : 'N', p.transpose_b ? 'T' : 'N', p.m, p.n, p.k, p.alpha, p.a,
                 p.transpose_a ? p.m : p.k, p.b, p.transpose_b ? p.k : p.n, p.accumulate ? 1.0f : 0.0f, p.c, p.n);
  if (status != dnnl_success)
    throw Error(Errc::bad_argument, fmt::format("oneDNN refused a product of {} x {} x {} (status {})", p.m, p.k, p.n,
                                                static_cast<int>(status)));
}

std::string product_library() {
  const dnnl_version_t* v = dnnl_version();
  return fmt::format("oneDNN {}.{}.{}", v->major, v->minor, v->patch);
}

}  // namespace fuselage::cpu
