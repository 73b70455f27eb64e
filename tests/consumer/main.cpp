// What a user does with the installed package: a definition used in a loop of their own, and a function of the library.
#include <cmath>
#include <cstdio>
#include <numeric>
#include <vector>

#include "fuselage/core/error.h"
#include "fuselage/data.h"
#include "fuselage/losses.h"

int main(int argc, char** argv) try {
  if (argc != 2) return 2;
  const fuselage::loss::Huber huber{0.5};
  const auto [value, grad] = huber(2.0f, 1.0f);
  if (value != 0.375f || grad != 0.5f) {
    std::fprintf(stderr, "Huber: %g, %g; expected 0.375, 0.5\n", static_cast<double>(value), static_cast<double>(grad));
    return 1;
  }

  std::vector<float> numbers(12);
  std::iota(numbers.begin(), numbers.end(), -3.0f);
  fuselage::write_npy(argv[1], fuselage::Array::of({3, 4}, numbers));
  const fuselage::Array back = fuselage::read_npy(argv[1]);
  if (back.shape() != std::vector<std::int64_t>{3, 4} || back.as<float>()[11] != 8.0f) return 1;

  try {
    fuselage::read_npy("no such file");
    return 1;
  } catch (const fuselage::Error& error) {
    if (error.code() != fuselage::Errc::io) return 1;
  }
  std::puts("consumer: ok");
  return 0;
} catch (const fuselage::Error& error) {
  std::fprintf(stderr, "consumer: %s\n", error.what());
  return 1;
}
