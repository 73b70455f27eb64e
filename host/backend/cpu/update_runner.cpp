// Optimizer steps on the CPU's threads; see the header.
#include "host/backend/cpu/update_runner.h"

#include <algorithm>

#include "host/backend/cpu/workers.h"

namespace fuselage::cpu {
namespace {

constexpr std::int64_t kUpdateRun = 16384;  ///< elements of one run of an update
constexpr int kTile = 1024;                 ///< of a type that is not fp32: values and gradients stay in the cache

std::size_t index_of(std::int64_t i) { return static_cast<std::size_t>(i); }

template <class Void>
Void* at(Void* data, DType type, std::int64_t i) {
  using Bytes = std::conditional_t<std::is_const_v<Void>, const char, char>;
  return static_cast<Bytes*>(data) + i * static_cast<std::int64_t>(size_of(type));
}

/// Calls f(run) for elements [first, first + n) of a tensor as floats: for fp32 once on its own memory, for others on
/// tiles, whose values are written back.
template <class F>
void for_each_run(const Target& target, const Parameter& p, const GradientFactors& factors, std::int64_t first,
                  std::int64_t n, F&& f) {
  const auto run_at = [&](float* value, const float* gradient, std::int64_t i, std::int64_t size) {
    UpdateRun run{value, gradient, {}, size, factors};
    for (int k = 0; k < optim::kMaxSlots; ++k) run.state[k] = p.state[k] ? p.state[k] + i : nullptr;
    return run;
  };
  if (p.dtype == DType::f32) {
    f(run_at(static_cast<float*>(p.value) + first, static_cast<const float*>(p.gradient) + first, first, n));
    return;
  }
  const auto type = static_cast<std::size_t>(p.dtype);
  alignas(64) float value[kTile], gradient[kTile];
  for (std::int64_t i = first; i < first + n; i += kTile) {
    const int size = static_cast<int>(std::min<std::int64_t>(kTile, first + n - i));
    target.floats_from[type](at(p.value, p.dtype, i), value, size);
    target.floats_from[type](at(p.gradient, p.dtype, i), gradient, size);
    f(run_at(value, gradient, i, size));
    target.floats_to[type](value, at(p.value, p.dtype, i), size);
  }
}

GradientFactors factors_of(const Parameters& set, std::int64_t tensor) {
  return set.factors.empty() ? GradientFactors{} : set.factors[index_of(tensor)];
}
const PreparedGroup& group_of(const Parameters& set, const Parameter& p) { return set.prepared[index_of(p.group)]; }
std::size_t rule_of(const Parameters& set, const Parameter& p) {
  return static_cast<std::size_t>(set.groups[index_of(p.group)].rule.index());
}

template <class... R>
void fit_rule(Catalogue<R...>, std::size_t rule, StepBytes& step, double p_square, double measured, double& kept) {
  std::size_t i = 0;
  const auto fit = [&]<class One>(One*) {
    if constexpr (optim::NormRule<One>) One::fit(step.of<One>(), p_square, measured, kept);
  };
  ((i++ == rule ? fit(static_cast<R*>(nullptr)) : void()), ...);
}

/// The norms that rules depend on, and what becomes of their tensors' steps.
void measure(const Target& target, Parameters& set, int threads) {
  const std::int64_t chunks = set.first_chunk.back(), count = static_cast<std::int64_t>(set.tensors.size());
  parallel_blocks(threads, chunks, 8, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t chunk = first; chunk < last; ++chunk) {
      const std::int64_t t = tensor_of_chunk(set.first_chunk.data(), count, chunk);
      const Parameter& p = set.tensors[index_of(t)];
      const PreparedGroup& group = group_of(set, p);
      if (!group.apply) continue;
      const std::int64_t c = chunk - set.first_chunk[index_of(t)];
      // A chunk's lanes go on from tile to tile, so a narrower type is widened whole.
      alignas(64) float value[kChunk], gradient[kChunk];
      UpdateRun run{nullptr, nullptr, {}, chunk_length(p.size, c), factors_of(set, t)};
      for (int k = 0; k < optim::kMaxSlots; ++k) run.state[k] = p.state[k] ? p.state[k] + c * kChunk : nullptr;
      if (p.dtype == DType::f32) {
        run.value = static_cast<float*>(p.value) + c * kChunk;
        run.gradient = static_cast<const float*>(p.gradient) + c * kChunk;
      } else {
        const auto widen = target.floats_from[static_cast<std::size_t>(p.dtype)];
        widen(at(p.value, p.dtype, c * kChunk), value, static_cast<int>(run.size));
        widen(at(p.gradient, p.dtype, c * kChunk), gradient, static_cast<int>(run.size));
        run.value = value;
        run.gradient = gradient;
      }
      set.squares[index_of(chunk)] = target.measure[rule_of(set, p)](group.regularisation, group.step, run);
    }
  });
  const StandardFloats floats;
  for (std::size_t t = 0; t < set.tensors.size(); ++t) {
    const Parameter& p = set.tensors[t];
    const PreparedGroup& group = group_of(set, p);
    const std::int64_t first = set.first_chunk[t], own = set.first_chunk[t + 1] - first;
    if (own == 0 || !group.apply) continue;
    const auto square = [&](std::int64_t c) -> const ChunkSquares& { return set.squares[index_of(first + c)]; };
    double none = 0;
    set.fitted[t] = group.step;
    fit_rule(Optimizers{}, rule_of(set, p), set.fitted[t], add_sequence(own, [&](auto c) { return square(c).p; }),
             add_sequence(own, [&](auto c) { return square(c).measured; }), p.kept ? *p.kept : none);
    if (p.kept) *p.kept = canonical_nan(*p.kept);
  }
}

void move(const Target& target, const Parameters& set, int threads) {
  const std::int64_t runs = set.first_run.back(), count = static_cast<std::int64_t>(set.tensors.size());
  const std::int64_t grain = std::max<std::int64_t>(1, runs / (threads * 16));
  parallel_blocks(threads, runs, grain, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t run = first; run < last; ++run) {
      const std::int64_t t = tensor_of_chunk(set.first_run.data(), count, run);
      const Parameter& p = set.tensors[index_of(t)];
      const PreparedGroup& group = group_of(set, p);
      if (!group.apply) continue;
      const std::int64_t start = (run - set.first_run[index_of(t)]) * kUpdateRun;
      const StepBytes& step = set.measured(p) ? set.fitted[index_of(t)] : group.step;
      for_each_run(target, p, factors_of(set, t), start, std::min(kUpdateRun, p.size - start),
                   [&](const UpdateRun& piece) { target.update[rule_of(set, p)](group.regularisation, step, piece); });
    }
  });
}

}  // namespace

Parameters::Parameters(std::span<const Parameter> list, std::span<const ParameterGroup> list_of_groups,
                       const GradientOptions& options)
    : tensors(list.begin(), list.end()),
      groups(list_of_groups.begin(), list_of_groups.end()),
      prepared(list_of_groups.size()),
      first_run{0},
      first_chunk{0},
      gradient(options) {
  for (const Parameter& p : tensors) {
    first_run.push_back(first_run.back() + ceil_div(p.size, kUpdateRun));
    first_chunk.push_back(first_chunk.back() + (measured(p) ? chunks_of(p.size) : 0));
  }
  squares.resize(index_of(first_chunk.back()));
  if (!squares.empty()) fitted.resize(tensors.size());
  if (gradient.any()) factors.assign(tensors.size(), gradient_factors(gradient, 1));
  if (!gradient.passes()) return;
  first_gradient.push_back(0);
  for (const Parameter& p : tensors) first_gradient.push_back(first_gradient.back() + chunks_of(p.size));
  gradient_squares.resize(index_of(first_gradient.back()));
  tensor_squares.resize(tensors.size());
}

void update(const Target& target, Parameters& set, StepState& state, GroupState* groups, const LossReport* gate,
            int threads) {
  StepVerdict verdict = judge_step(state, gate, nullptr);
  GradientFindings found;
  const bool looks = set.gradient.passes();
  if (looks && verdict == StepVerdict::move) {
    found = look_at_gradients(target, set, state.loss_scale, threads);
    verdict = judge_step(state, gate, &found);
  }
  {
    const StandardFloats floats;
    if (verdict == StepVerdict::move)
      for (std::size_t g = 0; g < set.groups.size(); ++g)
        prepare_group(set.groups[g], state.step + 1, groups[g], set.prepared[g]);
    count_step(set.gradient, verdict, looks ? &found : nullptr, set.groups.empty() ? state.lr : groups[0].lr, state);
  }
  if (verdict != StepVerdict::move) return;
  if (!set.squares.empty()) measure(target, set, threads);
  move(target, set, threads);
}

void observe(const Parameters& set, GroupState* groups, double value) {
  const StandardFloats floats;
  for (std::size_t g = 0; g < set.groups.size(); ++g) observe_group(set.groups[g], value, groups[g]);
}

}  // namespace fuselage::cpu
