// Tells who touched device memory from host code.
#include "tests/simt/runtime/host_touch.h"

#include <execinfo.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "tests/simt/memory.h"
#include "tests/simt/report.h"

namespace simt {
namespace {

struct sigaction former;

/// The innermost place of the program, outside of the C library, that was about to touch the address.
std::string place_of_fault() {
  void* frames[32];
  const int count = backtrace(frames, 32);
  for (int i = 2; i < count; ++i) {  // past the handler and the frame that the kernel made
    const std::string line = source_line(reinterpret_cast<std::uintptr_t>(frames[i]));
    if (line.find(':') != std::string::npos && line.find("sysdeps") == std::string::npos) return line;
  }
  return "a place without line numbers";
}

// What runs here is more than a handler should do, but the process ends whatever comes of it.
void on_fault(int number, siginfo_t* info, void*) {
  if (!in_device_memory(info->si_addr)) {
    sigaction(number, &former, nullptr);  // the access is made again, and then it is the former handler's
    return;
  }
  fmt::print(stderr, "simt: {} touched device memory: {}, at {}\n",
             device_memory_is_open() ? "work of the device" : "host code", describe(info->si_addr), place_of_fault());
  std::fflush(stderr);
  std::abort();
}

}  // namespace

void watch_host_touches() {
  static char stack[256 * 1024];
  stack_t alternate{};
  sigaltstack(nullptr, &alternate);
  if (alternate.ss_flags & SS_DISABLE) {
    alternate = {};
    alternate.ss_sp = stack;
    alternate.ss_size = sizeof stack;
    sigaltstack(&alternate, nullptr);
  }
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, &action, &former);
}

}  // namespace simt
