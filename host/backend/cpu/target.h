// What one instruction set offers: tables of plain functions, filled by a translation unit compiled for that set.
// Nothing here may call into the standard library: what a target's translation unit instantiates out of line, the
// linker could keep for everybody.
#pragma once

#include <cstdint>

#include "fuselage/activations.h"
#include "fuselage/batch.h"
#include "fuselage/losses.h"
#include "fuselage/optimizers.h"

namespace fuselage::cpu {

inline constexpr int kTypes = 3;  ///< fp32, bf16, fp16: the first values of DType

/// Counts of a part of a pass; order does not matter.
struct Counts {
  std::int64_t count = 0, bad = 0, first_bad = -1, nonfinite = 0, correct = 0, top_k = 0;
};

/// A pointwise pass. Chunk c's results go to value[c], abs_error[c] and squared_error[c].
struct PointwisePass {
  const LossBatch* batch;
  bool plain;      ///< packed, one type, no weight, mask or upstream gradient for each output
  bool streaming;  ///< the gradient is larger than the caches: store past them
  float scale;     ///< gradient_scale()
  double *value, *abs_error, *squared_error;
};

/// A pass of softmax cross-entropy. Row r's value goes to value[r].
struct SoftmaxPass {
  const LossBatch* batch;
  double label_smoothing;
  bool has_ignore_index;
  std::int64_t ignore_index;
  const float* class_weight;  ///< packed [cols], or null
  bool plain_rows;            ///< labels, and no weight, mask or upstream gradient for each row
  bool streaming;
  float scale;
  double* value;
};

/// Memory of one worker in a pass over long rows: 4 arrays of `cols` rounded up to whole lanes, and the chunks.
struct RowScratch {
  float *terms, *logits, *targets, *gradient;  ///< `logits` and `gradient` hold the storage type
  struct SoftmaxChunkStore* chunks;
};

/// A run of elements of one parameter.
struct UpdateRun {
  void* value;
  const void* gradient;
  float* state[optim::kMaxSlots];
  std::int64_t size;
};

/// The scalars of an update that every rule shares.
struct UpdateScalars {
  const void* step;  ///< the rule's Step
  float l1, l2;
  bool maximize;
};

/// A block of rows of a layer, of `rows` x `cols` packed elements.
struct LayerRows {
  const void* activation;
  std::int64_t rows, cols;
  float* z;
  const float* bias;
  float* a;
  float* da;
  float* column_sum;  ///< [cols], of these rows
};

using PointwiseFn = void (*)(const void* loss, const PointwisePass&, std::int64_t first_chunk, std::int64_t last_chunk,
                             Counts&);
using SoftmaxFn = void (*)(const SoftmaxPass&, std::int64_t first_row, std::int64_t last_row, const RowScratch&,
                           Counts&);
using UpdateFn = void (*)(const UpdateScalars&, const UpdateRun&);
using LayerFn = void (*)(const LayerRows&);

struct Target {
  const char* name;
  PointwiseFn pointwise[Losses::size][kTypes];  ///< null for row losses
  SoftmaxFn softmax[kTypes];
  UpdateFn update[Optimizers::size][kTypes];
  LayerFn forward[Activations::size];
  LayerFn backward[Activations::size];
};

const Target& portable_target();
const Target& avx2_target();
const Target& avx512_target();

}  // namespace fuselage::cpu
