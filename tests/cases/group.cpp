// Hashes and differences of what cases leave.
#include "tests/cases/group.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>

namespace fuselage::cases {
namespace {

constexpr std::uint64_t kPrime = 1099511628211ull;  // of FNV-1a

double number_at(DType type, const unsigned char* p) {
  const auto as = [&]<class T>(T x) {
    std::memcpy(&x, p, sizeof x);
    if constexpr (std::is_arithmetic_v<T>)
      return static_cast<double>(x);
    else
      return static_cast<double>(to_float(x));
  };
  if (is_label(type)) return dispatch_label(type, [&]<class T>() { return as(T{}); });
  if (type == DType::f64) return as(double{});
  return dispatch(type, [&]<class T>() { return as(T{}); });
}

/// "[3, 7]" for an element of the view, "+12 bytes" for one around it.
std::string place_text(const Part& part, std::int64_t element) {
  View view(nullptr, part.dtype, part.rows, part.cols, part.row_stride, part.col_stride);
  view.block = part.block;
  view.block_stride = part.block_stride;
  for (std::int64_t r = 0; r < part.rows; ++r)
    for (std::int64_t c = 0; c < part.cols; ++c)
      if (part.guard + view.row_offset(r) + c * part.col_stride == element)
        return part.rows * part.cols == 1 ? "" : fmt::format("[{}, {}]", r, c);
  return fmt::format(" {} bytes from its start, where the view has no element,",
                     (element - part.guard) * static_cast<std::int64_t>(size_of(part.dtype)));
}

std::string bits_text(DType type, const unsigned char* p) {
  std::string hex;
  for (std::size_t i = size_of(type); i > 0; --i) hex += fmt::format("{:02x}", p[i - 1]);
  return fmt::format("{} (0x{})", number_at(type, p), hex);
}

}  // namespace

std::uint64_t Outcome::hash() const {
  std::uint64_t value = 1469598103934665603ull;
  for (const Part& part : parts) {
    const std::size_t size = part.bytes.size();
    for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
      std::uint64_t word = 0;
      std::memcpy(&word, part.bytes.data() + at, std::min(size - at, sizeof word));
      value = (value ^ word) * kPrime;
      value ^= value >> 32;  // the product moves bits up only, and nothing is above the last one
    }
  }
  return value;
}

void Bits::add(std::uint64_t of_case) {
  ++cases;
  for (int i = 0; i < 8; ++i) hash = (hash ^ ((of_case >> (8 * i)) & 0xff)) * kPrime;
}

std::string difference(const Outcome& a, const std::string& a_name, const Outcome& b, const std::string& b_name) {
  for (std::size_t i = 0; i < a.parts.size(); ++i) {
    const Part &p = a.parts[i], &q = b.parts[i];
    if (p.bytes == q.bytes) continue;
    const std::size_t size = size_of(p.dtype), elements = p.bytes.size() / size;
    std::size_t first = elements, count = 0;
    for (std::size_t e = 0; e < elements; ++e)
      if (std::memcmp(p.bytes.data() + e * size, q.bytes.data() + e * size, size) != 0) {
        if (count++ == 0) first = e;
      }
    return fmt::format(
        "{}{} is {} on {}, {} on {}; {} element{} differ{}", p.name, place_text(p, static_cast<std::int64_t>(first)),
        bits_text(p.dtype, p.bytes.data() + first * size), a_name, bits_text(q.dtype, q.bytes.data() + first * size),
        b_name, count, count == 1 ? "" : "s", count == 1 ? "s" : "");
  }
  return {};
}

void add_report(const LossReport& r, Outcome& outcome) {
  const auto add = [&](const char* name, auto value) { outcome.parts.push_back(Part::number(name, value)); };
  add("report.value", r.value);
  add("report.value_sum", r.value_sum);
  add("report.weight_sum", r.weight_sum);
  add("report.count", r.count);
  add("report.bad_labels", r.bad_labels);
  add("report.first_bad_row", r.first_bad_row);
  add("report.first_bad_label", r.first_bad_label);
  add("report.bad_weights", r.bad_weights);
  add("report.first_bad_weight_row", r.first_bad_weight_row);
  if (r.bad_weights > 0) add("report.first_bad_weight", r.first_bad_weight);
  add("report.nonfinite", r.nonfinite);
  add("report.correct", r.correct);
  add("report.positives", r.positives);
  add("report.chosen", r.chosen);
  add("report.hits", r.hits);
  add("report.top_k_correct", r.top_k_correct);
  add("report.abs_error_sum", r.abs_error_sum);
  add("report.squared_error_sum", r.squared_error_sum);
  add("report.target_shift", r.target_shift);
  add("report.target_sum", r.target_sum);
  add("report.target_squared_sum", r.target_squared_sum);
  add("report.rejected", std::int64_t{r.rejected});
}

std::vector<Group> all_groups(Size size) {
  std::vector<Group> groups = loss_groups(size);
  for (auto* more : {&optimizer_groups, &layer_groups, &episode_groups, &penalty_groups})
    for (Group& group : (*more)(size)) groups.push_back(std::move(group));
  return groups;
}

std::vector<ChosenGroup> choose_groups(Extent extent) {
  std::vector<Group> groups = all_groups(extent == Extent::full ? Size::full : Size::small);
  std::map<std::string, int> sizes, begun, turns;  // of kinds: how many groups, how many of them seen, which has pairs
  std::map<std::string, int> types, seen, places;  // of entries: how many groups, how many of them seen, its place
  for (const Group& group : groups) {
    ++sizes[group.kind], ++types[group.entry];
    places.emplace(group.entry, static_cast<int>(places.size()));
  }
  std::vector<ChosenGroup> chosen;
  for (Group& group : groups) {
    const int storage_types = std::min(sizes[group.kind], 3);  // with which the first entry of each kind comes
    const auto turn = turns.emplace(group.kind, static_cast<int>(turns.size()) % storage_types).first;
    const bool its_turn = begun[group.kind]++ == turn->second;
    const bool of_entry = group.entry.empty() || seen[group.entry]++ == places[group.entry] % types[group.entry];
    if (extent == Extent::brief && !group.own_kernels && !of_entry) continue;
    const bool pairs = extent == Extent::full || group.own_kernels || (extent == Extent::small && its_turn);
    chosen.push_back({std::move(group), pairs});
  }
  return chosen;
}

std::string disagreement(const Group& group, const Levels& levels,
                         const std::vector<std::unique_ptr<Backend>>& backends) {
  const CaseRun run = group.prepare(levels);
  const Outcome first = run(*backends.at(0));
  for (const auto& backend : backends) {
    const std::string what = difference(first, backends[0]->description(), run(*backend), backend->description());
    if (!what.empty()) return what + "\n" + group.text(levels);
  }
  return {};
}

}  // namespace fuselage::cases
