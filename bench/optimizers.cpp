// Every optimizer, storage type and number of tensors: one step of all of them.
#include "fuselage/optimizers.h"

#include <fmt/format.h>

#include "bench/support/register.h"

namespace {

using namespace fuselage;

struct Tensors {
  std::int64_t count, size;
};
/// One large, many of a layer's size, very many small ones.
constexpr Tensors kTensors[] = {{1, 1 << 22}, {64, 1 << 16}, {1024, 300}};

void add_all() {
  for (const DType type : bench::kTypes)
    Optimizers::for_each([&]<class R>() {
      for (const Tensors t : kTensors)
        bench::add(fmt::format("{}/{}/{}x{}", R::name, name_of(type), t.count, t.size), [=](Backend& backend) {
          // Tensors that are large together rotate, so that no cache holds them; small ones stay where they are.
          const double bytes = 3.0 * static_cast<double>(size_of(type)) * static_cast<double>(t.count * t.size);
          const int copies = t.size > 1000 ? bench::copies_beyond_cache(backend, bytes) : 1;
          return validate::step_workload(backend, validate::usual_optimizer(R{}), type, t.count, t.size, copies);
        });
    });
}

}  // namespace

int main(int argc, char** argv) {
  add_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
