// What one instruction set offers: tables of plain functions, filled by a translation unit compiled for that set.
// Nothing here may call into the standard library: what a target's translation unit instantiates out of line, the
// linker could keep for everybody.
#pragma once

#include <cstdint>

#include "fuselage/activations.h"
#include "fuselage/batch.h"
#include "fuselage/core/softmax_shape.h"
#include "fuselage/loss/row.h"
#include "fuselage/losses.h"
#include "fuselage/optimizers.h"
#include "fuselage/tile.h"
#include "fuselage/update_pass.h"

namespace fuselage::cpu {

inline constexpr int kTypes = 3;  ///< fp32, bf16, fp16: the first values of DType

/// Counts of a part of a pass; order does not matter.
struct Counts {
  std::int64_t count = 0, bad = 0, first_bad = -1, nonfinite = 0, correct = 0, top_k = 0;
  std::int64_t positives = 0, chosen = 0, hits = 0;
  std::int64_t bad_weights = 0, first_bad_weight = -1;
};

/// A pointwise pass. Chunk c's sums go to value[c], abs_error[c] and so on; null where they are not measured.
struct PointwisePass {
  const LossBatch* batch;
  TileFns tiles;  ///< of the loss
  const void* loss;
  Domain domain;   ///< of targets
  bool plain;      ///< no weight, mask or upstream gradient for each output, where
  bool streaming;  ///< the gradient is larger than the caches: store past them
  float scale;     ///< gradient_scale()
  float shift;     ///< target_shift of the report
  double *value, *abs_error, *squared_error, *target, *target_squared;
};

/// A pass of softmax cross-entropy. Row r's value goes to value[r].
struct SoftmaxPass {
  const LossBatch* batch;
  double label_smoothing;
  float z_loss;
  SoftmaxShape shape;
  SoftmaxForm form;
  bool has_ignore_index;
  std::int64_t ignore_index;
  const float* class_weight;  ///< packed [cols], or null
  bool plain_rows;            ///< labels, and no weight, mask, length or upstream gradient for each row
  bool ranks;                 ///< a metric looks at the order of the logits
  bool streaming;
  float scale;
  double* value;
};

/// One row of a pass of a row loss, in fp32: what a loss sees, and what it finds.
struct StagedRow {
  const float* x[kRowInputs];  ///< [cols], readable up to a whole vector; null where the loss has no such input
  const float* t;              ///< likewise: numbers, or 1 at the label and 0 elsewhere; null where there is neither
  const float* w;              ///< likewise: class weights, or null
  float* most;                 ///< likewise: zeros, which the loss may change and leaves as zeros
  float* g[kRowInputs];        ///< [cols], writable up to a whole vector; null where no gradient is asked for
  RowFacts facts;              ///< of labels, weights, the row's own target and second input
  double scale;                ///< multiplies the derivatives
  float limit;                 ///< finite_limit() of the storage type
  double greatest;             ///< the prediction whose `confidence` is wanted
  bool tallied;                ///< whether it is
  double value;                ///< found: not weighted
  double confidence;           ///< found: row_confidence()
  std::int64_t nonfinite;      ///< found
};

/// Computes a row of the loss that `loss` points to.
using RowSumsFn = void (*)(const void* loss, StagedRow&);

/// A pass of a row loss. Row r's value goes to value[r].
struct RowSumsPass {
  const LossBatch* batch;
  const void* loss;
  RowSumsFn run;
  RowTarget target;
  Domain domain;  ///< of the target
  int inputs;
  bool row_second, has_ignore_index, spreads_labels;
  std::int64_t ignore_index;
  const float* class_weight;  ///< [cols] and zeros up to a whole vector, or null
  float scale;
  double* value;
};

/// Memory of one worker in such a pass: arrays of `cols` rounded up to whole lanes; `t` and `most` are zeros.
struct RowSumsScratch {
  float *x[kRowInputs], *g[kRowInputs], *t, *most;
};

/// Memory of one worker in a pass over long rows: 4 arrays of `cols` rounded up to whole lanes, and the chunks.
struct RowScratch {
  float *terms, *logits, *targets, *gradient;  ///< `logits` and `gradient` hold the storage type
  struct SoftmaxChunkStore* chunks;
};

/// A run of elements of one parameter, as floats; state that the rule does not use is null.
struct UpdateRun {
  float* value;
  const float* gradient;
  float* state[optim::kMaxSlots];
  std::int64_t size;
  GradientFactors factors;
};

/// What a chunk of a gradient holds: the sum of squares, and how many elements are not finite.
struct GradientChunk {
  double square;
  std::int64_t nonfinite;
};

/// Sums of squares over a chunk: of the parameters, and of what a rule measures.
struct ChunkSquares {
  double p, measured;
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

using PointwiseFn = void (*)(const PointwisePass&, std::int64_t first_chunk, std::int64_t last_chunk, Counts&);
using SoftmaxFn = void (*)(const SoftmaxPass&, std::int64_t first_row, std::int64_t last_row, const RowScratch&,
                           Counts&);
using RowSumsRowsFn = void (*)(const RowSumsPass&, std::int64_t first_row, std::int64_t last_row, const RowSumsScratch&,
                               Counts&);
using UpdateFn = void (*)(const Regularisation&, const StepBytes&, const UpdateRun&);
using MeasureFn = ChunkSquares (*)(const Regularisation&, const StepBytes&, const UpdateRun&);
using GradientFn = GradientChunk (*)(const GradientFactors&, const float* gradient, int n);
using FloatsFromFn = void (*)(const void* from, float* to, int n);
using FloatsToFn = void (*)(const float* from, void* to, int n);
using LayerFn = void (*)(const LayerRows&);

struct Target {
  const char* name;
  TileFns tiles[Losses::size];  ///< null for row losses
  PointwiseFn pointwise;        ///< value, gradient, metrics and counts
  PointwiseFn weights;          ///< the sums of the weights that count
  SoftmaxFn softmax[kTypes];
  RowSumsFn row[Losses::size];  ///< null for other losses
  RowSumsRowsFn rows;
  UpdateFn update[Optimizers::size];
  MeasureFn measure[Optimizers::size];  ///< null for rules that depend on no norms
  GradientFn gradient;                  ///< of a chunk
  FloatsFromFn floats_from[kTypes];
  FloatsToFn floats_to[kTypes];
  LayerFn forward[Activations::size];
  LayerFn backward[Activations::size];
};

const Target& portable_target();
const Target& avx2_target();
const Target& avx512_target();

}  // namespace fuselage::cpu
