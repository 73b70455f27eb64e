// Returns and advantages over episodes: a thread walks a sequence backwards in time. Where time is the first dimension
// in memory, neighbouring threads read neighbouring elements.
#include "fuselage/episodes.h"

#include "kernels/launch.cuh"
#include "kernels/memory.cuh"
#include "kernels/reduce.cuh"

namespace fuselage::kernels {

namespace {

constexpr int kEpisodeThreads = 128;
constexpr int kEndThreads = 256;

using Count = unsigned long long;

/// What a block found; integers, so that their order does not show.
struct EpisodeCounts {
  Count steps = 0, bad = 0, nonfinite = 0;
  Count least_bad = 0;  ///< ~index of the first bad sequence; 0 where there is none
};

struct EpisodeArgs {
  Plane reward, value, done, bootstrap, length;
  MutablePlane returns, advantage;
  std::int64_t sequences, steps;
  episodes::Discount by;
  EpisodeCounts* found;  ///< one for each block, or null
};

/// The counts of a block, in its thread 0. All threads of the block call it, once in a launch.
__device__ __forceinline__ EpisodeCounts counts_of_block(const EpisodeCounts& own) {
  auto& of_warps = shared<EpisodeCounts[kMostWarps]>([] {});
  EpisodeCounts sum;
  sum.steps = warp_reduce(own.steps, Sum{});
  sum.bad = warp_reduce(own.bad, Sum{});
  sum.nonfinite = warp_reduce(own.nonfinite, Sum{});
  sum.least_bad = warp_reduce(own.least_bad, Greater{});
  if (lane_id() == 0) of_warps[warp_id()] = sum;
  __syncthreads();
  if (threadIdx.x > 0) return sum;
  for (int w = 1; w < warps_of_block(); ++w) {
    sum.steps += of_warps[w].steps;
    sum.bad += of_warps[w].bad;
    sum.nonfinite += of_warps[w].nonfinite;
    sum.least_bad = Greater{}(sum.least_bad, of_warps[w].least_bad);
  }
  return sum;
}

__device__ __forceinline__ void put(const MutablePlane& to, std::int64_t s, std::int64_t t, double x,
                                    Count& nonfinite) {
  if (!to.data) return;
  const float stored = from_float<float>(static_cast<float>(x));
  static_cast<float*>(to.data)[s * to.row_stride + t * to.col_stride] = stored;
  nonfinite += episodes::is_finite(stored) ? 0 : 1;
}

__device__ __forceinline__ float float_at(const Plane& p, std::int64_t s, std::int64_t t) {
  return static_cast<const float*>(p.data)[s * p.row_stride + t * p.col_stride];
}

template <bool kAdvantages>
__device__ __forceinline__ void walk_sequence(const EpisodeArgs& a, std::int64_t s, EpisodeCounts& found) {
  std::int64_t length = a.steps;
  if (a.length.data) {
    const std::int64_t given = label_at(a.length, s);
    length = episodes::counted_steps(given, a.steps);
    if (given != length) {
      ++found.bad;
      found.least_bad = Greater{}(found.least_bad, ~static_cast<Count>(s));
    }
  }
  found.steps += static_cast<Count>(length);
  Count past = 0;
  for (std::int64_t t = a.steps - 1; t >= length; --t) {
    put(a.returns, s, t, 0, past);
    if (kAdvantages) put(a.advantage, s, t, 0, past);
  }
  episodes::Carry carry{a.bootstrap.data ? float_at(a.bootstrap, s, 0) : 0.0f, 0};
  for (std::int64_t t = length - 1; t >= 0; --t) {
    const float reward = float_at(a.reward, s, t);
    const bool done =
        a.done.data && static_cast<const std::uint8_t*>(a.done.data)[s * a.done.row_stride + t * a.done.col_stride] > 0;
    if constexpr (kAdvantages) {
      const double value = float_at(a.value, s, t);
      const double advantage = episodes::step_advantage(a.by, reward, value, done, carry);
      put(a.advantage, s, t, advantage, found.nonfinite);
      put(a.returns, s, t, advantage + value, found.nonfinite);
    } else {
      put(a.returns, s, t, episodes::step_return(a.by.gamma, reward, done, carry), found.nonfinite);
    }
  }
}

// budget: episodes_kernel registers<=80 spills=0
template <bool kAdvantages>
__global__ void __launch_bounds__(kEpisodeThreads) episodes_kernel(const __grid_constant__ EpisodeArgs a) {
  EpisodeCounts found;
  for (std::int64_t s = thread_of_grid(); s < a.sequences; s += threads_of_grid())
    walk_sequence<kAdvantages>(a, s, found);
  if (!a.found) return;
  const EpisodeCounts sum = counts_of_block(found);
  if (threadIdx.x == 0) a.found[blockIdx.x] = sum;
}

/// One block gathers what the others found.
// budget: episodes_end_kernel registers<=64 spills=0
__global__ void __launch_bounds__(kEndThreads)
    episodes_end_kernel(const __grid_constant__ EpisodeArgs a, std::int64_t blocks, EpisodesReport* report) {
  EpisodeCounts own;
  for (std::int64_t b = threadIdx.x; b < blocks; b += blockDim.x) {
    const EpisodeCounts& part = a.found[b];
    own.steps += part.steps;
    own.bad += part.bad;
    own.nonfinite += part.nonfinite;
    own.least_bad = Greater{}(own.least_bad, part.least_bad);
  }
  const EpisodeCounts sum = counts_of_block(own);
  if (threadIdx.x > 0) return;
  EpisodesReport found;
  found.steps = static_cast<std::int64_t>(sum.steps);
  found.bad_lengths = static_cast<std::int64_t>(sum.bad);
  found.nonfinite = static_cast<std::int64_t>(sum.nonfinite);
  if (sum.bad > 0) {
    found.first_bad_sequence = static_cast<std::int64_t>(~sum.least_bad);
    found.first_bad_length = label_at(a.length, found.first_bad_sequence);
  }
  *report = found;
}

std::int64_t blocks_of(const Episodes& e) { return blocks_for(e.reward.rows, threads_for(kEpisodeThreads)); }

}  // namespace

std::size_t episodes_scratch(const Episodes& e) {
  return static_cast<std::size_t>(blocks_of(e)) * sizeof(EpisodeCounts);
}

void episodes(const Episodes& e, bool advantages, EpisodesReport* report, void* scratch, CUstream_st* stream) {
  const std::int64_t sequences = e.reward.rows, steps = e.reward.cols;
  if (sequences == 0 && !report) return;
  const EpisodeArgs a{plane_of(e.reward, sequences, steps),
                      plane_of(e.value, sequences, steps),
                      plane_of(e.done, sequences, steps),
                      plane_of(e.bootstrap, sequences, 1),
                      plane_of(e.length, sequences, 1),
                      plane_of(e.returns, sequences, steps),
                      plane_of(e.advantage, sequences, steps),
                      sequences,
                      steps,
                      {e.gamma, e.gamma * e.lambda},
                      static_cast<EpisodeCounts*>(report ? scratch : nullptr)};
  launch({.name = advantages ? "advantages" : "discounted returns",
          .blocks = blocks_of(e),
          .threads = threads_for(kEpisodeThreads),
          .stream = stream},
         advantages ? episodes_kernel<true> : episodes_kernel<false>, a);
  if (report)
    launch({.name = "end of episodes", .blocks = 1, .threads = threads_for(kEndThreads), .stream = stream},
           episodes_end_kernel, a, blocks_of(e), report);
}

}  // namespace fuselage::kernels
