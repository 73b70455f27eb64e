// Memory that a backend gave and takes back.
#pragma once

#include <cstddef>
#include <utility>

namespace fuselage {

class Backend;

/// An owned block of a backend's memory, 256-byte aligned, contents undefined. Move only; the backend must outlive it.
class Buffer {
 public:
  enum class Kind {
    device,  ///< where the backend computes
    host,    ///< readable by the host, and fast to copy to the device (pinned on CUDA)
  };

  Buffer() = default;
  /// Throws Error(out_of_memory).
  Buffer(Backend& backend, std::size_t bytes, Kind kind = Kind::device);
  ~Buffer();
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer(std::move(other)).swap(*this);
    return *this;
  }

  void* data() const { return data_; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  std::size_t bytes() const { return bytes_; }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(backend_, other.backend_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(kind_, other.kind_);
  }

  Backend* backend_ = nullptr;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  Kind kind_ = Kind::device;
};

}  // namespace fuselage
