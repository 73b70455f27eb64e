// Everything that fuselage offers.
#pragma once

#include "fuselage/array.h"
#include "fuselage/backend.h"
#include "fuselage/checkpoint.h"
#include "fuselage/combination.h"
#include "fuselage/compat.h"
#include "fuselage/core/rng.h"
#include "fuselage/custom_loss.h"
#include "fuselage/data.h"
#include "fuselage/history.h"
#include "fuselage/nn.h"
#include "fuselage/optimizer.h"
#include "fuselage/pair_losses.h"
#include "fuselage/train.h"
#include "fuselage/validate.h"
