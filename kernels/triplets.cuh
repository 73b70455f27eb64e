// Triplets of a batch: what their kernels share.
#pragma once

#include "fuselage/batch_triplet.h"
#include "kernels/launch.cuh"
#include "kernels/pass.cuh"

namespace fuselage::kernels {

/// The rows of a class, by their numbers: member[first] to member[last - 1]. Masked rows have first = last = -1.
struct TripletClass {
  std::int32_t first, last;
};

/// What the gradient's blocks need and count.
struct TripletEnd {
  Count nonfinite;
  unsigned ticket;
  float factor;
};

struct TripletArgs {
  BatchTriplet spec;
  std::int64_t rows, cols;
  Plane label, mask;
  MutablePlane gradient;
  float scale;
  const float* upstream;
  LossReport* report;
  // Scratch memory.
  float* packed;          ///< [rows, cols]
  float* distance;        ///< [rows, rows]
  float* weight;          ///< [rows, rows]: how often a pair's distance counts; null where no gradient is asked for
  TripletClass* classes;  ///< of each row
  std::int32_t *member, *members;
  double* value;           ///< of each anchor
  triplets::Tally* tally;  ///< likewise
  TripletEnd* end;
};

inline constexpr int kTripletThreads = 256;

/// Classes; triplets; the report and the gradient's factor (triplet_mining.cu).
void launch_triplet_mining(const TripletArgs& args, CUstream_st* stream);

}  // namespace fuselage::kernels
