// The list of losses over all pairs of rows of a batch, which have calls of their own.
#pragma once

#include "fuselage/batch_triplet.h"
#include "fuselage/core/catalogue.h"
#include "fuselage/info_nce.h"

namespace fuselage {

/// info_nce: InfoNceLoss; batch_triplet: Backend::batch_triplet.
using PairLosses = Catalogue<InfoNce, BatchTriplet>;

}  // namespace fuselage
