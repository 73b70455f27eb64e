// What code compiled with -fsanitize=undefined calls when it finds something: ends the grid like any other fault, with
// the kernel, block and thread; in host code, the program. In place of that sanitizer's library.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "tests/simt/report.h"
#include "tests/simt/worker.h"

namespace {

/// What all descriptions begin with.
struct Description {
  const char* file;
  std::uint32_t line, column;
};

[[noreturn]] void undefined(const char* what, const Description* where, unsigned number = 0) {
  simt::running.checked = false;
  std::string text = std::string("undefined behaviour: ") + what;
  if (number > 0) text += std::to_string(number);
  text += " at " + simt::source_line(where->file, where->line);
  if (simt::Worker* worker = simt::running.worker) worker->fault(worker->thread(), std::move(text));
  std::fprintf(stderr, "simt: %s, in host code\n", text.c_str());
  std::abort();
}

/// The check of types covers alignment, null and size.
struct TypeMismatch {
  Description where;
  const void* type;
  unsigned char log_alignment, access;
};

}  // namespace

extern "C" {

void __ubsan_handle_type_mismatch_v1(const TypeMismatch* d, std::uintptr_t p) {
  if (p == 0) undefined("null pointer used", &d->where);
  const unsigned alignment = 1u << d->log_alignment;
  if (p % alignment != 0) undefined("misaligned address, which should be a multiple of ", &d->where, alignment);
  undefined("object larger than its memory", &d->where);
}
void __ubsan_handle_add_overflow(const Description* d, void*, void*) { undefined("sum overflows", d); }
void __ubsan_handle_sub_overflow(const Description* d, void*, void*) { undefined("difference overflows", d); }
void __ubsan_handle_mul_overflow(const Description* d, void*, void*) { undefined("product overflows", d); }
void __ubsan_handle_negate_overflow(const Description* d, void*) { undefined("negation overflows", d); }
void __ubsan_handle_divrem_overflow(const Description* d, void*, void*) { undefined("division by 0 or overflow", d); }
void __ubsan_handle_shift_out_of_bounds(const Description* d, void*, void*) { undefined("shift out of bounds", d); }
void __ubsan_handle_out_of_bounds(const Description* d, void*) { undefined("index out of an array's bounds", d); }
void __ubsan_handle_builtin_unreachable(const Description* d) { undefined("unreachable place reached", d); }
void __ubsan_handle_missing_return(const Description* d) { undefined("function ends without a value", d); }
void __ubsan_handle_vla_bound_not_positive(const Description* d, void*) { undefined("array without elements", d); }
void __ubsan_handle_float_cast_overflow(const Description* d, void*) {
  undefined("value does not fit its new type", d);
}
void __ubsan_handle_load_invalid_value(const Description* d, void*) { undefined("value that its type lacks", d); }
void __ubsan_handle_invalid_builtin(const Description* d) { undefined("builtin function of 0", d); }
void __ubsan_handle_nonnull_arg(const Description* d) { undefined("null argument", d); }
void __ubsan_handle_nonnull_return_v1(const Description*, const Description* d) { undefined("null returned", d); }
void __ubsan_handle_pointer_overflow(const Description* d, void*, void*) { undefined("pointer overflows", d); }
/// Classes with virtual functions are the host's: their types are not looked at.
std::uintptr_t __ubsan_vptr_type_cache[128];
void __ubsan_handle_dynamic_type_cache_miss(const Description*, void*, void*) {}

}  // extern "C"
