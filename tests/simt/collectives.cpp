// What the collectives of a warp compute, when all lanes of a mask have come.
#include <cstring>

#include "tests/simt/block.h"
#include "tests/simt/checker.h"
#include "tests/simt/report.h"

namespace simt {

namespace {

unsigned combine(Call call, unsigned x, unsigned y) {
  const auto a = static_cast<int>(x), b = static_cast<int>(y);
  switch (call) {
    case Call::reduce_add: return x + y;
    case Call::reduce_min: return y < x ? y : x;
    case Call::reduce_max: return x < y ? y : x;
    case Call::reduce_min_signed: return b < a ? y : x;
    case Call::reduce_max_signed: return a < b ? y : x;
    case Call::reduce_and: return x & y;
    case Call::reduce_or: return x | y;
    default: return x ^ y;
  }
}

unsigned word_of(const WarpCall& call) {
  unsigned x = 0;
  std::memcpy(&x, call.in, sizeof x);
  return x;
}

/// What votes and reductions give all lanes alike.
unsigned common_result(const Thread* warp, unsigned lanes) {
  const auto first = static_cast<unsigned>(std::countr_zero(lanes));
  const Call call = warp[first].call.call;
  unsigned ballot = 0, total = word_of(warp[first].call);
  for (unsigned left = lanes & (lanes - 1); left; left &= left - 1)
    if (call >= Call::reduce_add) total = combine(call, total, word_of(warp[std::countr_zero(left)].call));
  for (unsigned left = lanes; left; left &= left - 1)
    if (word_of(warp[std::countr_zero(left)].call) != 0) ballot |= left & -left;
  switch (call) {
    case Call::ballot: return ballot;
    case Call::any: return ballot != 0;
    case Call::all: return ballot == lanes;
    default: return total;
  }
}

/// Lanes with the same value as `one`.
unsigned matches(const Thread* warp, unsigned lanes, const WarpCall& one) {
  unsigned same = 0;
  for (unsigned left = lanes; left; left &= left - 1)
    if (std::memcmp(warp[std::countr_zero(left)].call.in, one.in, one.bytes) == 0) same |= left & -left;
  return same;
}

}  // namespace

Fault Block::perform(unsigned w, unsigned lanes) {
  Thread* warp = &threads_[w * kWarpLanes];
  const Call call = warp[std::countr_zero(lanes)].call.call;
  if (call == Call::syncwarp) {
    if (check::enabled()) knowledge_.syncwarp(w, lanes);
    return {};
  }
  const bool common = (call >= Call::ballot && call <= Call::all) || call >= Call::reduce_add;
  const unsigned result = common ? common_result(warp, lanes) : 0;
  for (unsigned left = lanes; left; left &= left - 1) {
    const auto lane = static_cast<unsigned>(std::countr_zero(left));
    const WarpCall& own = warp[lane].call;
    if (common) {
      std::memcpy(own.out, &result, sizeof result);
    } else if (call == Call::match_any || call == Call::match_all) {
      const unsigned same = matches(warp, lanes, own);
      const unsigned out = call == Call::match_any || same == lanes ? same : 0;
      std::memcpy(own.out, &out, sizeof out);
    } else if (lanes >> own.source & 1) {
      std::memcpy(own.out, warp[own.source].call.in, own.bytes);
    } else {
      return {w * kWarpLanes + lane, std::string(call_name(call)) + " at " + source_line(own.where) +
                                         " reads from lane " + std::to_string(own.source) + ", which takes no part"};
    }
  }
  return {};
}

}  // namespace simt
