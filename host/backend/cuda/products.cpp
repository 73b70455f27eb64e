// Matrix products of the CUDA backend, by cuBLASLt.
#include "host/backend/cuda/products.h"

#include <cublasLt.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <tuple>

#include "host/backend/cuda/library_search.h"
#include "host/backend/cuda/runtime.h"

namespace fuselage::cuda {

namespace {

constexpr std::size_t kWorkspaceBytes = 32 << 20;  ///< what NVIDIA advises for Hopper; enough for older devices
constexpr int kMajor = CUDART_VERSION / 1000;

/// The functions of the library, found by name.
struct Library {
  decltype(&cublasLtCreate) create;
  decltype(&cublasLtDestroy) destroy;
  decltype(&cublasLtGetVersion) version;
  decltype(&cublasLtMatmulDescCreate) desc_create;
  decltype(&cublasLtMatmulDescDestroy) desc_destroy;
  decltype(&cublasLtMatmulDescSetAttribute) desc_set;
  decltype(&cublasLtMatrixLayoutCreate) layout_create;
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic;
  decltype(&cublasLtMatmul) matmul;
};

/// The library of the runtime's own major version: by its name, else in the folders of library_search.h.
void* open_library(const std::string& name) {
  if (void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return handle;
  const char* reason = dlerror();
  std::string tried = fmt::format("{} ({})", name, reason ? reason : "no reason given");
  for (const std::filesystem::path& folder : library_folders(kMajor, [](const char* v) { return std::getenv(v); })) {
    if (void* handle = dlopen((folder / name).c_str(), RTLD_NOW | RTLD_LOCAL)) return handle;
    tried += ", " + folder.string();
  }
  throw Error(Errc::no_device,
              fmt::format("matrix products on CUDA need {}, which cannot be loaded; tried {}; install NVIDIA's package "
                          "libcublas-{}-{}, or add its folder to LD_LIBRARY_PATH",
                          name, tried, kMajor, CUDART_VERSION % 1000 / 10));
}

/// It is never closed, since a process has one.
const Library& load_library() {
  static const Library library = [] {
    const std::string name = fmt::format("libcublasLt.so.{}", kMajor);
    void* const handle = open_library(name);
    Library found{};
    const auto find = [&](auto& function, const char* symbol) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, symbol));
      if (!function) throw Error(Errc::cuda, fmt::format("{} has no function {}", name, symbol));
    };
    find(found.create, "cublasLtCreate");
    find(found.destroy, "cublasLtDestroy");
    find(found.version, "cublasLtGetVersion");
    find(found.desc_create, "cublasLtMatmulDescCreate");
    find(found.desc_destroy, "cublasLtMatmulDescDestroy");
    find(found.desc_set, "cublasLtMatmulDescSetAttribute");
    find(found.layout_create, "cublasLtMatrixLayoutCreate");
    find(found.layout_destroy, "cublasLtMatrixLayoutDestroy");
    find(found.preference_create, "cublasLtMatmulPreferenceCreate");
    find(found.preference_destroy, "cublasLtMatmulPreferenceDestroy");
    find(found.preference_set, "cublasLtMatmulPreferenceSetAttribute");
    find(found.heuristic, "cublasLtMatmulAlgoGetHeuristic");
    find(found.matmul, "cublasLtMatmul");
    return found;
  }();
  return library;
}

void check_blas(cublasStatus_t status, const char* what, const Product& p) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(Errc::cuda, fmt::format("cuBLASLt: {} a product of {} x {} x {} failed (status {})", what, p.m, p.k, p.n,
                                      static_cast<int>(status)));
}

/// The largest power of two up to 256 that the address is a multiple of: plans may rely on it.
std::uint32_t alignment_of(const void* p) {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  std::uint32_t bytes = 256;
  while (address % bytes != 0) bytes /= 2;
  return bytes;
}

/// Everything about a product but where it stands.
using Shape =
    std::tuple<bool, bool, std::int64_t, std::int64_t, std::int64_t, std::uint32_t, std::uint32_t, std::uint32_t>;

/// How a product of one shape is computed. cuBLAS thinks in columns: a packed row-major matrix is its own transpose
/// there, so C = op(A) op(B) is asked for as C' = op(B)' op(A)', and op() stays what it is.
class Plan {
 public:
  Plan(const Library& lib, cublasLtHandle_t handle, const Product& p) : lib_(lib) {
    check_blas(lib.desc_create(&desc_, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing", p);
    set_transpose(CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_b, p);
    set_transpose(CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_a, p);
    make_layout(b_, p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n, p);
    make_layout(a_, p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k, p);
    make_layout(c_, p.m, p.n, p);
    choose(handle, p);
  }
  ~Plan() {
    for (const cublasLtMatrixLayout_t layout : {a_, b_, c_})
      if (layout) lib_.layout_destroy(layout);
    if (desc_) lib_.desc_destroy(desc_);
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  void run(cublasLtHandle_t handle, const Product& p, void* workspace, CUstream_st* stream) const {
    const float beta = p.accumulate ? 1 : 0;
    check_blas(lib_.matmul(handle, desc_, &p.alpha, p.b, b_, p.a, a_, &beta, p.c, c_, p.c, c_, &algorithm_, workspace,
                           kWorkspaceBytes, stream),
               "queueing", p);
  }

 private:
  void set_transpose(cublasLtMatmulDescAttributes_t which, bool transpose, const Product& p) {
    const cublasOperation_t op = transpose ? CUBLAS_OP_T : CUBLAS_OP_N;
    check_blas(lib_.desc_set(desc_, which, &op, sizeof op), "describing", p);
  }
  /// A packed row-major [rows, cols] matrix.
  void make_layout(cublasLtMatrixLayout_t& layout, std::int64_t rows, std::int64_t cols, const Product& p) {
    check_blas(lib_.layout_create(&layout, CUDA_R_32F, static_cast<std::uint64_t>(cols),
                                  static_cast<std::uint64_t>(rows), cols),
               "describing", p);
  }
  void choose(cublasLtHandle_t handle, const Product& p) {
    cublasLtMatmulPreference_t preference = nullptr;
    check_blas(lib_.preference_create(&preference), "planning", p);
    const std::unique_ptr<std::remove_pointer_t<cublasLtMatmulPreference_t>, decltype(lib_.preference_destroy)> owner(
        preference, lib_.preference_destroy);
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t which, const auto& value) {
      check_blas(lib_.preference_set(preference, which, &value, sizeof value), "planning", p);
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{kWorkspaceBytes});
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(p.b));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(p.a));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(p.c));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(p.c));
    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    check_blas(lib_.heuristic(handle, desc_, b_, a_, c_, c_, preference, 1, &best, &found), "planning", p);
    if (found == 0) check_blas(CUBLAS_STATUS_NOT_SUPPORTED, "planning", p);
    algorithm_ = best.algo;
  }

  const Library& lib_;
  cublasLtMatmulDesc_t desc_ = nullptr;
  cublasLtMatrixLayout_t a_ = nullptr, b_ = nullptr, c_ = nullptr;
  cublasLtMatmulAlgo_t algorithm_{};
};

Shape shape_of(const Product& p) {
  return {p.transpose_a, p.transpose_b, p.m, p.n, p.k, alignment_of(p.a), alignment_of(p.b), alignment_of(p.c)};
}

}  // namespace

struct Products::State {
  const Library& lib = load_library();
  cublasLtHandle_t handle = nullptr;
  DeviceMemory workspace{kWorkspaceBytes};
  std::map<Shape, Plan> plans;

  State() {
    if (lib.create(&handle) != CUBLAS_STATUS_SUCCESS) throw Error(Errc::cuda, "cuBLASLt cannot be started");
  }
  ~State() {
    plans.clear();
    lib.destroy(handle);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Products::Products() = default;
Products::~Products() = default;

void Products::run(const Product& p, CUstream_st* stream) {
  if (p.m == 0 || p.n == 0) return;
  if (p.k == 0 && p.accumulate) return;
  if (p.k == 0)
    return check(cudaMemsetAsync(p.c, 0, static_cast<std::size_t>(p.m * p.n) * sizeof(float), stream), "zeroing");
  if (!state_) state_ = std::make_unique<State>();
  const Shape shape = shape_of(p);
  auto plan = state_->plans.find(shape);
  if (plan == state_->plans.end())
    plan = state_->plans
               .emplace(std::piecewise_construct, std::forward_as_tuple(shape),
                        std::forward_as_tuple(state_->lib, state_->handle, p))
               .first;
  plan->second.run(state_->handle, p, state_->workspace.data(), stream);
}

bool Products::ready(const Product& p) const {
  return p.m == 0 || p.n == 0 || p.k == 0 || (state_ && state_->plans.contains(shape_of(p)));
}

std::string Products::library() const {
  try {
    const std::size_t v = load_library().version();
    return fmt::format("cuBLASLt {}.{}.{}", v / 10000, v / 100 % 100, v % 100);
  } catch (const Error&) {
    return "no cuBLASLt";
  }
}

}  // namespace fuselage::cuda
