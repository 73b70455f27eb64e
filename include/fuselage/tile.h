// What a loss and its driver say to each other: tiles of 256 elements that follow each other in memory.
//
// A tile function is all that there is of a loss in the machine code of a target. It knows nothing of strides, and
// loads and stores of the storage types are a branch that goes the same way all the time: the driver (pointwise.h)
// points it at the caller's memory where that is packed, and at fp32 copies elsewhere.
#pragma once

#include <cstdint>

#include "fuselage/core/dtype.h"
#include "fuselage/core/partition.h"

namespace fuselage::cpu {

/// Elements of fp32, bf16 or fp16.
template <class Void>
struct TileArray {
  Void* data;
  DType type;
};

/// What a tile function reads: elements that follow each other in memory, at any address.
struct TileInputs {
  TileArray<const void> y, z, t;  ///< prediction, second prediction of a pair (else null), target
  const float *w, *keep, *up;  ///< weight, 0 where the mask leaves out, own upstream gradient; general functions alone
  int n;                       ///< elements; a multiple of kLanes, the first of them in lane 0
  float scale;                 ///< gradient_scale()
  float limit;                 ///< finite_limit() of the gradient's storage type
  float shift;                 ///< target_shift of the report
  bool errors, decisions, targets;  ///< what is measured; decisions of losses that decide alone
};

/// What it writes; null where nothing is asked for. May be the inputs' memory, element for element.
struct TileOutputs {
  float* value;
  TileArray<void> gradient, second;
  bool stream;  ///< store gradients past the caches: their addresses are multiples of 64 bytes
};

/// The lane sums and the counts of a chunk so far, to which it adds.
struct TileSums {
  alignas(64) double value[kLanes], abs_error[kLanes], squared_error[kLanes], target[kLanes], target_squared[kLanes];
  std::int64_t count, bad, nonfinite, positives, chosen, hits;
};

using TileFn = void (*)(const void* loss, const TileInputs&, const TileOutputs&, TileSums&);

/// A loss as a target has it.
struct TileFns {
  /// For what is fp32 or bf16 throughout, weighs 1 and is not masked; null for pairs.
  TileFn plain_f32, plain_bf16;
  /// For any types; every element has a weight, a mask and an upstream gradient.
  TileFn general;
};

}  // namespace fuselage::cpu
