// Matrix products of the CPU backend, by oneDNN.
#pragma once

#include <string>

#include "fuselage/backend.h"

namespace fuselage::cpu {

/// Runs the product on `threads` threads; throws Error(bad_argument) when the library refuses it.
void run_product(const Product& product, int threads);

/// Name and version of the library.
std::string product_library();

}  // namespace fuselage::cpu
