// Penalties on groups: a backend to run them on, and batches with everything that they take.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "fuselage/backend.h"
#include "host/reference/fairness.h"

namespace fuselage::test {

using Floats = std::vector<float>;
using Groups = std::vector<std::int32_t>;

class Fairness : public ::testing::Test {
 protected:
  std::unique_ptr<Backend> cpu_ = make_cpu_backend({2, {}});

  struct Result {
    LossReport report;
    Floats gradient;
    double value() const { return report.value; }
  };
  Result run(std::string_view text, GroupBatch batch) {
    const ConstView& y = batch.prediction;
    Result result{{}, Floats(static_cast<std::size_t>(y.size()), -7)};
    batch.gradient = {result.gradient.data(), y.rows, y.cols};
    cpu_->penalty(Penalties::parse(text, "penalty"), batch, &result.report);
    return result;
  }
  static GroupBatch batch_of(const Floats& y, const Groups& group, std::int64_t groups) {
    GroupBatch batch;
    const auto rows = static_cast<std::int64_t>(group.size());
    batch.prediction = {y.data(), rows, rows > 0 ? static_cast<std::int64_t>(y.size()) / rows : 1};
    batch.group = {group.data(), rows};
    batch.groups = groups;
    return batch;
  }
};

/// Rows with groups, labels, weights and masks.
struct Problem {
  std::int64_t rows, cols, groups;
  Floats y, weight, real;
  Groups group;
  std::vector<std::int16_t> label;
  std::vector<std::uint8_t> mask;

  Problem(std::int64_t r, std::int64_t c, std::int64_t g, unsigned seed) : rows(r), cols(c), groups(g) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (std::int64_t i = 0; i < rows * cols; ++i) y.push_back(2 * normal(random));
    for (std::int64_t i = 0; i < rows; ++i) {
      group.push_back(static_cast<std::int32_t>(random() % static_cast<unsigned>(g)));
      weight.push_back(static_cast<float>(random() % 5) / 2);
      label.push_back(static_cast<std::int16_t>(random() % static_cast<unsigned>(std::max<std::int64_t>(2, c))));
      real.push_back(static_cast<float>(label.back()));
      mask.push_back(random() % 6 != 0);
    }
  }
  GroupBatch batch(bool with_target) const {
    GroupBatch b;
    b.prediction = {y.data(), rows, cols};
    b.group = {group.data(), rows};
    b.groups = groups;
    if (with_target) b.target = {label.data(), rows};
    b.weight = {weight.data(), rows};
    b.mask = {mask.data(), rows};
    return b;
  }
  reference::GroupInput input() const {
    reference::GroupInput in;
    in.rows = rows, in.cols = cols, in.groups = groups;
    in.prediction.assign(y.begin(), y.end());
    in.group.assign(group.begin(), group.end());
    in.target.assign(real.begin(), real.end());
    in.weight.assign(weight.begin(), weight.end());
    in.mask = mask;
    in.class_labels = true;
    return in;
  }
};

}  // namespace fuselage::test
