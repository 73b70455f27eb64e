// Loads and stores with cache hints: accesses like all others, so the compiler has them checked. Those that go past
// the caches of a multiprocessor are how a thread polls what another one writes: there others may get on. Always
// inlined, so that an access has the line of its caller.
#pragma once

#include <type_traits>

#include "tests/simt/device/calls.h"

template <class T>
[[gnu::always_inline]] inline T __ldg(const T* p) {
  return *p;
}
template <class T>
[[gnu::always_inline]] inline T __ldca(const T* p) {
  return *p;
}
template <class T>
[[gnu::always_inline]] inline T __ldcs(const T* p) {
  return *p;
}
template <class T>
[[gnu::always_inline]] inline T __ldlu(const T* p) {
  return *p;
}
template <class T>
[[gnu::always_inline]] inline T __ldcg(const T* p) {
  simt::relax();
  return *p;
}
template <class T>
[[gnu::always_inline]] inline T __ldcv(const T* p) {
  simt::relax();
  return *p;
}
template <class T>
[[gnu::always_inline]] inline void __stwb(T* p, std::type_identity_t<T> x) {
  *p = x;
}
template <class T>
[[gnu::always_inline]] inline void __stcs(T* p, std::type_identity_t<T> x) {
  *p = x;
}
template <class T>
[[gnu::always_inline]] inline void __stcg(T* p, std::type_identity_t<T> x) {
  *p = x;
}
template <class T>
[[gnu::always_inline]] inline void __stwt(T* p, std::type_identity_t<T> x) {
  *p = x;
}
