#include "tests/simt/knowledge.h"

#include <algorithm>
#include <bit>

namespace simt {

namespace {

constexpr unsigned kLanes = 32;

/// Both of them.
SharedKnowledge join(const SharedKnowledge& a, const SharedKnowledge& b) {
  if (!a || a == b) return b;
  if (!b) return a;
  auto both = std::make_shared<KnownBlocks>(*a);
  for (const auto& [instance, block] : *b) {
    KnownBlock& mine = (*both)[instance];
    mine.phase = std::max(mine.phase, block.phase);
    for (const auto& [thread, clock] : block.clocks) {
      std::uint32_t& up_to = mine.clocks[thread];
      up_to = std::max(up_to, clock);
    }
  }
  return both;
}

bool holds(const SharedKnowledge& knowledge, const Access& access) {
  if (!knowledge) return false;
  const auto block = knowledge->find(access.instance);
  if (block == knowledge->end()) return false;
  if (access.phase < block->second.phase) return true;
  const auto clock = block->second.clocks.find(static_cast<unsigned>(access.thread));
  return clock != block->second.clocks.end() && access.clock <= clock->second;
}

}  // namespace

void Knowledge::begin(std::uint32_t instance, unsigned threads) {
  instance_ = instance;
  phase_ = 0;
  known_.reset();
  threads_.assign(threads, State{});
  lanes_.assign(static_cast<std::size_t>(threads) * kLanes, 0);
}

Access Knowledge::stamp(unsigned t) const {
  Access a;
  a.instance = instance_;
  a.thread = t;
  a.phase = phase_;
  a.clock = threads_[t].clock;
  return a;
}

bool Knowledge::ordered(const Access& a, unsigned t) const {
  if (a.instance == instance_) {
    if (a.thread == t || a.phase < phase_) return true;
    if (a.thread / kLanes == t / kLanes && a.clock <= lanes_[t * kLanes + a.thread % kLanes]) return true;
  }
  return holds(threads_[t].known, a) || holds(known_, a);
}

void Knowledge::barrier() {
  ++phase_;
  for (State& s : threads_) {
    if (s.known && s.known != known_) known_ = join(known_, s.known);
    s.known.reset();
  }
}

void Knowledge::syncwarp(unsigned warp, unsigned lanes) {
  const unsigned first = warp * kLanes;
  std::uint32_t all[kLanes] = {};
  SharedKnowledge known;
  for (unsigned left = lanes; left; left &= left - 1) {
    const unsigned t = first + static_cast<unsigned>(std::countr_zero(left));
    const std::uint32_t* row = &lanes_[static_cast<std::size_t>(t) * kLanes];
    for (unsigned j = 0; j < kLanes; ++j) all[j] = std::max(all[j], row[j]);
    known = join(known, threads_[t].known);
  }
  for (unsigned left = lanes; left; left &= left - 1) {
    const auto lane = static_cast<unsigned>(std::countr_zero(left));
    all[lane] = threads_[first + lane].clock++;
  }
  for (unsigned left = lanes; left; left &= left - 1) {
    const unsigned t = first + static_cast<unsigned>(std::countr_zero(left));
    std::copy(all, all + kLanes, &lanes_[static_cast<std::size_t>(t) * kLanes]);
    threads_[t].known = known;
  }
}

/// What thread t knows now, as another one can learn it.
SharedKnowledge Knowledge::all_of(unsigned t) const {
  auto own = std::make_shared<KnownBlocks>();
  KnownBlock& block = (*own)[instance_];
  block.phase = phase_;
  block.clocks[t] = threads_[t].clock;
  for (unsigned lane = 0; lane < kLanes; ++lane)
    if (const std::uint32_t clock = lanes_[t * kLanes + lane]; clock > 0 && t / kLanes * kLanes + lane != t)
      block.clocks[t / kLanes * kLanes + lane] = clock;
  return join(join(known_, threads_[t].known), own);
}

void Knowledge::fence(unsigned t, bool device) {
  State& s = threads_[t];
  s.known = join(s.known, s.heard_block);
  s.heard_block.reset();
  if (device) {
    s.known = join(s.known, s.heard_device);
    s.heard_device.reset();
  }
  s.released_block = all_of(t);
  if (device) s.released_device = s.released_block;
  ++s.clock;  // what comes after the fence was not released by it
}

void Knowledge::atomic(unsigned t, const void* p, Releases& releases) {
  State& s = threads_[t];
  const auto found = releases.find(p);
  if (found != releases.end()) {
    s.heard_device = join(s.heard_device, found->second.device);
    const auto block = found->second.block.find(instance_);
    if (block != found->second.block.end()) s.heard_block = join(s.heard_block, block->second);
  }
  if (!s.released_block) return;
  Released& at = found != releases.end() ? found->second : releases[p];
  SharedKnowledge& block = at.block[instance_];
  block = join(block, s.released_block);
  at.device = join(at.device, s.released_device);
}

}  // namespace simt
