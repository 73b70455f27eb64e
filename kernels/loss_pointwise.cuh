// Every pointwise loss of the list: picks the kernel. A kernel has a part of the losses, and a file of its own.
#pragma once

#include <type_traits>
#include <variant>

#include "kernels/pointwise_kernel.cuh"

namespace fuselage::kernels {

/// Losses whose elements need more registers than those of all others: in 96 they would spill.
template <class L>
inline constexpr bool kManyRegisters = false;
template <>
inline constexpr bool kManyRegisters<loss::Asymmetric> = true;
template <>
inline constexpr bool kManyRegisters<loss::Focal> = true;  // the same two powers

/// Light losses are spread over the parts; the others have a kernel in one of them.
enum class PointwiseKind { light, heavy, pair };
template <class L>
inline constexpr PointwiseKind kKind = loss::PointwisePair<L> ? PointwiseKind::pair
                                       : kManyRegisters<L>    ? PointwiseKind::heavy
                                                              : PointwiseKind::light;
inline constexpr int kPointwiseParts = 4;
template <class L>
constexpr int part_of(std::size_t index) {
  if (kKind<L> == PointwiseKind::light) return static_cast<int>(index) % kPointwiseParts;
  return kKind<L> == PointwiseKind::pair ? 3 : 2;
}

/// The losses of one part and kind.
template <int kPart, PointwiseKind kOf, std::size_t kIndex, class Set, class... Rest>
struct PointwisePart {
  using type = Set;
};
template <int kPart, PointwiseKind kOf, std::size_t kIndex, class... Own, class L, class... Rest>
struct PointwisePart<kPart, kOf, kIndex, LossSet<Own...>, L, Rest...> {
  static constexpr bool kTakes = loss::Elementwise<L> && kKind<L> == kOf && part_of<L>(kIndex) == kPart;
  using Next = std::conditional_t<kTakes, LossSet<Own..., L>, LossSet<Own...>>;
  using type = typename PointwisePart<kPart, kOf, kIndex + 1, Next, Rest...>::type;
};
template <int kPart, PointwiseKind kOf, class Any>
struct PointwisePartOf;
template <int kPart, PointwiseKind kOf, class... Ls>
struct PointwisePartOf<kPart, kOf, std::variant<Ls...>> {
  using type = typename PointwisePart<kPart, kOf, 0, LossSet<>, Ls...>::type;
};

/// The pass, where the loss is one of `Losses`.
template <class Losses, int kBlocks>
void launch_pointwise_of(const AnyLoss& any, const PointwiseArgs& a, CUstream_st* stream) {
  std::visit(
      [&]<class L>(const L& loss) {
        if constexpr (Losses::template has<L>()) {
          Losses losses;
          losses.choose(loss);
          launch(shape_pointwise("pointwise loss", a, stream), pointwise_kernel<Losses, kBlocks>, losses, a);
        }
      },
      any);
}

/// The pass, where the loss belongs to that part. Losses of two predictions, which need more registers, have a kernel
/// of their own in each part that has some.
template <int kPart>
void launch_pointwise_part(const AnyLoss& any, const PointwiseArgs& a, CUstream_st* stream) {
  using enum PointwiseKind;
  launch_pointwise_of<typename PointwisePartOf<kPart, light, AnyLoss>::type, 5>(any, a, stream);
  launch_pointwise_of<typename PointwisePartOf<kPart, heavy, AnyLoss>::type, 4>(any, a, stream);
  launch_pointwise_of<typename PointwisePartOf<kPart, pair, AnyLoss>::type, 5>(any, a, stream);
}

extern template void launch_pointwise_part<0>(const AnyLoss&, const PointwiseArgs&, CUstream_st*);
extern template void launch_pointwise_part<1>(const AnyLoss&, const PointwiseArgs&, CUstream_st*);
extern template void launch_pointwise_part<2>(const AnyLoss&, const PointwiseArgs&, CUstream_st*);
extern template void launch_pointwise_part<3>(const AnyLoss&, const PointwiseArgs&, CUstream_st*);

inline void launch_pointwise(const AnyLoss& any, const PointwiseArgs& a, CUstream_st* stream) {
  const auto part = [&]<class L>(const L&) { return part_of<L>(any.index()); };
  switch (std::visit(part, any)) {
    case 0: return launch_pointwise_part<0>(any, a, stream);
    case 1: return launch_pointwise_part<1>(any, a, stream);
    case 2: return launch_pointwise_part<2>(any, a, stream);
    default: return launch_pointwise_part<3>(any, a, stream);
  }
}

}  // namespace fuselage::kernels
