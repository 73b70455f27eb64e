// The seam between host and device code: what the kernels can do, as plain functions that queue work on a stream.
//
// Nothing here allocates or waits. Pointers are device memory, and views hold device memory; arguments were checked by
// the caller. A launch that fails throws Error(cuda).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "fuselage/activations.h"
#include "fuselage/batch.h"
#include "fuselage/batch_triplet.h"
#include "fuselage/episodes.h"
#include "fuselage/fairness.h"
#include "fuselage/loss/traits.h"
#include "fuselage/losses.h"
#include "fuselage/optimizers.h"
#include "fuselage/pair_pass.h"
#include "fuselage/schedules.h"
#include "fuselage/term_pass.h"
#include "fuselage/update_pass.h"

struct CUstream_st;

namespace fuselage::kernels {

/// What devices that run these kernels are called: "cuda".
std::string_view device_name();

/// What the device has to offer. Results do not depend on it.
struct Limits {
  std::int64_t blocks = 2048;            ///< the most blocks of a grid; the rest of the work is walked in strides
  std::size_t shared_bytes = 48 * 1024;  ///< the most dynamic shared memory of a block
  int threads = 1024;                    ///< the most threads of a block, a multiple of 32; each kernel has its own too
  std::int64_t sums = 16 * 1024;         ///< the most doubles that one block adds up; more have a launch of their own
};
[[gnu::visibility("default")]] const Limits& limits();
/// For the whole process; not while another thread launches.
void set_limits(const Limits& limits);

/// The architectures that the kernels were compiled for, such as 900 for sm_90.
std::span<const int> architectures();
/// Why the current device cannot run the kernels, and what to do about it; empty where it can.
std::string refused_by_device();

/// Bytes of the counters that passes share; they must be zero before the first pass, and passes leave them zero.
inline constexpr std::size_t kCounterBytes = 256;

/// Memory of a pass, 256-byte aligned: counters of kCounterBytes, and scratch of at least loss_scratch(...) bytes,
/// whose contents do not matter. One pass at a time uses it.
struct PassMemory {
  void* counters = nullptr;
  void* scratch = nullptr;
};

/// A loss pass: value, gradient and report.
std::size_t loss_scratch(const AnyLoss& loss, const LossBatch& batch);
void loss(const AnyLoss& loss, const LossBatch& batch, LossReport* report, const PassMemory& memory,
          CUstream_st* stream);
/// The same for a loss of the user's own that has a kernel.
std::size_t loss_scratch(const OwnLossView& loss, const LossBatch& batch);
void loss(const OwnLossView& loss, const LossBatch& batch, LossReport* report, const PassMemory& memory,
          CUstream_st* stream);

/// A tensor that an update moves; see Parameter in backend.h.
struct UpdateTensor {
  void* value;
  const void* gradient;
  float* state[optim::kMaxSlots];  ///< null where the rule does not use it
  double* kept;
  const GradientFactors* factors;  ///< null where nothing happens to gradients before the rule
  std::int64_t size;
  DType dtype;
  std::int32_t group;
};
/// Tensors of an update, in device memory: `first_chunk` as tensor_of_chunk wants it.
struct UpdateTable {
  const UpdateTensor* tensors = nullptr;
  const std::int64_t* first_chunk = nullptr;  ///< [count + 1]
  std::int64_t count = 0, chunks = 0;
};
/// The tensors of one rule; the memory behind them is for rules that depend on norms, `tickets` are zero between steps.
struct UpdateRule {
  std::size_t rule = 0;  ///< place in the list of optimizers
  UpdateTable table;
  double* squares = nullptr;    ///< [2, table.chunks]
  unsigned* tickets = nullptr;  ///< [table.count]
  StepBytes* fitted = nullptr;  ///< [table.count]
};
/// A pass over all gradients; `tickets` are zero between steps, and so is what was found.
struct GradientPass {
  GradientOptions options;
  UpdateTable table;                   ///< of all tensors
  double* squares = nullptr;           ///< [table.chunks]
  double* of_tensors = nullptr;        ///< [2, table.count]
  unsigned* tickets = nullptr;         ///< [table.count + 1], the last one of the grid
  GradientFactors* factors = nullptr;  ///< [table.count]
  GradientFindings* found = nullptr;   ///< null where gradients are not looked at
};
/// What a step needs beside its tensors, in device memory.
struct UpdateScalars {
  const UpdateGroup* groups = nullptr;  ///< [count]
  PreparedGroup* prepared = nullptr;    ///< [count]
  std::int64_t count = 0;
  StepState* state = nullptr;
  GroupState* group_states = nullptr;  ///< [count]
  const LossReport* gate = nullptr;
  GradientPass gradient;
};
/// One step of every tensor: see Backend::update.
void update(const UpdateScalars& scalars, std::span<const UpdateRule> rules, const PassMemory& memory,
            CUstream_st* stream);
/// What an observation, in device memory, makes of the groups' states: see Backend::observe.
void observe(const UpdateScalars& scalars, const double* value, CUstream_st* stream);

/// See Backend::norms; scratch of norm_scratch(...) bytes.
std::size_t norm_scratch(const UpdateTable& table);
void norms(const UpdateTable& table, ParameterNorms* norms, const PassMemory& memory, CUstream_st* stream);

/// See Backend::weigh_terms, add_terms and add.
void weigh_terms(const TermWeights& terms, const float* log_variances, float* factors, CUstream_st* stream);
void add_terms(const TermWeights& terms, const LossReport* reports, const float* log_variances,
               float* log_variance_gradient, float scale, LossReport* total, CUstream_st* stream);
void add(const View& sum, const ConstView& from, LossReport* report, CUstream_st* stream);

/// See Backend::penalty; scratch of penalty_scratch(...) bytes.
std::size_t penalty_scratch(const AnyPenalty& penalty, const GroupBatch& batch);
void penalty(const AnyPenalty& penalty, const GroupBatch& batch, LossReport* report, void* scratch,
             CUstream_st* stream);

/// See Backend::group_sums and join; scratch of group_sums_scratch(...) bytes.
std::size_t group_sums_scratch(const GroupMeasure& measure, const GroupBatch& batch);
void group_sums(const GroupMeasure& measure, const GroupBatch& batch, GroupSums* sums, LossReport* report,
                void* scratch, CUstream_st* stream);
void join(LossReport* to, const LossReport* from, CUstream_st* stream);

/// See Backend::pair_step.
void pair_step(const PairStep& step, CUstream_st* stream);

/// See Backend::batch_triplet; scratch of triplet_scratch(...) bytes.
std::size_t triplet_scratch(const TripletBatch& batch);
void batch_triplet(const BatchTriplet& spec, const TripletBatch& batch, LossReport* report, void* scratch,
                   CUstream_st* stream);

/// See Backend::discounted_returns and gae; scratch of episodes_scratch(...) bytes where there is a report.
std::size_t episodes_scratch(const Episodes& episodes);
void episodes(const Episodes& episodes, bool advantages, EpisodesReport* report, void* scratch, CUstream_st* stream);

/// See Backend::bias_activation.
void bias_activation(const AnyActivation& activation, std::int64_t rows, std::int64_t cols, float* z, const float* bias,
                     float* a, CUstream_st* stream);
/// See Backend::bias_activation_backward; scratch of column_scratch(...) bytes.
std::size_t column_scratch(std::int64_t rows, std::int64_t cols);
void bias_activation_backward(const AnyActivation& activation, std::int64_t rows, std::int64_t cols, const float* z,
                              const float* a, float* da, float* bias_gradient, void* scratch, CUstream_st* stream);

}  // namespace fuselage::kernels
