// The threads of the CPU backend: OpenMP's, so that they are the ones that the product library uses too.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cfenv>
#include <cstdint>

namespace fuselage::cpu {

/// The floating-point environment of the standard for as long as this lives: round to nearest, no flushing of
/// denormals. A library loaded with -ffast-math, or the calling program, may have set another, and bits would differ.
class StandardFloats {
 public:
  StandardFloats() {
    std::fegetenv(&saved_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~StandardFloats() { std::fesetenv(&saved_); }
  StandardFloats(const StandardFloats&) = delete;
  StandardFloats& operator=(const StandardFloats&) = delete;

 private:
  std::fenv_t saved_;
};

/// Calls body(first, last, worker) over [0, n) in blocks of `grain`, on up to `threads` threads; which thread takes
/// which block is left to chance, and must not matter. One block runs on the calling thread.
template <class Body>
void parallel_blocks(int threads, std::int64_t n, std::int64_t grain, const Body& body) {
  const std::int64_t blocks = (n + grain - 1) / grain;
  if (threads <= 1 || blocks <= 1) {
    const StandardFloats floats;
    if (n > 0) body(std::int64_t{0}, n, 0);
    return;
  }
#pragma omp parallel num_threads(threads)
  {
    const StandardFloats floats;
    const int worker = omp_get_thread_num();
#pragma omp for schedule(dynamic, 1)
    for (std::int64_t b = 0; b < blocks; ++b) body(b * grain, std::min(n, (b + 1) * grain), worker);
  }
}

}  // namespace fuselage::cpu
