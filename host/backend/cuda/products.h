// Matrix products of the CUDA backend, by cuBLASLt, which is loaded when it is first needed.
#pragma once

#include <memory>
#include <string>

#include "fuselage/backend.h"

struct CUstream_st;

namespace fuselage::cuda {

/// Plans of products, chosen once for each shape. Products are fp32 throughout (no TF32).
class Products {
 public:
  Products();
  ~Products();

  /// Queues the product. Throws Error(no_device) where cuBLASLt is not installed, naming what to install.
  void run(const Product& product, CUstream_st* stream);
  /// Whether run() would neither load, allocate nor plan anything.
  bool ready(const Product& product) const;
  /// Name and version of the library, or why there is none.
  std::string library() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fuselage::cuda
