// memcpy and its like as device code calls them (device/builtins.h gives them other names), checked. Sources that are
// to be checked are compiled with -fno-builtin of them: what the compiler expands by itself is not instrumented.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tests/simt/access.h"
#include "tests/simt/shadow.h"
#include "tests/simt/worker.h"

namespace {

using simt::check::Kind;

[[gnu::always_inline]] inline void checked(const void* p, std::size_t n, Kind kind, void* pc) {
  const auto a = reinterpret_cast<std::uintptr_t>(p);
  if (simt::running.checked && n > 0 && a - simt::running.stack >= simt::kStackBytes)
    simt::check::access(a, n, kind, simt::check::encode_place(reinterpret_cast<std::uintptr_t>(pc)), true);
}

}  // namespace

extern "C" {

void* simt_memcpy(void* to, const void* from, std::size_t n) {
  checked(from, n, Kind::read, __builtin_return_address(0));
  checked(to, n, Kind::write, __builtin_return_address(0));
  return std::memcpy(to, from, n);
}
void* simt_memmove(void* to, const void* from, std::size_t n) {
  checked(from, n, Kind::read, __builtin_return_address(0));
  checked(to, n, Kind::write, __builtin_return_address(0));
  return std::memmove(to, from, n);
}
void* simt_memset(void* to, int byte, std::size_t n) {
  checked(to, n, Kind::write, __builtin_return_address(0));
  return std::memset(to, byte, n);
}

}  // extern "C"
