// The list of learning-rate schedules.
#pragma once

#include "fuselage/core/catalogue.h"
#include "fuselage/schedule/constant.h"
#include "fuselage/schedule/cosine.h"
#include "fuselage/schedule/step.h"

namespace fuselage {

using Schedules = Catalogue<schedule::Constant, schedule::Step, schedule::Cosine>;

/// Any schedule of the list, by value.
using AnySchedule = Schedules::Any;

}  // namespace fuselage
