#include "tests/simt/shadow.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/simt/report.h"

// Made by the linker: the program's first byte, and its first byte that may change.
extern "C" {
extern const char __executable_start[];
extern const char __data_start[];
}

namespace simt::check {

namespace {

constexpr std::uint32_t kNamed = 1u << 31;  ///< a place that is a source_location's data, not an instruction

static_assert(sizeof(std::source_location) == sizeof(void*));

std::uintptr_t program_begin() { return reinterpret_cast<std::uintptr_t>(__executable_start); }

void* reserve(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory != MAP_FAILED) return memory;
  std::fprintf(stderr, "simt: no addresses for %zu bytes of shadow memory\n", bytes);
  std::abort();
}

}  // namespace

void Region::map(std::uintptr_t begin, std::size_t bytes) {
  begin_ = begin;
  bytes_ = bytes;
  states_ = static_cast<unsigned char*>(reserve(bytes + 16));
  cells_ = static_cast<Cell*>(reserve((bytes / 2 + 16) * sizeof(Cell)));
}

void Region::set(std::uintptr_t a, std::size_t bytes, ByteState state) { std::memset(states(a), state, bytes); }

void Region::forget(std::uintptr_t a, std::size_t bytes) {
  constexpr std::uintptr_t kPage = 4096;
  const auto begin = reinterpret_cast<std::uintptr_t>(cells(a)), end = begin + (bytes + 1) / 2 * sizeof(Cell);
  const std::uintptr_t first = (begin + kPage - 1) / kPage * kPage, last = end / kPage * kPage;
  if (first >= last) {
    std::memset(reinterpret_cast<void*>(begin), 0, end - begin);
    return;
  }
  std::memset(reinterpret_cast<void*>(begin), 0, first - begin);
  std::memset(reinterpret_cast<void*>(last), 0, end - last);
  madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);  // whole pages come back as zeros
}

std::uint32_t Instances::take(OperationId operation, const dim3& blocks, const dim3& threads) {
  const auto first = static_cast<std::uint32_t>(next_);
  runs_.push_back({first, operation, blocks, threads});
  next_ += std::max<std::uint64_t>(1, std::uint64_t{blocks.x} * blocks.y * blocks.z);
  if (next_ >> 32) {
    std::fprintf(stderr, "simt: more than 2^32 blocks in one program\n");
    std::abort();
  }
  return first;
}

const Instances::Run& Instances::of(std::uint32_t instance) const {
  const auto after = std::upper_bound(runs_.begin(), runs_.end(), instance,
                                      [](std::uint32_t x, const Run& run) { return x < run.first; });
  return *(after - 1);
}

std::uint32_t encode_place(std::uintptr_t pc) { return static_cast<std::uint32_t>(pc - program_begin()); }

std::uint32_t encode_place(const std::source_location& where) {
  return kNamed | static_cast<std::uint32_t>(std::bit_cast<std::uintptr_t>(where) - program_begin());
}

std::string place_text(std::uint32_t place) {
  const std::uintptr_t address = program_begin() + (place & ~kNamed);
  if (place & kNamed) return source_line(std::bit_cast<std::source_location>(address));
  return source_line(address - 1);  // the call comes before the address it returns to
}

bool is_constant(std::uintptr_t a) {
  return a >= program_begin() && a < reinterpret_cast<std::uintptr_t>(__data_start);
}

}  // namespace simt::check
