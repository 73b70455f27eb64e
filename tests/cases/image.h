// Matrices of test cases in every layout that a view can describe, on the host and in a backend's memory.
#pragma once

#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "fuselage/backend.h"
#include "fuselage/core/rng.h"
#include "tests/cases/group.h"

namespace fuselage::cases {

/// Where the elements of a [rows, cols] matrix stand.
enum class Layout {
  packed,
  shifted,    ///< packed, one element after an aligned address
  padded,     ///< three unused elements after each row
  pitched,    ///< unused elements after each row, which starts at a multiple of 16 elements
  columns,    ///< column by column, one unused element after each
  spaced,     ///< every second element, and one more after each row
  broadcast,  ///< one row for all rows; of a single row one element for all
  blocks,     ///< [outer, cols, inner] with two outer blocks, one of an odd number of rows
};
std::string name_of(Layout layout);

/// What stands in memory that no element of a view uses. Read as an input it is NaN, or a label that is none.
inline constexpr unsigned char kUnused = 0xff;
/// What outputs hold before, around and between their elements.
inline constexpr unsigned char kUntouched = 0xa5;

/// The memory of a matrix, from the first byte to the last.
class Image {
 public:
  Image() = default;
  /// An input: not a byte more than its elements span, so that whoever checks bounds sees what is read beyond.
  static Image input(DType type, std::int64_t rows, std::int64_t cols, Layout layout) {
    return Image(type, rows, cols, layout, 0, kUnused);
  }
  /// An output: 64 bytes on either side show what is written beyond.
  static Image output(DType type, std::int64_t rows, std::int64_t cols, Layout layout) {
    return Image(type, rows, cols, layout, 64 / static_cast<std::int64_t>(size_of(type)), kUntouched);
  }

  bool given() const { return given_; }
  DType dtype() const { return type_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }
  /// Rounds to the image's type; integers are cut.
  void set(std::int64_t r, std::int64_t c, float x);
  void set_label(std::int64_t r, std::int64_t c, std::int64_t label);

  const std::vector<unsigned char>& bytes() const { return bytes_; }
  View view(void* memory) const;
  /// The image as it stands in `bytes` now.
  Part part(std::string name, std::vector<unsigned char> bytes) const;

 private:
  Image(DType type, std::int64_t rows, std::int64_t cols, Layout layout, std::int64_t guard, unsigned char fill);
  unsigned char* at(std::int64_t r, std::int64_t c) {
    return bytes_.data() +
           (first_ + view(nullptr).row_offset(r) + c * col_stride_) * static_cast<std::int64_t>(size_of(type_));
  }

  bool given_ = false;
  DType type_ = DType::f32;
  std::int64_t rows_ = 0, cols_ = 0, first_ = 0, row_stride_ = 0, col_stride_ = 1;
  std::int64_t block_ = 0, block_stride_ = 0;
  std::vector<unsigned char> bytes_;
};

/// An image in a backend's memory while this lives.
class Placed {
 public:
  /// Nothing, for an image that is not given.
  Placed(Backend& backend, const Image& image);
  /// No data where the image is not given.
  View view() const { return image_->given() ? image_->view(memory_.data()) : View(); }
  void* data() const { return memory_.data(); }
  /// What stands there now; waits for the device.
  Part fetch(std::string name) const;

 private:
  Backend* backend_;
  const Image* image_;
  Buffer memory_;
};

/// Random numbers of a case: functions of the case's words, a stream and a place.
class Noise {
 public:
  explicit Noise(const std::string& words);
  /// Neighbours come from one block of the generator, which is kept for each of the first streams.
  std::uint32_t word(std::uint32_t stream, std::int64_t i) const {
    Block& last = last_[stream % std::size(last_)];
    const std::int64_t index = i / 4;
    if (last.stream != stream || last.index != index)
      last = {stream, index,
              random_block(seed_, static_cast<std::uint64_t>(index), stream_of(RandomUse::synthetic, stream), 0)};
    return last.words.word[i % 4];
  }
  /// In [0, 1).
  float unit(std::uint32_t stream, std::int64_t i) const { return uniform(word(stream, i)); }
  /// In [-1/2, 1/2).
  float centred(std::uint32_t stream, std::int64_t i) const { return unit(stream, i) - 0.5f; }

 private:
  struct Block {
    std::uint32_t stream = 0;
    std::int64_t index = -1;
    RandomBlock words{};
  };
  std::uint64_t seed_;
  mutable Block last_[16];
};

/// Numbers that formulas stumble over: not finite, or denormal, zero of either sign, next to the largest.
float not_finite(std::uint32_t word);
float extreme(std::uint32_t word);

/// The words of levels, and the factor that has them.
template <class T, class Name>
Factor factor_of(std::string name, const std::vector<T>& values, Name&& text) {
  Factor factor{std::move(name), {}};
  for (const T& value : values) factor.levels.push_back(text(value));
  return factor;
}
/// The layouts as a factor.
Factor layouts_of(std::string name, const std::vector<Layout>& layouts);

/// Limits of a device as factors, and back. Only losses use shared memory, and add up sums of blocks.
std::vector<Factor> limit_factors(bool of_losses);
DeviceLimits limits_of(int blocks, int threads, int shared_bytes, int sums);

}  // namespace fuselage::cases
