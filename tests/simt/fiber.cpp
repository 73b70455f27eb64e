// The switch itself: x86-64's callee-saved registers by hand in 9 ns, elsewhere ucontext. Floating-point modes are not
// switched: no kernel changes them.
#include "tests/simt/fiber.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <utility>

// Of AddressSanitizer's runtime; absent in programs without it.
extern "C" {
__attribute__((weak)) void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom, std::size_t bytes);
__attribute__((weak)) void __sanitizer_finish_switch_fiber(void* fake_stack, const void** bottom, std::size_t* bytes);
__attribute__((weak)) void __asan_unpoison_memory_region(const volatile void* data, std::size_t bytes);
}

namespace simt {

namespace {

constexpr std::size_t kGuardBytes = 4096;
constexpr std::size_t kStride = kStackBytes + kGuardBytes;
constexpr std::size_t kMostStacks = 24 * 1024;

/// One stretch for the stacks of all OS threads.
struct Stretch {
  char* begin = nullptr;
  std::size_t used = 0;
  std::mutex mutex;
};
Stretch& stretch() {
  static Stretch* all = new Stretch;
  return *all;
}

thread_local Fiber* leaving = nullptr;  ///< the fiber that the switch under way leaves

}  // namespace

char* Stacks::take() {
  if (!free_.empty()) {
    char* stack = free_.back();
    free_.pop_back();
    return stack;
  }
  Stretch& all = stretch();
  const std::lock_guard lock(all.mutex);
  if (!all.begin) {
    void* memory = mmap(nullptr, kMostStacks * kStride, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    all.begin = memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
  }
  char* stack = all.begin + all.used * kStride + kGuardBytes;
  if (!all.begin || all.used == kMostStacks || mprotect(stack, kStackBytes, PROT_READ | PROT_WRITE) != 0) {
    std::fprintf(stderr, "simt: no memory for the stack of thread %zu\n", all.used);
    std::abort();
  }
  ++all.used;
  return stack;
}

void Stacks::give_back(char* stack) {
  if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(stack, kStackBytes);
  free_.push_back(stack);
}

bool in_stacks(const void* p) {
  const Stretch& all = stretch();
  const auto at = static_cast<const char*>(p);
  return at >= all.begin && at < all.begin + all.used * kStride;
}

namespace {

#if defined(__x86_64__)

extern "C" void simt_switch(void** save, void* load);
asm(R"(.text
.globl simt_switch
.type simt_switch,@function
simt_switch:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp,(%rdi)
  mov %rsi,%rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.size simt_switch,.-simt_switch
)");

/// A stack that looks as if it had been left just before `entry`, with a null return address below it.
void* prepare(const Fiber& fiber, void (*entry)()) {
  void** top = reinterpret_cast<void**>(fiber.stack + fiber.bytes - 64);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
  return top;
}

void jump(Fiber& from, Fiber& to) { simt_switch(&from.place, to.place); }

#else

void* prepare(const Fiber& fiber, void (*entry)()) {
  auto* context = new (fiber.stack) ucontext_t;
  getcontext(context);
  context->uc_link = nullptr;
  context->uc_stack.ss_sp = fiber.stack + sizeof *context;
  context->uc_stack.ss_size = fiber.bytes - sizeof *context;
  makecontext(context, entry, 0);
  return context;
}

void jump(Fiber& from, Fiber& to) {
  ucontext_t here;
  from.place = &here;
  swapcontext(&here, static_cast<ucontext_t*>(to.place));
}

#endif

/// Learns, under AddressSanitizer, the bounds of the stack that was left, which for an OS thread nobody else tells.
void arrived(void* fake_stack) {
  if (!__sanitizer_finish_switch_fiber) return;
  const void* bottom = nullptr;
  std::size_t bytes = 0;
  __sanitizer_finish_switch_fiber(fake_stack, &bottom, &bytes);
  if (leaving && !leaving->stack) {
    leaving->stack = static_cast<char*>(const_cast<void*>(bottom));
    leaving->bytes = bytes;
  }
}

}  // namespace

void begin_fiber() { arrived(nullptr); }

void switch_fiber(Fiber& from, Fiber& to, void (*entry)(), bool last) {
  if (!to.place) to.place = prepare(to, entry);
  leaving = &from;
  if (__sanitizer_start_switch_fiber)
    __sanitizer_start_switch_fiber(last ? nullptr : &from.fake_stack, to.stack, to.bytes);
  jump(from, to);
  arrived(from.fake_stack);
}

}  // namespace simt
