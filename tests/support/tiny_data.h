// Small problems for tests of training: points in a plane, from Philox.
#pragma once

#include <cstdint>
#include <vector>

#include "fuselage/core/rng.h"
#include "fuselage/data.h"

namespace fuselage::testing {

/// `n` points of `classes` clusters around a circle; class of sample i is i % classes.
inline Dataset blobs(std::int64_t n, std::int64_t classes = 3, std::uint64_t seed = 5) {
  Array features(DType::f32, {n, 2}), labels(DType::i32, {n});
  constexpr double kCentres[4][2] = {{1, 0}, {-0.5, 0.9}, {-0.5, -0.9}, {0.3, 2}};
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t label = i % classes;
    labels.as<std::int32_t>()[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(label);
    for (std::int64_t d = 0; d < 2; ++d) {
      const std::uint64_t at = static_cast<std::uint64_t>(i * 2 + d);
      const double noise = uniform_double(random_word64(seed, at, stream_of(RandomUse::synthetic), 0)) - 0.5;
      features.as<float>()[static_cast<std::size_t>(i * 2 + d)] = static_cast<float>(kCentres[label][d] + 0.9 * noise);
    }
  }
  return Dataset(std::move(features), std::move(labels), {}, {}, classes);
}

/// `n` points with `targets` smooth functions of them.
inline Dataset surface(std::int64_t n, std::int64_t targets = 1, bool binary = false) {
  Array features(DType::f32, {n, 2}), values(DType::f32, {n, targets});
  for (std::int64_t i = 0; i < n; ++i) {
    float x[2];
    for (std::int64_t d = 0; d < 2; ++d) {
      const std::uint64_t at = static_cast<std::uint64_t>(i * 2 + d);
      x[d] = 2 * uniform(random_word(9, at, stream_of(RandomUse::synthetic), 1)) - 1;
      features.as<float>()[static_cast<std::size_t>(i * 2 + d)] = x[d];
    }
    for (std::int64_t t = 0; t < targets; ++t) {
      const float y = x[0] * x[1] + static_cast<float>(t) * x[0] - 0.1f;
      values.as<float>()[static_cast<std::size_t>(i * targets + t)] = binary ? (y > 0 ? 1.0f : 0.0f) : y;
    }
  }
  return Dataset(std::move(features), std::move(values));
}

}  // namespace fuselage::testing
