// Arrays cut from the scratch memory of a pass.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fuselage::kernels {

/// Hands out arrays that begin at multiples of 256 bytes; without memory it only measures.
class ScratchArrays {
 public:
  explicit ScratchArrays(void* memory) : memory_(static_cast<char*>(memory)) {}

  template <class T>
  T* take(std::int64_t count) {
    constexpr std::size_t kAlignment = 256;
    char* const start = memory_ ? memory_ + used_ : nullptr;
    used_ += (static_cast<std::size_t>(count) * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    return reinterpret_cast<T*>(start);
  }
  std::size_t used() const { return used_; }

 private:
  char* memory_;
  std::size_t used_ = 0;
};

}  // namespace fuselage::kernels
