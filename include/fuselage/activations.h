// The list of activations.
#pragma once

#include "fuselage/activation/gelu.h"
#include "fuselage/activation/identity.h"
#include "fuselage/activation/relu.h"
#include "fuselage/activation/sigmoid.h"
#include "fuselage/activation/tanh.h"
#include "fuselage/core/catalogue.h"

namespace fuselage {

using Activations =
    Catalogue<activation::Identity, activation::Relu, activation::Gelu, activation::Tanh, activation::Sigmoid>;

/// Any activation of the list, by value.
using AnyActivation = Activations::Any;

}  // namespace fuselage
