// Atomic operations, relaxed as on the device, and fences. Types are those that the device has.
#pragma once

#include <cstring>
#include <type_traits>

#include "tests/simt/device/calls.h"

namespace simt {

template <class T, class... U>
concept AnyOf = (std::is_same_v<T, U> || ...);
template <class T>
concept Word = AnyOf<T, int, unsigned, unsigned long long>;
template <class T>
concept SignedWord = Word<T> || AnyOf<T, long long>;
template <class T>
concept Number = Word<T> || AnyOf<T, float, double>;

/// Replaces *p by f(*p) at once; gives back what was there.
template <class T, class F>
__attribute__((no_sanitize("thread"))) T replace(T* p, F f, Where where) {
  before_atomic(p, sizeof(T), where);
  T old, next;
  __atomic_load(p, &old, __ATOMIC_RELAXED);
  do next = f(old);
  while (!__atomic_compare_exchange(p, &old, &next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return old;
}

}  // namespace simt

template <simt::Number T>
T atomicAdd(T* p, std::type_identity_t<T> x, simt::Where where = simt::Where::current()) {
  return simt::replace(
      p,
      [x](T old) {
        if constexpr (std::is_same_v<T, int>)
          return static_cast<int>(static_cast<unsigned>(old) + static_cast<unsigned>(x));
        else
          return static_cast<T>(old + x);
      },
      where);
}
template <class T>
requires simt::AnyOf<T, int, unsigned> T atomicSub(T* p, std::type_identity_t<T> x,
                                                   simt::Where where = simt::Where::current()) {
  return simt::replace(
      p, [x](T old) { return static_cast<T>(static_cast<unsigned>(old) - static_cast<unsigned>(x)); }, where);
}
template <class T>
requires(simt::Word<T> || std::is_same_v<T, float>) T
    atomicExch(T* p, std::type_identity_t<T> x, simt::Where where = simt::Where::current()) {
  return simt::replace(
      p, [x](T) { return x; }, where);
}
template <simt::SignedWord T>
T atomicMin(T* p, std::type_identity_t<T> x, simt::Where where = simt::Where::current()) {
  return simt::replace(
      p, [x](T old) { return x < old ? x : old; }, where);
}
template <simt::SignedWord T>
T atomicMax(T* p, std::type_identity_t<T> x, simt::Where where = simt::Where::current()) {
  return simt::replace(
      p, [x](T old) { return old < x ? x : old; }, where);
}
template <simt::SignedWord T>
T atomicAnd(T* p, std::type_identity_t<T> x, simt::Where where = simt::Where::current()) {
  return simt::replace(
      p, [x](T old) { return old & x; }, where);
}
template <simt::SignedWord T>
T atomicOr(T* p, std::type_identity_t<T> x, simt::Where where = simt::Where::current()) {
  return simt::replace(
      p, [x](T old) { return old | x; }, where);
}
template <simt::SignedWord T>
T atomicXor(T* p, std::type_identity_t<T> x, simt::Where where = simt::Where::current()) {
  return simt::replace(
      p, [x](T old) { return old ^ x; }, where);
}
/// Counts up to `last`, then from 0 again.
inline unsigned atomicInc(unsigned* p, unsigned last, simt::Where where = simt::Where::current()) {
  return simt::replace(
      p, [last](unsigned old) { return old >= last ? 0u : old + 1; }, where);
}
inline unsigned atomicDec(unsigned* p, unsigned last, simt::Where where = simt::Where::current()) {
  return simt::replace(
      p, [last](unsigned old) { return old == 0 || old > last ? last : old - 1; }, where);
}
template <class T>
requires(simt::Word<T> || std::is_same_v<T, unsigned short>) T
    atomicCAS(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> x,
              simt::Where where = simt::Where::current()) {
  return simt::replace(
      p, [expected, x](T old) { return old == expected ? x : old; }, where);
}

inline void __threadfence_block(simt::Where where = simt::Where::current()) { simt::fence(false, where); }
inline void __threadfence(simt::Where where = simt::Where::current()) { simt::fence(true, where); }
inline void __threadfence_system(simt::Where where = simt::Where::current()) { simt::fence(true, where); }
inline void __nanosleep(unsigned) { simt::yield(); }
[[noreturn]] inline void __trap(simt::Where where = simt::Where::current()) { simt::fail("__trap()", where); }
