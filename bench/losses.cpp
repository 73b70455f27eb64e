// Every loss, storage type and size: value, report and gradient in one pass.
#include "fuselage/losses.h"

#include <fmt/format.h>

#include "bench/support/register.h"

namespace {

using namespace fuselage;

/// Small enough for the first caches, for the last one, and, with rotating copies, for none.
constexpr std::int64_t kElements[] = {1 << 12, 1 << 18, 1 << 23};
constexpr std::int64_t kClasses[] = {10, 1000, 32000};

template <class L>
void add(DType type, std::int64_t rows, std::int64_t cols) {
  if (rows == 0) return;
  bench::add(fmt::format("{}/{}/{}x{}", L::name, name_of(type), rows, cols), [=](Backend& backend) {
    const std::int64_t n = rows * cols;
    const double bytes = 3.0 * static_cast<double>(size_of(type)) * static_cast<double>(n);
    const int copies = n > kElements[1] ? bench::copies_beyond_cache(backend, bytes) : 1;
    return validate::loss_workload(backend, L{}, type, rows, cols, copies);
  });
}

void add_all() {
  bench::add("copy", [](Backend& backend) { return validate::copy_workload(backend, std::int64_t{1} << 28); });
  for (const DType type : bench::kTypes) {
    Losses::for_each([&]<class L>() {
      for (const std::int64_t n : kElements) {
        if constexpr (loss::Pointwise<L>)
          add<L>(type, n, 1);
        else
          for (const std::int64_t classes : kClasses) add<L>(type, n / classes, classes);
      }
    });
  }
}

}  // namespace

int main(int argc, char** argv) {
  add_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
