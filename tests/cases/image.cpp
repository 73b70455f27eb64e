// Images of matrices, and the numbers in them.
#include "tests/cases/image.h"

#include <bit>
#include <cstring>
#include <iterator>
#include <limits>

namespace fuselage::cases {

std::string name_of(Layout layout) {
  constexpr const char* names[] = {"packed",  "shifted", "padded",    "pitched",
                                   "columns", "spaced",  "broadcast", "blocks"};
  return names[static_cast<int>(layout)];
}

Image::Image(DType type, std::int64_t rows, std::int64_t cols, Layout layout, std::int64_t guard, unsigned char fill)
    : given_(true), type_(type), rows_(rows), cols_(cols), first_(guard), row_stride_(cols), col_stride_(1) {
  switch (layout) {
    case Layout::packed: break;
    case Layout::shifted: ++first_; break;
    case Layout::padded: row_stride_ = cols + 3; break;
    case Layout::pitched: row_stride_ = (cols + 15) / 16 * 16 + 16; break;
    case Layout::columns: row_stride_ = 1, col_stride_ = rows + 1; break;
    case Layout::spaced: row_stride_ = 2 * cols + 1, col_stride_ = 2; break;
    case Layout::broadcast: row_stride_ = 0, col_stride_ = rows > 1 ? 1 : 0; break;
    case Layout::blocks:
      row_stride_ = 1;
      col_stride_ = rows % 2 == 0 ? rows / 2 : rows;
      if (rows > 1 && rows % 2 == 0) block_ = rows / 2, block_stride_ = block_ * cols;
      break;
  }
  const std::int64_t last = rows > 0 ? view(nullptr).row_offset(rows - 1) : 0;
  const std::int64_t span = rows > 0 && cols > 0 ? last + (cols - 1) * col_stride_ + 1 : 0;
  bytes_.assign(static_cast<std::size_t>(first_ + span + guard) * size_of(type), fill);
}

void Image::set(std::int64_t r, std::int64_t c, float x) {
  if (is_label(type_)) return set_label(r, c, static_cast<std::int64_t>(x));
  if (type_ == DType::f64) {
    const double wide = x;
    std::memcpy(at(r, c), &wide, sizeof wide);
    return;
  }
  dispatch(type_, [&]<class T>() {
    const T rounded = from_float<T>(x);
    std::memcpy(at(r, c), &rounded, sizeof rounded);
  });
}

void Image::set_label(std::int64_t r, std::int64_t c, std::int64_t label) {
  dispatch_label(type_, [&]<class T>() {
    const T cut = static_cast<T>(label);
    std::memcpy(at(r, c), &cut, sizeof cut);
  });
}

View Image::view(void* memory) const {
  View view(static_cast<unsigned char*>(memory) + static_cast<std::size_t>(first_) * size_of(type_), type_, rows_,
            cols_, row_stride_, col_stride_);
  view.block = block_;
  view.block_stride = block_stride_;
  return view;
}

Part Image::part(std::string name, std::vector<unsigned char> bytes) const {
  return {std::move(name), type_,       std::move(bytes), first_, rows_,
          cols_,           row_stride_, col_stride_,      block_, block_stride_};
}

Placed::Placed(Backend& backend, const Image& image) : backend_(&backend), image_(&image) {
  if (!image.given()) return;
  memory_ = Buffer(backend, image.bytes().size());
  if (!image.bytes().empty()) backend.copy(memory_.data(), image.bytes().data(), image.bytes().size());
}

Part Placed::fetch(std::string name) const {
  std::vector<unsigned char> bytes(image_->bytes().size());
  if (!bytes.empty()) backend_->copy(bytes.data(), memory_.data(), bytes.size());
  backend_->synchronize();
  return image_->part(std::move(name), std::move(bytes));
}

Noise::Noise(const std::string& words) : seed_(1469598103934665603ull) {
  for (const char c : words) seed_ = (seed_ ^ static_cast<unsigned char>(c)) * 1099511628211ull;
}

float not_finite(std::uint32_t word) {
  constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  constexpr float numbers[] = {-inf, nan, inf, -inf};
  return numbers[word % std::size(numbers)];
}

float extreme(std::uint32_t word) {
  // 1e-41 is a denormal of fp32 and bf16, 1e-7 one of fp16; 65504 and 3.3e38 are next to the largest.
  constexpr float numbers[] = {1e-41f, -1e-41f, 1e-7f,   -3e-8f,  0.0f,     -0.0f,  1.2e-38f, 1e19f,
                               6e4f,   -6e4f,   65504.f, 3.3e38f, -3.3e38f, 1e-20f, 1.0f,     88.8f};
  return numbers[word % std::size(numbers)];
}

Factor layouts_of(std::string name, const std::vector<Layout>& layouts) {
  return factor_of(std::move(name), layouts, [](Layout layout) { return name_of(layout); });
}

std::vector<Factor> limit_factors(bool of_losses) {
  std::vector<Factor> factors{{"blocks", {"own", "1", "3"}}, {"threads", {"own", "32", "64"}}};
  if (!of_losses) return factors;
  factors.push_back({"shared memory", {"own", "0", "48 KiB", "200 KiB"}});
  factors.push_back({"sums of a block", {"own", "1", "100"}});
  return factors;
}

DeviceLimits limits_of(int blocks, int threads, int shared_bytes, int sums) {
  constexpr std::int64_t most_blocks[] = {0, 1, 3}, bytes[] = {-1, 0, 48 * 1024, 200 * 1024}, most_sums[] = {0, 1, 100};
  constexpr int most_threads[] = {0, 32, 64};
  return {most_blocks[blocks], most_threads[threads], bytes[shared_bytes], most_sums[sums]};
}

}  // namespace fuselage::cases
