// The optimizer step: one launch looks at all gradients where that is asked for, one prepares the scalars of all
// groups, one more measures norms where a rule depends on them, and one for each rule moves everything.
// budget: prepare_kernel registers<=128 spills=128
// budget: observe_kernel registers<=64 spills=0
// budget: update_kernel registers<=128 spills=0
// budget: measure_kernel registers<=128 spills=0
#include "kernels/update.cuh"

#include "kernels/gradient.cuh"
#include "kernels/pass.cuh"

namespace fuselage::kernels {

namespace {

constexpr int kPrepareThreads = 64;  // the most of a block

/// A group for each thread, so that what it spills does not matter. The counters move when all groups are prepared,
/// which read them.
__global__ void __launch_bounds__(kPrepareThreads)
    prepare_kernel(const __grid_constant__ UpdateScalars s, unsigned* ticket) {
  const StepVerdict verdict = judge_step(*s.state, s.gate, s.gradient.found);
  const bool apply = verdict == StepVerdict::move;
  const std::int64_t step = s.state->step + 1;
  for (std::int64_t g = thread_of_grid(); g < s.count; g += threads_of_grid()) {
    if (apply)
      prepare_group(s.groups[g], step, s.group_states[g], s.prepared[g]);
    else
      s.prepared[g].apply = false;
  }
  if (!last_block(ticket) || threadIdx.x > 0) return;
  count_step(s.gradient.options, verdict, s.gradient.found, s.count > 0 ? s.group_states[0].lr : s.state->lr, *s.state);
  if (s.gradient.found) *s.gradient.found = {};
}

__global__ void __launch_bounds__(kPrepareThreads)
    observe_kernel(const __grid_constant__ UpdateScalars s, const double* value) {
  for (std::int64_t g = thread_of_grid(); g < s.count; g += threads_of_grid())
    observe_group(s.groups[g], *value, s.group_states[g]);
}

using RuleLaunch = void (*)(const UpdateRule&, const PreparedGroup*, CUstream_st*);

template <class R>
void launch_update(const UpdateRule& rule, const PreparedGroup* prepared, CUstream_st* stream) {
  launch({.name = "update",
          .blocks = blocks_for(rule.table.chunks, 1),
          .threads = threads_for(kUpdateThreads),
          .stream = stream},
         update_kernel<R>, rule, prepared);
}

template <class R>
void launch_measure(const UpdateRule& rule, const PreparedGroup* prepared, CUstream_st* stream) {
  if constexpr (optim::NormRule<R>)
    launch({.name = "norms of an update",
            .blocks = blocks_for(rule.table.chunks, 1),
            .threads = threads_for(kUpdateThreads),
            .stream = stream},
           measure_kernel<R>, rule, prepared);
}

struct RuleLaunches {
  RuleLaunch update, measure;
};
template <class... R>
constexpr std::array<RuleLaunches, sizeof...(R)> launches_of(Catalogue<R...>) {
  return {RuleLaunches{launch_update<R>, launch_measure<R>}...};
}
constexpr auto kRules = launches_of(Optimizers{});

}  // namespace

void update(const UpdateScalars& scalars, std::span<const UpdateRule> rules, const PassMemory& memory,
            CUstream_st* stream) {
  if (scalars.gradient.found) look_at_gradients(scalars, stream);
  const int threads = threads_for(kPrepareThreads);
  launch({.name = "prepare update", .blocks = blocks_for(scalars.count, threads), .threads = threads, .stream = stream},
         prepare_kernel, scalars, &static_cast<Counters*>(memory.counters)->ticket);
  for (const UpdateRule& rule : rules) {
    if (rule.table.chunks == 0) continue;
    if (kDependsOnNorms[rule.rule]) kRules[rule.rule].measure(rule, scalars.prepared, stream);
    kRules[rule.rule].update(rule, scalars.prepared, stream);
  }
}

void observe(const UpdateScalars& scalars, const double* value, CUstream_st* stream) {
  const int threads = threads_for(kPrepareThreads);
  launch({.name = "observe", .blocks = blocks_for(scalars.count, threads), .threads = threads, .stream = stream},
         observe_kernel, scalars, value);
}

}  // namespace fuselage::kernels
