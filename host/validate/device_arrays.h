// Arrays of the host on a backend, and back.
#pragma once

#include <algorithm>
#include <optional>

#include "fuselage/array.h"
#include "fuselage/backend.h"

namespace fuselage::validate {

/// Device memory with a copy of host bytes. Never empty: a view without data means "not given".
inline Buffer upload(Backend& backend, const void* data, std::int64_t bytes) {
  Buffer buffer(backend, static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1)));
  if (bytes > 0) backend.copy(buffer.data(), data, static_cast<std::size_t>(bytes));
  return buffer;
}

inline void download(Backend& backend, void* to, const void* from, std::int64_t bytes) {
  if (bytes > 0) backend.copy(to, from, static_cast<std::size_t>(bytes));
}

/// An optional input of `rows` x `cols` in device memory.
struct OptionalInput {
  Buffer memory;
  ConstView view;
};
inline OptionalInput optional_input(Backend& backend, const std::optional<Array>& a, std::int64_t rows,
                                    std::int64_t cols) {
  if (!a) return {};
  OptionalInput input{upload(backend, a->data(), a->bytes()), {}};
  input.view = ConstView(input.memory.data(), a->dtype(), rows, cols, cols);
  return input;
}

}  // namespace fuselage::validate
