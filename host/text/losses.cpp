// The text side of the losses, and what is asked of one whose type is not known.
#include "fuselage/losses.h"

namespace fuselage {

template struct detail::ListEntries<Losses>;

LossTraits traits_of(const AnyLoss& loss) {
  return std::visit([](const auto& l) { return traits_of(l); }, loss);
}

}  // namespace fuselage
