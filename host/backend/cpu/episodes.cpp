// Returns and advantages on the CPU's threads. A task walks a few sequences side by side, so that memory with time as
// its first dimension is read along its rows too.
#include "host/backend/cpu/episodes.h"

#include <mutex>

#include "fuselage/core/partition.h"
#include "host/backend/cpu/staging.h"
#include "host/backend/cpu/workers.h"

namespace fuselage::cpu {

namespace {

constexpr std::int64_t kSequences = 64;  ///< of a task
constexpr std::int64_t kSteps = 1 << 15;

struct Walk {
  const Episodes& e;
  bool advantages;
  episodes::Discount by{e.gamma, e.gamma* e.lambda};

  /// Step t of sequence s; gives back how many of its outputs are not finite.
  int step(std::int64_t s, std::int64_t t, episodes::Carry& carry) const {
    const double reward = *address<float>(e.reward, s, t);
    const bool done = e.done && *address<std::uint8_t>(e.done, s, t) != 0;
    if (!advantages) return put(e.returns, s, t, episodes::step_return(by.gamma, reward, done, carry));
    const double value = *address<float>(e.value, s, t);
    const double advantage = episodes::step_advantage(by, reward, value, done, carry);
    return put(e.advantage, s, t, advantage) + put(e.returns, s, t, advantage + value);
  }
  void clear(std::int64_t s, std::int64_t t) const {
    put(e.returns, s, t, 0);
    if (advantages) put(e.advantage, s, t, 0);
  }

 private:
  static int put(const View& to, std::int64_t s, std::int64_t t, double x) {
    if (!to) return 0;
    const auto stored = from_float<float>(static_cast<float>(x));
    *address<float>(to, s, t) = stored;
    return episodes::is_finite(stored) ? 0 : 1;
  }
};

/// Sequences first to last - 1, at most kSequences.
EpisodesReport run_block(const Walk& walk, std::int64_t first, std::int64_t last) {
  const Episodes& e = walk.e;
  const std::int64_t steps = e.reward.cols, count = last - first;
  std::int64_t length[kSequences];
  episodes::Carry carry[kSequences];
  EpisodesReport found;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t given = e.length ? label_at(e.length, first + i) : steps;
    if (given < 0 || given > steps) {
      if (found.bad_lengths++ == 0) found.first_bad_sequence = first + i, found.first_bad_length = given;
    }
    length[i] = episodes::counted_steps(given, steps);
    found.steps += length[i];
    if (e.bootstrap) carry[i].next = *address<float>(e.bootstrap, first + i, 0);
  }
  for (std::int64_t t = steps - 1; t >= 0; --t)
    for (std::int64_t i = 0; i < count; ++i) {
      if (t < length[i])
        found.nonfinite += walk.step(first + i, t, carry[i]);
      else
        walk.clear(first + i, t);
    }
  return found;
}

void add(const EpisodesReport& part, EpisodesReport& sum) {
  sum.steps += part.steps;
  sum.bad_lengths += part.bad_lengths;
  sum.nonfinite += part.nonfinite;
  if (part.bad_lengths > 0 && (sum.first_bad_sequence < 0 || part.first_bad_sequence < sum.first_bad_sequence)) {
    sum.first_bad_sequence = part.first_bad_sequence;
    sum.first_bad_length = part.first_bad_length;
  }
}

}  // namespace

EpisodesReport run_episodes(const Episodes& e, bool advantages, int threads) {
  const Walk walk{e, advantages};
  const std::int64_t sequences = e.reward.rows, steps = e.reward.cols;
  // Side by side only where neighbours in memory are neighbours in sequence.
  const std::int64_t beside = e.reward.row_stride < e.reward.col_stride ? kSequences : 1;
  const std::int64_t grain = ceil_div(std::max<std::int64_t>(1, kSteps / std::max<std::int64_t>(1, steps)), beside);
  EpisodesReport all;
  std::mutex guard;
  parallel_blocks(threads, sequences, grain * beside, [&](std::int64_t first, std::int64_t last, int) {
    EpisodesReport found;
    for (std::int64_t s = first; s < last; s += beside) add(run_block(walk, s, std::min(last, s + beside)), found);
    const std::lock_guard lock(guard);
    add(found, all);
  });
  return all;
}

}  // namespace fuselage::cpu
