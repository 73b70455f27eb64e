// The functions that the compiler calls before each access to memory in code compiled with -fsanitize=thread, in place
// of that sanitizer's library. Accesses of the host in the same sources are not looked at.
#include <algorithm>
#include <cstdint>

#include "tests/simt/access.h"
#include "tests/simt/checker.h"
#include "tests/simt/device/calls.h"
#include "tests/simt/shadow.h"
#include "tests/simt/worker.h"

namespace {

using simt::running;
using simt::check::Kind;

bool skipped(std::uintptr_t a, std::size_t bytes) {
  return !running.checked || (a - running.stack < simt::kStackBytes && bytes <= simt::kStackBytes);
}

/// An access of N bytes to memory that is aligned to them. Structures of 16 bytes may be aligned to 8; vectors of 16
/// are looked at by the check of undefined behaviour.
template <std::size_t N>
[[gnu::always_inline]] inline void aligned(const volatile void* p, Kind kind, void* pc) {
  const auto a = reinterpret_cast<std::uintptr_t>(p);
  if (skipped(a, N)) return;
  const std::uint32_t place = simt::check::encode_place(reinterpret_cast<std::uintptr_t>(pc));
  if (a % std::min<std::size_t>(N, 8) != 0) simt::check::misaligned(a, N, kind, place);
  simt::check::access(a, N, kind, place, false);
}

[[gnu::always_inline]] inline void anywhere(const volatile void* p, std::size_t bytes, Kind kind, void* pc) {
  const auto a = reinterpret_cast<std::uintptr_t>(p);
  if (skipped(a, bytes)) return;
  simt::check::access(a, bytes, kind, simt::check::encode_place(reinterpret_cast<std::uintptr_t>(pc)), true);
}

/// Others get on where a thread may wait for them.
template <std::size_t N>
[[gnu::always_inline]] inline void polled(const volatile void* p, Kind kind, void* pc) {
  if (running.checked) simt::relax();
  aligned<N>(p, kind, pc);
}

}  // namespace

extern "C" {

void __tsan_init() { simt::check::enable(); }
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void** p, void*) { aligned<8>(p, Kind::write, __builtin_return_address(0)); }
void __tsan_vptr_read(void** p) { aligned<8>(p, Kind::read, __builtin_return_address(0)); }
void __tsan_read1(void* p) { aligned<1>(p, Kind::read, __builtin_return_address(0)); }
void __tsan_read2(void* p) { aligned<2>(p, Kind::read, __builtin_return_address(0)); }
void __tsan_read4(void* p) { aligned<4>(p, Kind::read, __builtin_return_address(0)); }
void __tsan_read8(void* p) { aligned<8>(p, Kind::read, __builtin_return_address(0)); }
void __tsan_read16(void* p) { aligned<16>(p, Kind::read, __builtin_return_address(0)); }
void __tsan_write1(void* p) { aligned<1>(p, Kind::write, __builtin_return_address(0)); }
void __tsan_write2(void* p) { aligned<2>(p, Kind::write, __builtin_return_address(0)); }
void __tsan_write4(void* p) { aligned<4>(p, Kind::write, __builtin_return_address(0)); }
void __tsan_write8(void* p) { aligned<8>(p, Kind::write, __builtin_return_address(0)); }
void __tsan_write16(void* p) { aligned<16>(p, Kind::write, __builtin_return_address(0)); }

void __tsan_unaligned_read2(void* p) { anywhere(p, 2, Kind::read, __builtin_return_address(0)); }
void __tsan_unaligned_read4(void* p) { anywhere(p, 4, Kind::read, __builtin_return_address(0)); }
void __tsan_unaligned_read8(void* p) { anywhere(p, 8, Kind::read, __builtin_return_address(0)); }
void __tsan_unaligned_read16(void* p) { anywhere(p, 16, Kind::read, __builtin_return_address(0)); }
void __tsan_unaligned_write2(void* p) { anywhere(p, 2, Kind::write, __builtin_return_address(0)); }
void __tsan_unaligned_write4(void* p) { anywhere(p, 4, Kind::write, __builtin_return_address(0)); }
void __tsan_unaligned_write8(void* p) { anywhere(p, 8, Kind::write, __builtin_return_address(0)); }
void __tsan_unaligned_write16(void* p) { anywhere(p, 16, Kind::write, __builtin_return_address(0)); }

void __tsan_volatile_read1(void* p) { polled<1>(p, Kind::volatile_read, __builtin_return_address(0)); }
void __tsan_volatile_read2(void* p) { polled<2>(p, Kind::volatile_read, __builtin_return_address(0)); }
void __tsan_volatile_read4(void* p) { polled<4>(p, Kind::volatile_read, __builtin_return_address(0)); }
void __tsan_volatile_read8(void* p) { polled<8>(p, Kind::volatile_read, __builtin_return_address(0)); }
void __tsan_volatile_read16(void* p) { polled<16>(p, Kind::volatile_read, __builtin_return_address(0)); }
void __tsan_volatile_write1(void* p) { polled<1>(p, Kind::volatile_write, __builtin_return_address(0)); }
void __tsan_volatile_write2(void* p) { polled<2>(p, Kind::volatile_write, __builtin_return_address(0)); }
void __tsan_volatile_write4(void* p) { polled<4>(p, Kind::volatile_write, __builtin_return_address(0)); }
void __tsan_volatile_write8(void* p) { polled<8>(p, Kind::volatile_write, __builtin_return_address(0)); }
void __tsan_volatile_write16(void* p) { polled<16>(p, Kind::volatile_write, __builtin_return_address(0)); }

void __tsan_read_range(void* p, std::size_t n) { anywhere(p, n, Kind::read, __builtin_return_address(0)); }
void __tsan_write_range(void* p, std::size_t n) { anywhere(p, n, Kind::write, __builtin_return_address(0)); }

}  // extern "C"
