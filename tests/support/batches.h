// Batches for tests: owned arrays in a storage type, and the views of them.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "fuselage/backend.h"

namespace fuselage::testing {

/// Numbers in a storage type.
struct Stored {
  std::vector<unsigned char> bytes;
  DType dtype = DType::f32;

  Stored() = default;
  Stored(const std::vector<float>& values, DType type) : bytes(values.size() * size_of(type)), dtype(type) {
    dispatch(type, [&]<class T>() {
      for (std::size_t i = 0; i < values.size(); ++i) {
        const T x = from_float<T>(values[i]);
        std::memcpy(bytes.data() + i * sizeof(T), &x, sizeof(T));
      }
    });
  }
  std::vector<float> floats() const {
    std::vector<float> out(bytes.size() / size_of(dtype));
    dispatch(dtype, [&]<class T>() {
      for (std::size_t i = 0; i < out.size(); ++i) {
        T x;
        std::memcpy(&x, bytes.data() + i * sizeof(T), sizeof(T));
        out[i] = to_float(x);
      }
    });
    return out;
  }
};

/// Every CPU target with one and two threads.
inline std::vector<std::unique_ptr<Backend>> cpu_backends() {
  std::vector<std::unique_ptr<Backend>> list;
  for (const std::string& target : cpu_targets())
    for (const int threads : {1, 2}) list.push_back(make_cpu_backend({threads, target}));
  return list;
}

inline std::vector<float> normal(std::size_t n, unsigned seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution(0, scale);
  std::vector<float> out(n);
  for (float& x : out) x = distribution(random);
  return out;
}

/// The code of the Error that f throws; fails the test when it throws none.
template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return std::string(name_of(e.code())) + ": " + e.what();
  }
  return "no error";
}

}  // namespace fuselage::testing
