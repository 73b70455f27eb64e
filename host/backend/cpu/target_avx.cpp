// Which vector targets this processor can run, by feature bits (never by model: virtual machines lie about it).
#include "host/backend/cpu/vector_targets.h"

namespace fuselage::cpu {

std::vector<const Target*> vector_targets() {
  __builtin_cpu_init();
  std::vector<const Target*> found;
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c") && __builtin_cpu_supports("aes") &&
                    __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("lzcnt");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512cd");
  if (avx512) found.push_back(&avx512_target());
  if (avx2) found.push_back(&avx2_target());
  return found;
}

}  // namespace fuselage::cpu
