// SampleOrder and split: permutations that are functions of seed and epoch.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "fuselage/core/rng.h"
#include "fuselage/data.h"

namespace fuselage {
namespace {

struct Keyed {
  std::uint64_t key;
  std::int64_t index;
  bool operator<(const Keyed& other) const { return key != other.key ? key < other.key : index < other.index; }
};

/// Indices 0 .. n-1 sorted by (key, index). The keys are uniform, so they are dealt by their upper bits into buckets of
/// about 256, each of which is then sorted within the cache.
void permute(std::vector<std::int64_t>& order, std::uint64_t seed, std::uint32_t stream, std::uint32_t step) {
  const auto n = order.size();
  int bits = 0;
  while (bits < 20 && (n >> bits) > 256) ++bits;
  const auto bucket = [&](std::uint64_t key) { return bits == 0 ? 0 : static_cast<std::size_t>(key >> (64 - bits)); };
  std::vector<std::size_t> begin((std::size_t{1} << bits) + 1);
  for (std::size_t i = 0; i < n; ++i) ++begin[bucket(random_word64(seed, i, stream, step)) + 1];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<std::size_t> at(begin.begin(), begin.end() - 1);
  std::vector<Keyed> keyed(n);
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint64_t key = random_word64(seed, i, stream, step);
    keyed[at[bucket(key)]++] = {key, static_cast<std::int64_t>(i)};
  }
  for (std::size_t b = 0; b + 1 < begin.size(); ++b)
    std::sort(keyed.begin() + static_cast<std::ptrdiff_t>(begin[b]),
              keyed.begin() + static_cast<std::ptrdiff_t>(begin[b + 1]));
  for (std::size_t i = 0; i < n; ++i) order[i] = keyed[i].index;
}

}  // namespace

SampleOrder::SampleOrder(std::int64_t n, std::uint64_t seed, bool shuffle) : seed_(seed), shuffle_(shuffle) {
  if (n < 0) throw Error(Errc::bad_argument, fmt::format("SampleOrder: {} samples", n));
  order_.resize(static_cast<std::size_t>(n));
  std::iota(order_.begin(), order_.end(), std::int64_t{0});
}

std::span<const std::int64_t> SampleOrder::at(std::int64_t epoch) {
  if (epoch < 0) throw Error(Errc::bad_argument, fmt::format("SampleOrder: epoch {} is negative", epoch));
  if (shuffle_ && epoch != epoch_)
    permute(order_, seed_, stream_of(RandomUse::shuffle), static_cast<std::uint32_t>(epoch));
  epoch_ = epoch;
  return order_;
}

std::pair<Dataset, Dataset> split(const Dataset& dataset, double fraction, std::uint64_t seed) {
  const std::int64_t n = dataset.size();
  const std::int64_t first = fraction > 0 && fraction < 1 ? std::llround(fraction * static_cast<double>(n)) : 0;
  if (first < 1 || first >= n)
    throw Error(Errc::bad_argument, fmt::format("split: fraction {} of {} samples leaves a part empty", fraction, n));
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  permute(order, seed, stream_of(RandomUse::split), 0);
  std::sort(order.begin(), order.begin() + first);
  std::sort(order.begin() + first, order.end());
  const std::span<const std::int64_t> rows(order);
  return {dataset.subset(rows.first(static_cast<std::size_t>(first))),
          dataset.subset(rows.subspan(static_cast<std::size_t>(first)))};
}

}  // namespace fuselage
