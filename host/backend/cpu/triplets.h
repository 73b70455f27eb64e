// Triplets of a batch on the CPU's threads.
#pragma once

#include <vector>

#include "fuselage/batch_triplet.h"

namespace fuselage::cpu {

/// Keeps the memory of its passes, which grows to the largest batch.
class TripletRunner {
 public:
  explicit TripletRunner(int threads) : threads_(threads) {}

  /// The batch is checked already.
  LossReport run(const BatchTriplet& spec, const TripletBatch& batch);

 private:
  /// The rows of a class, by their numbers: member_[first] to member_[last - 1]. Masked rows have first = -1.
  struct Class {
    std::int32_t first, last;
  };
  struct Found {
    double value = 0;
    triplets::Tally tally;
  };

  /// Memory for the pass; where it cannot be had, Error(out_of_memory) that says for what.
  void make_room(bool with_weights);
  void pack(const TripletBatch& batch);
  void classify(const TripletBatch& batch);
  void measure(const BatchTriplet& spec);
  Found mine_hard(const BatchTriplet& spec, std::int64_t anchor);
  Found mine_all(const BatchTriplet& spec, std::int64_t anchor);
  std::int64_t differentiate(const BatchTriplet& spec, float factor, const View& gradient);
  bool stranger(std::int64_t a, std::int64_t b) const;

  int threads_;
  std::int64_t rows_ = 0, cols_ = 0;
  std::vector<float> packed_;  ///< [rows, cols]
  std::vector<float> panels_;  ///< the same in panels of a few rows, element by element
  std::vector<float> pairs_;   ///< distances and weights
  float* distance_ = nullptr;  ///< [rows, rows]
  float* weight_ = nullptr;    ///< [rows, rows]: how often a pair's distance counts; null without a gradient
  std::vector<Class> class_;
  std::vector<std::int32_t> member_;
  std::vector<Found> found_;
};

}  // namespace fuselage::cpu
