// Array: checked sizes, aligned storage, deep copies.
#include "fuselage/array.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <utility>

namespace fuselage {
namespace {

constexpr std::align_val_t kAlignment{64};

std::byte* allocate(std::int64_t bytes) {
  if (bytes == 0) return nullptr;
  void* p = ::operator new(static_cast<std::size_t>(bytes), kAlignment, std::nothrow);
  if (p == nullptr) throw Error(Errc::out_of_memory, fmt::format("cannot allocate {} bytes for an array", bytes));
  return static_cast<std::byte*>(p);
}

}  // namespace

std::int64_t checked_bytes(DType type, std::span<const std::int64_t> shape, std::string_view what, Errc code) {
  if (shape.size() > static_cast<std::size_t>(kMaxRank))
    throw Error(code, fmt::format("{}: rank {} exceeds the largest rank, {}", what, shape.size(), kMaxRank));
  // Zero extents multiply last, so that a shape too large for 64 bits is refused even where another extent is 0.
  std::int64_t bytes = static_cast<std::int64_t>(size_of(type));
  bool none = false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0) throw Error(code, fmt::format("{}: extent {} of dimension {} is negative", what, shape[i], i));
    if (shape[i] == 0)
      none = true;
    else if (__builtin_mul_overflow(bytes, shape[i], &bytes))
      throw Error(code, fmt::format("{}: shape [{}] of {} exceeds 2^63 - 1 bytes", what, fmt::join(shape, ", "),
                                    name_of(type)));
  }
  return none ? 0 : bytes;
}

void Array::Free::operator()(std::byte* p) const noexcept { ::operator delete(p, kAlignment); }

Array Array::uninitialized(DType type, std::vector<std::int64_t> shape) {
  const std::int64_t bytes = checked_bytes(type, shape, "array");
  Array result;
  result.data_.reset(allocate(bytes));
  result.type_ = type;
  result.shape_ = std::move(shape);
  result.size_ = bytes / static_cast<std::int64_t>(size_of(type));
  return result;
}

Array::Array(DType type, std::vector<std::int64_t> shape) : Array(uninitialized(type, std::move(shape))) {
  if (!empty()) std::memset(data(), 0, static_cast<std::size_t>(bytes()));
}

Array::Array(const Array& other)
    : type_(other.type_), shape_(other.shape_), size_(other.size_), data_(allocate(other.bytes())) {
  if (!empty()) std::memcpy(data(), other.data(), static_cast<std::size_t>(bytes()));
}

Array::Array(Array&& other) noexcept
    : type_(other.type_),
      shape_(std::move(other.shape_)),
      size_(std::exchange(other.size_, 0)),
      data_(std::move(other.data_)) {}

Array& Array::operator=(Array other) noexcept {
  std::swap(type_, other.type_);
  shape_.swap(other.shape_);
  std::swap(size_, other.size_);
  data_.swap(other.data_);
  return *this;
}

std::int64_t Array::row_size() const {
  // The shape passed checked_bytes, which counts zero extents out, so this product cannot overflow.
  std::int64_t result = 1;
  for (std::size_t i = 1; i < shape_.size(); ++i) result *= shape_[i];
  return result;
}

void Array::reshape(std::vector<std::int64_t> shape) {
  if (checked_bytes(type_, shape, "reshape") != bytes())
    throw Error(Errc::bad_shape,
                fmt::format("reshape: [{}] cannot become [{}]", fmt::join(shape_, ", "), fmt::join(shape, ", ")));
  shape_ = std::move(shape);
}

bool operator==(const Array& a, const Array& b) {
  return a.type_ == b.type_ && a.shape_ == b.shape_ &&
         (a.empty() || std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.bytes())) == 0);
}

void Array::check(DType wanted) const {
  if (wanted != type_)
    throw Error(Errc::bad_dtype, fmt::format("array holds {}, not {}", name_of(type_), name_of(wanted)));
}

void Array::fill(const void* values, std::size_t count) {
  if (count != static_cast<std::size_t>(size_))
    throw Error(Errc::bad_shape,
                fmt::format("{} values do not fill an array of shape [{}]", count, fmt::join(shape_, ", ")));
  if (count > 0) std::memcpy(data(), values, static_cast<std::size_t>(bytes()));
}

}  // namespace fuselage
