// Validates the CPU backend that it is linked with, whose kernels have a planted fault. Exits with 0 when the fault was
// seen, with 1 when everything looked right, and with 2 on an accident.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "fuselage/validate.h"

int main() try {
  // Those whose code the faults are in, and a row loss.
  const std::vector<std::string> names{"mse", "huber", "softmax_cross_entropy", "adam"};
  const fuselage::ValidationReport report = fuselage::run_validation({.device = "cpu", .quick = true, .names = names});
  for (const fuselage::ValidationRow& row : report.rows)
    if (!row.passed())
      std::printf("%s %s %s: value %.3g ulp, gradient %.3g ulp %s%s\n", row.family.c_str(), row.name.c_str(),
                  fuselage::name_of(row.dtype).data(), row.value_ulp, row.gradient_ulp, row.mismatch.c_str(),
                  row.agrees() ? "" : ", backends differ");
  if (report.passed()) std::puts("the fault was not seen");
  return report.passed() ? 1 : 0;
} catch (const std::exception& e) {
  std::printf("%s\n", e.what());
  return 2;
}
