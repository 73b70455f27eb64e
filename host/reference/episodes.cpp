// Returns and advantages as sums over the steps that follow.
#include "host/reference/episodes.h"

#include <cmath>
#include <stdexcept>

namespace fuselage::reference {

namespace {

/// A sequence of the input.
class Sequence {
 public:
  Sequence(const EpisodesInput& input, std::int64_t s) : in_(input), first_(s * input.steps), s_(s) {}

  std::int64_t length() const { return in_.length.empty() ? in_.steps : in_.length.at(index(s_)); }
  double reward(std::int64_t t) const { return in_.reward.at(index(first_ + t)); }
  double value(std::int64_t t) const { return in_.value.at(index(first_ + t)); }
  bool done(std::int64_t t) const { return !in_.done.empty() && in_.done.at(index(first_ + t)) != 0; }
  double bootstrap() const { return in_.bootstrap.empty() ? 0 : in_.bootstrap.at(index(s_)); }
  /// The value of the state that step t leads to.
  double value_after(std::int64_t t) const {
    if (done(t)) return 0;
    return t + 1 == length() ? bootstrap() : value(t + 1);
  }

 private:
  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }
  const EpisodesInput& in_;
  std::int64_t first_, s_;
};

template <class OfStep>
EpisodesOutput for_each_step(const EpisodesInput& input, OfStep of_step) {
  const auto size = static_cast<std::size_t>(input.sequences * input.steps);
  if (input.reward.size() != size) throw std::invalid_argument("rewards do not fit the shape");
  EpisodesOutput out{std::vector<double>(size), std::vector<double>(size)};
  for (std::int64_t s = 0; s < input.sequences; ++s) {
    const Sequence sequence(input, s);
    for (std::int64_t t = 0; t < sequence.length(); ++t) {
      const auto at = static_cast<std::size_t>(s * input.steps + t);
      of_step(sequence, t, out.returns[at], out.advantage[at]);
    }
  }
  return out;
}

}  // namespace

EpisodesOutput discounted_returns(const EpisodesInput& input) {
  return for_each_step(input, [&](const Sequence& q, std::int64_t t, double& result, double&) {
    for (std::int64_t k = t; k < q.length(); ++k) {
      result += std::pow(input.gamma, static_cast<double>(k - t)) * q.reward(k);
      if (q.done(k)) return;
    }
    result += std::pow(input.gamma, static_cast<double>(q.length() - t)) * q.bootstrap();
  });
}

EpisodesOutput gae(const EpisodesInput& input) {
  return for_each_step(input, [&](const Sequence& q, std::int64_t t, double& result, double& advantage) {
    for (std::int64_t k = t; k < q.length(); ++k) {
      const double error = q.reward(k) + input.gamma * q.value_after(k) - q.value(k);
      advantage += std::pow(input.gamma * input.lambda, static_cast<double>(k - t)) * error;
      if (q.done(k)) break;
    }
    result = advantage + q.value(t);
  });
}

}  // namespace fuselage::reference
