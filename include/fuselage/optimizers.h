// The list of optimizers, and the options that every update takes.
#pragma once

#include "fuselage/core/catalogue.h"
#include "fuselage/optim/adabelief.h"
#include "fuselage/optim/adadelta.h"
#include "fuselage/optim/adagrad.h"
#include "fuselage/optim/adam.h"
#include "fuselage/optim/adamax.h"
#include "fuselage/optim/adan.h"
#include "fuselage/optim/ademamix.h"
#include "fuselage/optim/amsgrad.h"
#include "fuselage/optim/lamb.h"
#include "fuselage/optim/lars.h"
#include "fuselage/optim/lion.h"
#include "fuselage/optim/nadam.h"
#include "fuselage/optim/novograd.h"
#include "fuselage/optim/radam.h"
#include "fuselage/optim/rmsprop.h"
#include "fuselage/optim/rprop.h"
#include "fuselage/optim/schedule_free.h"
#include "fuselage/optim/sgd.h"
#include "fuselage/optim/signsgd.h"
#include "fuselage/optim/yogi.h"

namespace fuselage {

using Optimizers = Catalogue<optim::Sgd, optim::SignSgd, optim::Adam, optim::AdamW, optim::AmsGrad, optim::Adamax,
                             optim::Nadam, optim::Radam, optim::AdaBelief, optim::Yogi, optim::Adan, optim::Adagrad,
                             optim::Adadelta, optim::RmsProp, optim::Rprop, optim::Lion, optim::AdEmaMix, optim::Lamb,
                             optim::Lars, optim::NovoGrad, optim::ScheduleFreeSgd, optim::ScheduleFreeAdamW>;

/// Any optimizer of the list, by value.
using AnyOptimizer = Optimizers::Any;

extern template struct detail::ListEntries<Optimizers>;

/// Options of the update, the same for every rule, in the order in which they act: g <- -g, then
/// g <- g + l2 p + l1 sign(p), then p <- p (1 - lr decay), then the rule. (l2 is the coupled weight decay of PyTorch's
/// Adam and SGD, decay that of Keras, which has it for every rule.)
struct UpdateOptions {
  static constexpr std::string_view name = "update", formula = "g + l2 p + l1 sign(p); p (1 - lr decay)",
                                    summary = "regularisation, in the gradient or apart from it";
  double l1 = 0, l2 = 0, decay = 0;
  bool maximize = false;
  static void fields(auto&& field) {
    field("l1", &UpdateOptions::l1, kNonNegative, "weight of |p|");
    field("l2", &UpdateOptions::l2, kNonNegative, "weight of p^2/2");
    field("decay", &UpdateOptions::decay, kNonNegative, "share of p lost per unit of lr");
    field("maximize", &UpdateOptions::maximize, kFraction, "climb instead of descend");
  }
  bool operator==(const UpdateOptions&) const = default;
};

/// An optimizer with the options of its update; the text form takes the fields of both: "adam:lr=1e-3,l2=1e-4".
struct OptimizerSpec {
  AnyOptimizer rule;
  UpdateOptions options;

  /// Throws Error(unknown_name) or Error(bad_argument).
  static OptimizerSpec parse(std::string_view text);
  /// Sets a field of the rule or of the options from text.
  void set(std::string_view key, std::string_view text);
  void check() const;
  std::string to_string() const;
  double lr() const;
};

}  // namespace fuselage
