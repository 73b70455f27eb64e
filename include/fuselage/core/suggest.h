// "did you mean": the nearest of some names.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fuselage {

/// The number of insertions, deletions, substitutions and swaps of neighbours that turn a into b.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

/// " (did you mean 'x'?)" for the nearest name, or "; known: a, b, c" when none is near.
inline std::string suggest(std::string_view wrong, std::span<const std::string> names) {
  const std::string* best = nullptr;
  std::size_t distance = std::max<std::size_t>(2, wrong.size() / 3) + 1;
  for (const std::string& name : names) {
    const std::size_t d = edit_distance(wrong, name);
    if (d < distance) distance = d, best = &name;
  }
  if (best) return " (did you mean '" + *best + "'?)";
  std::string known = "; known: ";
  for (const std::string& name : names) known += (&name == names.data() ? "" : ", ") + name;
  return names.empty() ? "; there are none" : known;
}

}  // namespace fuselage
