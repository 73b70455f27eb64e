// Barriers and collectives of blocks and warps. What is not offered, such as __activemask and collectives without a
// mask, does not compile: since Volta no mask may be guessed.
#pragma once

#include <type_traits>

#include "tests/simt/device/calls.h"

inline void __syncthreads(simt::Where where = simt::Where::current()) {
  simt::block_barrier(simt::Call::barrier, false, where);
}
inline int __syncthreads_count(int predicate, simt::Where where = simt::Where::current()) {
  return simt::block_barrier(simt::Call::barrier_count, predicate != 0, where);
}
inline int __syncthreads_and(int predicate, simt::Where where = simt::Where::current()) {
  return simt::block_barrier(simt::Call::barrier_and, predicate != 0, where);
}
inline int __syncthreads_or(int predicate, simt::Where where = simt::Where::current()) {
  return simt::block_barrier(simt::Call::barrier_or, predicate != 0, where);
}
inline void __syncwarp(unsigned mask = 0xffffffffu, simt::Where where = simt::Where::current()) {
  simt::warp_call({simt::Call::syncwarp, mask, 0, 0, nullptr, nullptr, where});
}

namespace simt {

template <class T>
concept Shuffled = std::is_trivially_copyable_v<T> &&(sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8);

template <Shuffled T>
T shuffle(Call call, unsigned mask, T value, unsigned source, Where where) {
  T result = value;
  warp_call({call, mask, sizeof(T), source, &value, &result, where});
  return result;
}
/// First and last lane of the thread's segment of `width` lanes.
inline unsigned first_lane(int width) { return lane_of_thread() & ~static_cast<unsigned>(width - 1); }
inline unsigned last_lane(int width) { return lane_of_thread() | static_cast<unsigned>(width - 1); }

inline unsigned vote(Call call, unsigned mask, unsigned value, Where where) {
  unsigned result = 0;
  warp_call({call, mask, sizeof value, 0, &value, &result, where});
  return result;
}

}  // namespace simt

template <simt::Shuffled T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, simt::Where where = simt::Where::current()) {
  const unsigned within = static_cast<unsigned>(source) & static_cast<unsigned>(width - 1);
  return simt::shuffle(simt::Call::shfl, mask, value, simt::first_lane(width) | within, where);
}
template <simt::Shuffled T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, simt::Where where = simt::Where::current()) {
  const unsigned lane = simt::lane_of_thread();
  const unsigned source = lane < simt::first_lane(width) + delta ? lane : lane - delta;
  return simt::shuffle(simt::Call::shfl_up, mask, value, source, where);
}
template <simt::Shuffled T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, simt::Where where = simt::Where::current()) {
  const unsigned lane = simt::lane_of_thread();
  const unsigned source = lane + delta > simt::last_lane(width) ? lane : lane + delta;
  return simt::shuffle(simt::Call::shfl_down, mask, value, source, where);
}
template <simt::Shuffled T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, simt::Where where = simt::Where::current()) {
  const unsigned lane = simt::lane_of_thread(), other = lane ^ static_cast<unsigned>(lanes);
  return simt::shuffle(simt::Call::shfl_xor, mask, value, other > simt::last_lane(width) ? lane : other, where);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, simt::Where where = simt::Where::current()) {
  return simt::vote(simt::Call::ballot, mask, predicate != 0, where);
}
inline int __any_sync(unsigned mask, int predicate, simt::Where where = simt::Where::current()) {
  return static_cast<int>(simt::vote(simt::Call::any, mask, predicate != 0, where));
}
inline int __all_sync(unsigned mask, int predicate, simt::Where where = simt::Where::current()) {
  return static_cast<int>(simt::vote(simt::Call::all, mask, predicate != 0, where));
}
template <class T>
requires(sizeof(T) == 4 || sizeof(T) == 8) unsigned __match_any_sync(unsigned mask, T value,
                                                                     simt::Where where = simt::Where::current()) {
  unsigned result = 0;
  simt::warp_call({simt::Call::match_any, mask, sizeof(T), 0, &value, &result, where});
  return result;
}
template <class T>
requires(sizeof(T) == 4 || sizeof(T) == 8) unsigned __match_all_sync(unsigned mask, T value, int* same,
                                                                     simt::Where where = simt::Where::current()) {
  unsigned result = 0;
  simt::warp_call({simt::Call::match_all, mask, sizeof(T), 0, &value, &result, where});
  *same = result != 0;
  return result;
}

inline unsigned __reduce_add_sync(unsigned mask, unsigned value, simt::Where where = simt::Where::current()) {
  return simt::vote(simt::Call::reduce_add, mask, value, where);
}
inline int __reduce_add_sync(unsigned mask, int value, simt::Where where = simt::Where::current()) {
  return static_cast<int>(simt::vote(simt::Call::reduce_add, mask, static_cast<unsigned>(value), where));
}
inline unsigned __reduce_min_sync(unsigned mask, unsigned value, simt::Where where = simt::Where::current()) {
  return simt::vote(simt::Call::reduce_min, mask, value, where);
}
inline int __reduce_min_sync(unsigned mask, int value, simt::Where where = simt::Where::current()) {
  return static_cast<int>(simt::vote(simt::Call::reduce_min_signed, mask, static_cast<unsigned>(value), where));
}
inline unsigned __reduce_max_sync(unsigned mask, unsigned value, simt::Where where = simt::Where::current()) {
  return simt::vote(simt::Call::reduce_max, mask, value, where);
}
inline int __reduce_max_sync(unsigned mask, int value, simt::Where where = simt::Where::current()) {
  return static_cast<int>(simt::vote(simt::Call::reduce_max_signed, mask, static_cast<unsigned>(value), where));
}
inline unsigned __reduce_and_sync(unsigned mask, unsigned value, simt::Where where = simt::Where::current()) {
  return simt::vote(simt::Call::reduce_and, mask, value, where);
}
inline unsigned __reduce_or_sync(unsigned mask, unsigned value, simt::Where where = simt::Where::current()) {
  return simt::vote(simt::Call::reduce_or, mask, value, where);
}
inline unsigned __reduce_xor_sync(unsigned mask, unsigned value, simt::Where where = simt::Where::current()) {
  return simt::vote(simt::Call::reduce_xor, mask, value, where);
}
