// What is checked of episodes before a backend runs them.
#include <fmt/format.h>

#include "fuselage/backend.h"
#include "host/backend/view_checks.h"

namespace fuselage {

namespace {

void check_output(const View& out, std::string_view name, const Episodes& e, bool advantages) {
  const ConstView view = out;
  require_shape(view, name, e.reward.rows, e.reward.cols);
  require_type(view, name, DType::f32);
  require_places(view, name);
  for (const Named& in : {Named{e.reward, "reward"}, {advantages ? e.value : ConstView(), "value"}})
    if (overlap(view, in.view) && !same_places(view, in.view))
      throw Error(Errc::bad_argument,
                  fmt::format("{} overlaps {} in part; it may be the same memory, or another", name, in.name));
  for (const Named& in : {Named{e.done, "done"}, {e.bootstrap, "bootstrap"}, {e.length, "length"}})
    if (overlap(view, in.view)) throw Error(Errc::bad_argument, fmt::format("{} overlaps {}", name, in.name));
}

void check_episodes(const Episodes& e, bool advantages, const EpisodesReport* report) {
  const std::vector<Named> memory{{e.reward, "reward"},       {e.value, "value"},   {e.done, "done"},
                                  {e.bootstrap, "bootstrap"}, {e.length, "length"}, {e.returns, "returns"},
                                  {e.advantage, "advantage"}};
  for (const Named& v : memory) check_strides(v.view, v.name);
  const std::int64_t sequences = e.reward.rows, steps = e.reward.cols;
  EpisodeFunctions::check(advantages ? EpisodeFunctions::Any(episodes::Gae{e.gamma, e.lambda})
                                     : EpisodeFunctions::Any(episodes::DiscountedReturns{e.gamma}));
  if (!e.reward && e.reward.size() != 0) throw Error(Errc::bad_argument, "reward is missing");
  require_type(e.reward, "reward", DType::f32);
  if (advantages) {
    require(e.value || e.reward.size() == 0, Errc::bad_argument, "value is missing");
    require(e.advantage || e.reward.size() == 0, Errc::bad_argument, "advantage is missing");
    require_shape(e.value, "value", sequences, steps);
    require_type(e.value, "value", DType::f32);
  } else {
    require(!e.value, Errc::bad_argument,
            "value is for gae; discounted returns take the value after the last step "
            "as bootstrap");
    require(!e.advantage, Errc::bad_argument, "advantage is for gae");
    require(e.returns || e.reward.size() == 0, Errc::bad_argument, "returns is missing");
  }
  if (e.done) require_shape(e.done, "done", sequences, steps), require_type(e.done, "done", DType::u8);
  if (e.bootstrap) {
    require_shape(e.bootstrap, "bootstrap", sequences, 1);
    require_type(e.bootstrap, "bootstrap", DType::f32);
  }
  if (e.length) {
    require_shape(e.length, "length", sequences, 1);
    if (!is_label(e.length.dtype))
      throw Error(Errc::bad_dtype, fmt::format("length is {}, expected an integer type", name_of(e.length.dtype)));
  }
  if (e.returns) check_output(e.returns, "returns", e, advantages);
  if (report) require_report(report, memory);
  if (!e.advantage) return;
  check_output(e.advantage, "advantage", e, advantages);
  require(!overlap(e.advantage, e.returns), Errc::bad_argument, "advantage overlaps returns");
}

}  // namespace

void Backend::discounted_returns(const Episodes& episodes, EpisodesReport* report) {
  check_episodes(episodes, false, report);
  run_episodes(episodes, false, report);
}

void Backend::gae(const Episodes& episodes, EpisodesReport* report) {
  check_episodes(episodes, true, report);
  run_episodes(episodes, true, report);
}

}  // namespace fuselage
