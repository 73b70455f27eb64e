// The functions that the compiler calls in place of C++ atomic operations in code compiled with -fsanitize=thread. All
// of them are checked as relaxed atomics; fences are those of the device.
#include <cstdint>

#include "tests/simt/access.h"
#include "tests/simt/checker.h"
#include "tests/simt/device/calls.h"
#include "tests/simt/shadow.h"
#include "tests/simt/worker.h"

namespace {

using simt::running;
using simt::check::Kind;

template <class T>
[[gnu::always_inline]] inline void checked(const volatile T* p, Kind kind, void* pc) {
  const auto a = reinterpret_cast<std::uintptr_t>(p);
  if (!running.checked || a - running.stack < simt::kStackBytes) return;
  simt::relax();
  const std::uint32_t place = simt::check::encode_place(reinterpret_cast<std::uintptr_t>(pc));
  if (a % sizeof(T) != 0) simt::check::misaligned(a, sizeof(T), kind, place);
  simt::check::access(a, sizeof(T), kind, place, false);
}

template <class T>
int compare_exchange(volatile T* p, T* expected, T x) {
  return __atomic_compare_exchange_n(p, expected, x, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

}  // namespace

extern "C" {

std::uint8_t __tsan_atomic8_load(const volatile std::uint8_t* p, int) {
  checked(p, Kind::volatile_read, __builtin_return_address(0));
  return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}
void __tsan_atomic8_store(volatile std::uint8_t* p, std::uint8_t x, int) {
  checked(p, Kind::volatile_write, __builtin_return_address(0));
  __atomic_store_n(p, x, __ATOMIC_SEQ_CST);
}
std::uint8_t __tsan_atomic8_exchange(volatile std::uint8_t* p, std::uint8_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_exchange_n(p, x, __ATOMIC_SEQ_CST);
}
std::uint8_t __tsan_atomic8_fetch_add(volatile std::uint8_t* p, std::uint8_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_add(p, x, __ATOMIC_SEQ_CST);
}
std::uint8_t __tsan_atomic8_fetch_sub(volatile std::uint8_t* p, std::uint8_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_sub(p, x, __ATOMIC_SEQ_CST);
}
std::uint8_t __tsan_atomic8_fetch_and(volatile std::uint8_t* p, std::uint8_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_and(p, x, __ATOMIC_SEQ_CST);
}
std::uint8_t __tsan_atomic8_fetch_or(volatile std::uint8_t* p, std::uint8_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_or(p, x, __ATOMIC_SEQ_CST);
}
std::uint8_t __tsan_atomic8_fetch_xor(volatile std::uint8_t* p, std::uint8_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_xor(p, x, __ATOMIC_SEQ_CST);
}
int __tsan_atomic8_compare_exchange_strong(volatile std::uint8_t* p, std::uint8_t* expected, std::uint8_t x, int, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return compare_exchange(p, expected, x);
}
int __tsan_atomic8_compare_exchange_weak(volatile std::uint8_t* p, std::uint8_t* expected, std::uint8_t x, int, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return compare_exchange(p, expected, x);
}

std::uint16_t __tsan_atomic16_load(const volatile std::uint16_t* p, int) {
  checked(p, Kind::volatile_read, __builtin_return_address(0));
  return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}
void __tsan_atomic16_store(volatile std::uint16_t* p, std::uint16_t x, int) {
  checked(p, Kind::volatile_write, __builtin_return_address(0));
  __atomic_store_n(p, x, __ATOMIC_SEQ_CST);
}
std::uint16_t __tsan_atomic16_exchange(volatile std::uint16_t* p, std::uint16_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_exchange_n(p, x, __ATOMIC_SEQ_CST);
}
std::uint16_t __tsan_atomic16_fetch_add(volatile std::uint16_t* p, std::uint16_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_add(p, x, __ATOMIC_SEQ_CST);
}
std::uint16_t __tsan_atomic16_fetch_sub(volatile std::uint16_t* p, std::uint16_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_sub(p, x, __ATOMIC_SEQ_CST);
}
std::uint16_t __tsan_atomic16_fetch_and(volatile std::uint16_t* p, std::uint16_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_and(p, x, __ATOMIC_SEQ_CST);
}
std::uint16_t __tsan_atomic16_fetch_or(volatile std::uint16_t* p, std::uint16_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_or(p, x, __ATOMIC_SEQ_CST);
}
std::uint16_t __tsan_atomic16_fetch_xor(volatile std::uint16_t* p, std::uint16_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_xor(p, x, __ATOMIC_SEQ_CST);
}
int __tsan_atomic16_compare_exchange_strong(volatile std::uint16_t* p, std::uint16_t* expected, std::uint16_t x, int,
                                            int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return compare_exchange(p, expected, x);
}
int __tsan_atomic16_compare_exchange_weak(volatile std::uint16_t* p, std::uint16_t* expected, std::uint16_t x, int,
                                          int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return compare_exchange(p, expected, x);
}

std::uint32_t __tsan_atomic32_load(const volatile std::uint32_t* p, int) {
  checked(p, Kind::volatile_read, __builtin_return_address(0));
  return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}
void __tsan_atomic32_store(volatile std::uint32_t* p, std::uint32_t x, int) {
  checked(p, Kind::volatile_write, __builtin_return_address(0));
  __atomic_store_n(p, x, __ATOMIC_SEQ_CST);
}
std::uint32_t __tsan_atomic32_exchange(volatile std::uint32_t* p, std::uint32_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_exchange_n(p, x, __ATOMIC_SEQ_CST);
}
std::uint32_t __tsan_atomic32_fetch_add(volatile std::uint32_t* p, std::uint32_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_add(p, x, __ATOMIC_SEQ_CST);
}
std::uint32_t __tsan_atomic32_fetch_sub(volatile std::uint32_t* p, std::uint32_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_sub(p, x, __ATOMIC_SEQ_CST);
}
std::uint32_t __tsan_atomic32_fetch_and(volatile std::uint32_t* p, std::uint32_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_and(p, x, __ATOMIC_SEQ_CST);
}
std::uint32_t __tsan_atomic32_fetch_or(volatile std::uint32_t* p, std::uint32_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_or(p, x, __ATOMIC_SEQ_CST);
}
std::uint32_t __tsan_atomic32_fetch_xor(volatile std::uint32_t* p, std::uint32_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_xor(p, x, __ATOMIC_SEQ_CST);
}
int __tsan_atomic32_compare_exchange_strong(volatile std::uint32_t* p, std::uint32_t* expected, std::uint32_t x, int,
                                            int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return compare_exchange(p, expected, x);
}
int __tsan_atomic32_compare_exchange_weak(volatile std::uint32_t* p, std::uint32_t* expected, std::uint32_t x, int,
                                          int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return compare_exchange(p, expected, x);
}

std::uint64_t __tsan_atomic64_load(const volatile std::uint64_t* p, int) {
  checked(p, Kind::volatile_read, __builtin_return_address(0));
  return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}
void __tsan_atomic64_store(volatile std::uint64_t* p, std::uint64_t x, int) {
  checked(p, Kind::volatile_write, __builtin_return_address(0));
  __atomic_store_n(p, x, __ATOMIC_SEQ_CST);
}
std::uint64_t __tsan_atomic64_exchange(volatile std::uint64_t* p, std::uint64_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_exchange_n(p, x, __ATOMIC_SEQ_CST);
}
std::uint64_t __tsan_atomic64_fetch_add(volatile std::uint64_t* p, std::uint64_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_add(p, x, __ATOMIC_SEQ_CST);
}
std::uint64_t __tsan_atomic64_fetch_sub(volatile std::uint64_t* p, std::uint64_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_sub(p, x, __ATOMIC_SEQ_CST);
}
std::uint64_t __tsan_atomic64_fetch_and(volatile std::uint64_t* p, std::uint64_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_and(p, x, __ATOMIC_SEQ_CST);
}
std::uint64_t __tsan_atomic64_fetch_or(volatile std::uint64_t* p, std::uint64_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_or(p, x, __ATOMIC_SEQ_CST);
}
std::uint64_t __tsan_atomic64_fetch_xor(volatile std::uint64_t* p, std::uint64_t x, int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return __atomic_fetch_xor(p, x, __ATOMIC_SEQ_CST);
}
int __tsan_atomic64_compare_exchange_strong(volatile std::uint64_t* p, std::uint64_t* expected, std::uint64_t x, int,
                                            int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return compare_exchange(p, expected, x);
}
int __tsan_atomic64_compare_exchange_weak(volatile std::uint64_t* p, std::uint64_t* expected, std::uint64_t x, int,
                                          int) {
  checked(p, Kind::atomic, __builtin_return_address(0));
  return compare_exchange(p, expected, x);
}

void __tsan_atomic_thread_fence(int) {
  if (running.checked) simt::relax();
  simt::check::fence(true);
}
void __tsan_atomic_signal_fence(int) {}

}  // extern "C"
