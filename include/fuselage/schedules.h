// The list of learning-rate schedules, and what is made of several: products, and one after another.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "fuselage/core/catalogue.h"
#include "fuselage/core/plain.h"
#include "fuselage/schedule/constant.h"
#include "fuselage/schedule/cosine.h"
#include "fuselage/schedule/exponential.h"
#include "fuselage/schedule/one_cycle.h"
#include "fuselage/schedule/piecewise.h"
#include "fuselage/schedule/plateau.h"
#include "fuselage/schedule/polynomial.h"
#include "fuselage/schedule/step.h"
#include "fuselage/schedule/warmup.h"

namespace fuselage {

using Schedules =
    Catalogue<schedule::Constant, schedule::Step, schedule::MultiStep, schedule::Exponential, schedule::Polynomial,
              schedule::Linear, schedule::Cosine, schedule::OneCycle, schedule::Warmup, schedule::Wsd,
              schedule::Piecewise, schedule::InverseTime, schedule::InverseSqrt, schedule::Plateau>;

/// Any schedule of the list, by value.
using AnySchedule = Schedules::Any;

extern template struct detail::ListEntries<Schedules>;

/// An entry within a schedule, and the step at which its phase begins; it counts its own steps from there.
struct ScheduleTerm {
  AnySchedule entry;
  std::int64_t from = 0;
};

/// Schedules chained: in phases one after another, each of them a product of entries.
///
///   "cosine:total=1000"                                  an entry
///   "warmup:steps=100 * cosine:total=1000"               a product: PyTorch's ChainedScheduler
///   "linear:total=100,start=0,end=1 | 100 | cosine:total=900"
///       until step 100, then the next, which counts from there: PyTorch's SequentialLR, Optax' join_schedules
struct ScheduleSpec {
  static constexpr std::size_t kMaxTerms = 8;
  std::vector<ScheduleTerm> terms{{schedule::Constant{}, 0}};  ///< `from` ascends; those of one phase have the same

  ScheduleSpec() = default;
  /// An entry, or any of the list.
  template <class Entry>
  requires std::constructible_from<AnySchedule, Entry&&> ScheduleSpec(Entry&& entry)
      : terms{{AnySchedule(std::forward<Entry>(entry)), 0}} {}

  /// Throws Error(unknown_name) or Error(bad_argument) that says which term is wrong and how.
  static ScheduleSpec parse(std::string_view text);
  /// The text that parse() reads back to an equal schedule.
  std::string to_string() const;
  /// Throws Error(bad_argument) unless there are 1 to kMaxTerms terms, the first of them from step 0, phases in
  /// ascending order, one plateau at most, and all fields in their ranges.
  void check() const;

  /// The one entry of a schedule that is not composed; null for others.
  const AnySchedule* entry() const { return terms.size() == 1 ? &terms[0].entry : nullptr; }
  /// Whether observations move it.
  bool has_plateau() const;
  /// The name of an entry that takes its length from a run, because its `total` is 0; empty where there is none.
  std::string_view endless() const;
  /// The schedule of a run of so many steps: an entry that takes its length from the run gets what its phase has of it.
  /// Throws Error(bad_argument) where that is nothing.
  ScheduleSpec over(std::int64_t steps) const;
  /// Whether the other one has the same entries; their fields may differ.
  bool same_entries(const ScheduleSpec& other) const;
};

/// A schedule in plain memory, for devices.
class PlainSchedule {
 public:
  PlainSchedule() = default;
  /// The spec must be checked.
  explicit PlainSchedule(const ScheduleSpec& spec);

  /// What the learning rate is multiplied by at `step` (0-based).
  FUSELAGE_HD double factor(std::int64_t step, const schedule::PlateauState& state) const {
    std::int64_t from = 0;
    for (int i = 0; i < count_; ++i)
      if (terms_[i].from <= step) from = terms_[i].from;
    double product = 1;
    for (int i = 0; i < count_; ++i) {
      if (terms_[i].from != from) continue;
      terms_[i].entry.visit([&]<class S>(const S& entry) {
        if constexpr (std::is_same_v<S, schedule::Plateau>)
          product *= state.factor();
        else
          product *= entry.factor(step - from);
      });
    }
    return product;
  }
  /// What the schedule's plateau, if it has one, makes of an observation, whichever phase it is in.
  FUSELAGE_HD void observe(double value, schedule::PlateauState& state) const {
    for (int i = 0; i < count_; ++i)
      terms_[i].entry.visit([&]<class S>(const S& entry) {
        if constexpr (std::is_same_v<S, schedule::Plateau>) entry.observe(value, state);
      });
  }

 private:
  struct Term {
    Plain<Schedules> entry;
    std::int64_t from = 0;
  };
  Term terms_[ScheduleSpec::kMaxTerms];
  std::int32_t count_ = 0;
};

}  // namespace fuselage
