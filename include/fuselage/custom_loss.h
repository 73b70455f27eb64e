// Losses of one's own: a struct of the user's becomes a loss that backends run like those of the list, with weights,
// masks, reductions, layouts and types. The library is neither changed nor built again for it.
//
//   struct AbsolutePlusL1 {
//     float lambda = 0.1f;
//     template <class S>
//     FUSELAGE_HD S operator()(S y, S t) const { return abs(y - t) + S(lambda) * abs(y); }
//   };
//   backend->loss(fuselage::custom_loss(AbsolutePlusL1{0.5f}), batch, report);
//
// The call gives the value, and the derivative comes from dual numbers; or it gives ValueGrad<S>, and what it says is
// taken. With three arguments (y, z, t) it is a loss of two predictions, the second of which is LossBatch::second; it
// gives the value or ValueGrads<S>. S is a class with the operations of core/scalar.h and core/math.h: select, never
// branch on data; write constants as S(0.5).
//
// A file that nvcc compiles makes the kernel too; one that the C++ compiler compiles makes a loss for the CPU alone.
// Bits are the same everywhere where nothing is contracted to fma: the CMake package brings the flags, and
// docs/adding_a_loss.md names them for others.
#pragma once

#include <cstddef>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>

#include "fuselage/own_loss.h"
#include "fuselage/tile_loss.h"

#ifdef __CUDACC__
#include "fuselage/cuda/own_launch.h"
#endif

namespace fuselage {

/// A loss of the user's own, by value. Made by custom_loss().
class CustomLoss {
 public:
  static constexpr std::size_t kBytes = 64;  ///< the most that a loss may hold

  std::string_view name() const { return name_; }
  const LossTraits& traits() const { return traits_; }
  /// Whether it was compiled for the CUDA backend as well.
  bool has_kernel() const { return launch_ != nullptr; }

  /// For backends.
  OwnLossView view() const { return {bytes_, traits_, launch_}; }
  /// For the CPU backend; `avx2`: the processor has AVX2, FMA and F16C.
  const cpu::TileFns& tiles(bool avx2) const { return avx2 && avx2_.general ? avx2_ : tiles_; }

  /// Use custom_loss().
  template <class L>
  CustomLoss(const OwnLoss<L>& loss, std::string_view name, const cpu::TileFns& tiles, const cpu::TileFns& avx2,
             OwnLaunch launch)
      : name_(name), traits_(traits_of(loss)), tiles_(tiles), avx2_(avx2), launch_(launch) {
    new (bytes_) OwnLoss<L>(loss);
  }

 private:
  alignas(16) unsigned char bytes_[kBytes];
  std::string name_;
  LossTraits traits_;
  cpu::TileFns tiles_, avx2_;
  OwnLaunch launch_;
};

namespace detail {

// The type of vector tells the functions of compilers and instruction sets apart, so that the linker never takes one
// for the other.
#if defined(__CUDACC__)
using OwnVector = Lanes<1>;  // nvcc knows no vectors where a function is for the device too
#else
using OwnVector = Lanes<4>;
#endif

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__)
/// tile_function() for AVX2, whatever the file is compiled for; and with the arithmetic as it is written.
template <class T, class L>
[[gnu::target("avx2,fma,f16c"), gnu::optimize("O2", "fp-contract=off", "no-math-errno", "no-trapping-math"),
  gnu::flatten]] void
tile_function_avx2(const void* loss, const cpu::TileInputs& inputs, const cpu::TileOutputs& outputs,
                   cpu::TileSums& sums) {
  const L l = *static_cast<const L*>(loss);
  const cpu::TileInputs in = inputs;
  const cpu::TileOutputs out = outputs;
  cpu::run_tiles<T, Lanes<8>, L>(l, in, out, sums);
}
template <class L>
consteval cpu::TileFns avx2_functions() {
  if constexpr (loss::PointwisePair<L>)
    return {nullptr, nullptr, &tile_function_avx2<void, L>};
  else
    return {&tile_function_avx2<float, L>, &tile_function_avx2<bf16, L>, &tile_function_avx2<void, L>};
}
#else
template <class L>
consteval cpu::TileFns avx2_functions() {
  return {};
}
#endif

/// For files without the header that makes kernels, which has a better match.
template <class L>
constexpr OwnLaunch own_launch(Type<L>, long) {
  return nullptr;
}

}  // namespace detail

/// A loss that runs `loss`. `name` is what messages call it: by default L::name, or "custom". L may also have, as
/// static constants, `prediction` and `target` (Domain; else real: what lies outside the target's is a bad label),
/// `decision` (Decision; else none: what accuracy counts), `inputs` (for two predictions) and `root`.
template <class L>
[[gnu::always_inline]] inline CustomLoss custom_loss(const L& loss, std::string_view name = detail::own_name<L>()) {
  static_assert(std::is_trivially_copyable_v<L>,
                "a custom loss is copied to the device as it is: it must be trivially copyable (numbers, no pointers "
                "to what it owns)");
  static_assert(sizeof(L) <= CustomLoss::kBytes && alignof(L) <= 16, "a custom loss holds 64 bytes at most");
  static_assert(detail::OwnElementwise<L>,
                "a custom loss is called with a prediction and a target, `template <class S> FUSELAGE_HD S "
                "operator()(S y, S t) const`, or with two predictions and a target, and gives S, ValueGrad<S> or "
                "ValueGrads<S>");
  if constexpr (detail::OwnElementwise<L>) {
    using Own = OwnLoss<L>;
    return CustomLoss(Own{loss}, name, cpu::tile_functions<detail::OwnVector, Own>(), detail::avx2_functions<Own>(),
                      detail::own_launch(detail::Type<L>{}, 0));
  }
}

}  // namespace fuselage
