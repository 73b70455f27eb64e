// Reinforcement learning over episodes: discounted returns and generalised advantages, and the arithmetic of a step.
//
// The recurrences go backwards in time, in double, and every step is rounded once, when it is stored: that is the
// canonical order, and every backend goes through it alike.
#pragma once

#include <cstdint>

#include "fuselage/core/catalogue.h"
#include "fuselage/core/dtype.h"
#include "fuselage/core/view.h"

namespace fuselage {

/// Sequences of steps, all of one length or each of its own. All views are borrowed and live where the backend's memory
/// is; they may have any strides, so that [steps, sequences] in memory is a view too. Outputs may be the memory of
/// `reward` or `value` exactly (the same elements at the same places), and overlap nothing else: what counts is the
/// first and the last byte of a view.
///
/// With V_t = value, V beyond the last step = bootstrap, and t from the last step of a sequence to the first:
///   discounted_returns:  R_t = r_t + gamma R_{t+1}, R beyond the last step = bootstrap
///   gae:                 delta_t = (r_t + gamma V_{t+1}) - V_t,  A_t = delta_t + gamma lambda A_{t+1},  R_t = A_t +
///   V_t
/// After a step with `done`, what follows counts as 0, whatever it holds: NaN there does not reach the episode before.
/// Elsewhere NaN and infinity go through to all earlier steps of their episode; report.nonfinite counts them.
struct Episodes {
  ConstView reward;      ///< [sequences, steps] fp32
  ConstView value;       ///< gae: [sequences, steps] fp32
  ConstView done;        ///< optional u8 [sequences, steps]; not 0: the episode ends with this step
  ConstView bootstrap;   ///< optional fp32 [sequences, 1]: the value after a sequence's last step; 0 where not given
  ConstView length;      ///< optional [sequences, 1] of an integer type, in [0, steps]; outputs past it are 0
  View returns;          ///< [sequences, steps] fp32; gae: optional
  View advantage;        ///< gae: [sequences, steps] fp32
  double gamma = 0.99;   ///< discount, in [0, 1]
  double lambda = 0.95;  ///< gae, in [0, 1]: 0 trusts the values, 1 the rewards
};

/// What a pass over episodes found; written by the device.
struct EpisodesReport {
  std::int64_t steps = 0;        ///< within the lengths
  std::int64_t bad_lengths = 0;  ///< sequences whose length is outside [0, steps]: their outputs are 0
  std::int64_t first_bad_sequence = -1;
  std::int64_t first_bad_length = 0;  ///< the length there
  std::int64_t nonfinite = 0;         ///< elements of the outputs that are not finite as stored
};

namespace episodes {

/// What Backend::discounted_returns is made of, for lists and checks.
struct DiscountedReturns {
  static constexpr std::string_view name = "discounted_returns";
  static constexpr std::string_view formula = "R_t = r_t + gamma (1 - done_t) R_(t+1)";
  static constexpr std::string_view summary = "what every step of an episode earns from there on";
  double gamma = 0.99;
  static void fields(auto&& field) { field("gamma", &DiscountedReturns::gamma, kFraction, "discount of a step"); }
};

/// The same for Backend::gae. Schulman et al., ICLR 2016.
struct Gae {
  static constexpr std::string_view name = "gae";
  static constexpr std::string_view formula =
      "A_t = d_t + gamma lambda (1 - done_t) A_(t+1), d_t = r_t + gamma (1 - done_t) V_(t+1) - V_t";
  static constexpr std::string_view summary = "generalised advantage estimates, and returns A_t + V_t";
  double gamma = 0.99, lambda = 0.95;
  static void fields(auto&& field) {
    field("gamma", &Gae::gamma, kFraction, "discount of a step");
    field("lambda", &Gae::lambda, kFraction, "0 trusts the values, 1 the rewards");
  }
};

/// What a sequence carries from a step to the one before.
struct Carry {
  double next = 0;       ///< R_{t+1}, or V_{t+1}
  double advantage = 0;  ///< A_{t+1}
};

/// gamma, and gamma lambda rounded once.
struct Discount {
  double gamma, both;
};

FUSELAGE_HD double step_return(double gamma, double reward, bool done, Carry& carry) {
  carry.next = done ? reward : reward + gamma * carry.next;
  return carry.next;
}

/// A_t; R_t is that plus `value`.
FUSELAGE_HD double step_advantage(const Discount& by, double reward, double value, bool done, Carry& carry) {
  const double delta = (done ? reward : reward + by.gamma * carry.next) - value;
  carry.advantage = done ? delta : delta + by.both * carry.advantage;
  carry.next = value;
  return carry.advantage;
}

/// How many steps of a sequence count; none of one whose length is bad.
FUSELAGE_HD std::int64_t counted_steps(std::int64_t length, std::int64_t steps) {
  return length >= 0 && length <= steps ? length : 0;
}

FUSELAGE_HD bool is_finite(float x) { return abs(x) < __builtin_inff(); }

}  // namespace episodes

/// The list of functions over episodes.
using EpisodeFunctions = Catalogue<episodes::DiscountedReturns, episodes::Gae>;

}  // namespace fuselage
