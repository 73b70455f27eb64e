// The one exception of fuselage: a code for programs, a message that names argument, row and value, and the place.
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace fuselage {

/// What went wrong, in the classes that a caller can act on.
enum class Errc {
  bad_argument,   ///< a value outside its range, or arguments that contradict each other
  bad_shape,      ///< shapes that do not fit
  bad_dtype,      ///< an element type that is not supported here
  bad_label,      ///< a class label outside [0, classes), or a NaN target
  unknown_name,   ///< a name or key that no list has
  out_of_memory,  ///< host or device memory
  no_device,      ///< the device asked for is not there, or not built in
  cuda,           ///< a CUDA call or a vendor library failed
  io,             ///< a file cannot be opened, read, written, synced or renamed
  format,         ///< a file's contents are not what its format promises
  mismatch,       ///< a result differs from the reference, or a checkpoint from the model
  non_finite,     ///< NaN or infinity where the policy says raise
};

constexpr std::string_view name_of(Errc code) {
  constexpr std::string_view names[] = {"bad_argument", "bad_shape",     "bad_dtype", "bad_label",
                                        "unknown_name", "out_of_memory", "no_device", "cuda",
                                        "io",           "format",        "mismatch",  "non_finite"};
  return names[static_cast<int>(code)];
}

/// Thrown by everything in fuselage. An operation that throws leaves the caller's data as it was.
class Error : public std::runtime_error {
 public:
  Error(Errc code, const std::string& message, std::source_location where = std::source_location::current())
      : std::runtime_error(message), code_(code), where_(where) {}

  Errc code() const noexcept { return code_; }
  /// The place that found the error (for `require`: its caller).
  const std::source_location& where() const noexcept { return where_; }

 private:
  Errc code_;
  std::source_location where_;
};

/// Throws Error{code, message} unless `condition` holds. For entries of the API, never inside a loop over elements;
/// where the message costs something to build, test first and throw.
inline void require(bool condition, Errc code, std::string_view message,
                    std::source_location where = std::source_location::current()) {
  if (!condition) throw Error(code, std::string(message), where);
}

}  // namespace fuselage
