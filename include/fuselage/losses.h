// The list of losses. An entry here is everything that a loss needs to be known: the backends, the command line, the
// tests, the benchmarks and the documentation iterate over it.
#pragma once

#include "fuselage/core/catalogue.h"
#include "fuselage/loss/bce.h"
#include "fuselage/loss/bce_with_logits.h"
#include "fuselage/loss/hinge.h"
#include "fuselage/loss/huber.h"
#include "fuselage/loss/mae.h"
#include "fuselage/loss/mse.h"
#include "fuselage/loss/smooth_l1.h"
#include "fuselage/loss/softmax_cross_entropy.h"

namespace fuselage {

using Losses = Catalogue<loss::Mse, loss::Mae, loss::Huber, loss::SmoothL1, loss::Bce, loss::BceWithLogits, loss::Hinge,
                         loss::SoftmaxCrossEntropy>;

/// Any loss of the list, by value.
using AnyLoss = Losses::Any;

}  // namespace fuselage
