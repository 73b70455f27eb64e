// The list of metrics, all of them measured by the loss pass itself.
#pragma once

#include "fuselage/core/catalogue.h"
#include "fuselage/metric/accuracy.h"
#include "fuselage/metric/f1.h"
#include "fuselage/metric/mae.h"
#include "fuselage/metric/mse.h"
#include "fuselage/metric/precision.h"
#include "fuselage/metric/recall.h"
#include "fuselage/metric/top_k.h"

namespace fuselage {

using Metrics =
    Catalogue<metric::Accuracy, metric::TopK, metric::Mae, metric::Mse, metric::Precision, metric::Recall, metric::F1>;

/// Any metric of the list, by value.
using AnyMetric = Metrics::Any;

}  // namespace fuselage
