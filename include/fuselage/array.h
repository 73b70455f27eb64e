// Array: an owned host array of any element type and up to eight dimensions. Data files are read into it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "fuselage/core/dtype.h"
#include "fuselage/core/error.h"

namespace fuselage {

/// The highest rank of an Array.
inline constexpr int kMaxRank = 8;

/// Bytes of an array of this type and shape, by 64-bit products that are checked. Throws Error(code) naming `what` (an
/// argument, or a file and its field) when the rank exceeds kMaxRank, an extent is negative, or the size exceeds
/// 2^63-1.
std::int64_t checked_bytes(DType type, std::span<const std::int64_t> shape, std::string_view what,
                           Errc code = Errc::bad_shape);

/// Row-major, contiguous, aligned to 64 bytes; copies are deep. A default-constructed Array is empty: fp32, shape [0].
/// One that was moved from may only be assigned to or destroyed.
class Array {
 public:
  Array() : shape_{0} {}
  /// All zeros. Throws Error(bad_shape) as checked_bytes does, Error(out_of_memory) naming the size.
  Array(DType type, std::vector<std::int64_t> shape);
  /// The same without writing the memory: for a reader that fills it.
  static Array uninitialized(DType type, std::vector<std::int64_t> shape);
  /// A copy of `values`, whose count must be the product of `shape`.
  template <class T>
  static Array of(std::vector<std::int64_t> shape, std::span<const T> values) {
    Array result = uninitialized(dtype_of<T>(), std::move(shape));
    result.fill(values.data(), values.size());
    return result;
  }
  template <class T>
  static Array of(std::vector<std::int64_t> shape, const std::vector<T>& values) {
    return of(std::move(shape), std::span<const T>(values));
  }

  Array(const Array& other);
  Array(Array&& other) noexcept;
  Array& operator=(Array other) noexcept;
  ~Array() = default;

  DType dtype() const { return type_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  int rank() const { return static_cast<int>(shape_.size()); }
  /// Elements: the product of the shape; 1 for rank 0.
  std::int64_t size() const { return size_; }
  std::int64_t bytes() const { return size_ * static_cast<std::int64_t>(size_of(type_)); }
  bool empty() const { return size_ == 0; }

  /// The first extent; 1 for rank 0.
  std::int64_t rows() const { return shape_.empty() ? 1 : shape_[0]; }
  /// Elements in one row: the product of the other extents.
  std::int64_t row_size() const;

  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }

  /// The elements as T; throws Error(bad_dtype) naming both types unless T is the array's own type.
  template <class T>
  std::span<T> as() {
    check(dtype_of<T>());
    return {reinterpret_cast<T*>(data_.get()), static_cast<std::size_t>(size_)};
  }
  template <class T>
  std::span<const T> as() const {
    check(dtype_of<T>());
    return {reinterpret_cast<const T*>(data_.get()), static_cast<std::size_t>(size_)};
  }

  /// The same elements under another shape; throws Error(bad_shape) unless the sizes agree.
  void reshape(std::vector<std::int64_t> shape);

  /// Same type, shape and bytes (so NaN equals the same NaN, and -0 differs from +0).
  friend bool operator==(const Array& a, const Array& b);

 private:
  struct Free {
    void operator()(std::byte* p) const noexcept;
  };

  void check(DType wanted) const;
  void fill(const void* values, std::size_t count);

  DType type_ = DType::f32;
  std::vector<std::int64_t> shape_;
  std::int64_t size_ = 0;
  std::unique_ptr<std::byte[], Free> data_;
};

}  // namespace fuselage
