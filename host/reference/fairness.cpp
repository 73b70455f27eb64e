// Penalties on groups, straight from their formulas.
#include "host/reference/fairness.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>

#include "host/reference/dual.h"

namespace fuselage::reference {

namespace {

using D = Dual<1>;
std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

/// A row's weight and score; only rows that take part are asked for.
struct Row {
  std::int64_t group;
  double weight;
  D score;
};

double weight_of(const GroupInput& in, std::int64_t r) { return in.weight.empty() ? 1 : in.weight[index(r)]; }

bool takes_part(const GroupInput& in, std::int64_t r) {
  const std::int64_t group = in.group[index(r)];
  return group >= 0 && group < in.groups && weight_of(in, r) > 0 && (in.mask.empty() || in.mask[index(r)] != 0);
}

bool is_positive(const GroupInput& in, std::int64_t r) {
  const double t = in.target.at(index(r));
  return in.class_labels ? t == static_cast<double>(in.positive) : t > 0.5;
}

D score_of(const GroupInput& in, const std::vector<D>& y, std::int64_t r) {
  if (in.score == "softmax") {
    D sum = 0;
    const D own = y[index(r * in.cols + in.positive)];
    for (std::int64_t c = 0; c < in.cols; ++c) sum = sum + exp(y[index(r * in.cols + c)] - own);
    return 1.0 / sum;
  }
  const D x = y[index(r)];
  if (in.score == "logit") return 1.0 / (1.0 + exp(-x));
  return in.residual ? x - in.target.at(index(r)) : x;
}

struct Group {
  double weight = 0;
  D sum = 0;
  D mean() const { return sum / weight; }
};

std::vector<Group> groups_of(std::int64_t count, const std::vector<Row>& rows) {
  std::vector<Group> groups(index(count));
  for (const Row& row : rows) {
    Group& group = groups[index(row.group)];
    group.weight += row.weight;
    group.sum = group.sum + row.weight * row.score;
  }
  std::erase_if(groups, [](const Group& g) { return g.weight == 0; });
  return groups;
}

D spread(const std::string& form, std::int64_t count, const std::vector<Row>& rows) {
  const std::vector<Group> groups = groups_of(count, rows);
  if (groups.empty()) return 0;
  if (form == "range") {
    const auto less = [](const Group& a, const Group& b) { return a.mean().value < b.mean().value; };
    return std::max_element(groups.begin(), groups.end(), less)->mean() -
           std::min_element(groups.begin(), groups.end(), less)->mean();
  }
  Group all;
  for (const Group& g : groups) all.weight += g.weight, all.sum = all.sum + g.sum;
  D result = 0;
  for (const Group& g : groups) {
    const D d = g.mean() - all.mean();
    result = result + g.weight / all.weight * (d * d);
  }
  return result;
}

using Rows = std::function<std::vector<Row>(std::function<bool(std::int64_t)>)>;

D difference(std::string_view name, const GroupInput& in, const Rows& rows) {
  const auto all = [](std::int64_t) { return true; };
  const auto yes = [&](std::int64_t r) { return is_positive(in, r); };
  const auto no = [&](std::int64_t r) { return !is_positive(in, r); };
  if (name == "equal_opportunity") return spread(in.form, in.groups, rows(yes));
  if (name == "equalized_odds") return spread(in.form, in.groups, rows(yes)) + spread(in.form, in.groups, rows(no));
  return spread(in.form, in.groups, rows(all));
}

/// Losses of rows come weighted.
std::vector<Group> losses_of(const GroupInput& in, const std::vector<D>& y) {
  std::vector<Group> groups(index(in.groups));
  for (std::int64_t r = 0; r < in.rows; ++r) {
    if (!takes_part(in, r)) continue;
    Group& g = groups[index(in.group[index(r)])];
    g.weight += weight_of(in, r);
    g.sum = g.sum + y[index(r)];
  }
  return groups;
}

double option(const Options& options, const std::string& name, double otherwise) {
  const auto found = options.find(name);
  return found == options.end() ? otherwise : found->second;
}

D objective(std::string_view name, const Options& options, const GroupInput& in, const std::vector<D>& y,
            std::vector<double>& q) {
  const std::vector<Group> groups = losses_of(in, y);
  const double strength = option(options, "strength", 1);
  D result = 0;
  if (name == "bounded_group_loss") {
    Group all;
    for (const Group& g : groups) {
      if (g.weight == 0) continue;
      all.weight += g.weight, all.sum = all.sum + g.sum;
      const D excess = g.mean() - option(options, "bound", 0);
      if (excess.value > 0) result = result + strength * excess;
    }
    return all.weight == 0 ? result : result + option(options, "mean", 0) * all.mean();
  }
  if (option(options, "worst", 0) != 0) {
    const Group* worst = nullptr;
    for (const Group& g : groups)
      if (g.weight > 0 && (!worst || g.mean().value > worst->mean().value)) worst = &g;
    return worst ? strength * worst->mean() : result;
  }
  if (std::all_of(groups.begin(), groups.end(), [](const Group& g) { return g.weight == 0; })) return result;
  double norm = 0;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const double loss = groups[g].weight > 0 ? groups[g].mean().value : 0;
    q[g] = in.q[g] * std::exp(option(options, "step", 0.01) * loss);
    norm += q[g];
  }
  for (std::size_t g = 0; g < groups.size(); ++g) {
    q[g] /= norm;
    if (groups[g].weight > 0) result = result + strength * q[g] * groups[g].mean();
  }
  return result;
}

}  // namespace

GroupOutput penalty(std::string_view name, const Options& options, const GroupInput& in) {
  const std::vector<std::string> names = penalty_names();
  if (std::find(names.begin(), names.end(), name) == names.end())
    throw std::invalid_argument("no penalty '" + std::string(name) + "'");
  const bool of_values = name == "bounded_group_loss" || name == "group_dro";
  const double strength = option(options, "strength", 1);
  GroupOutput out;
  out.q = in.q;
  const auto evaluate = [&](const std::vector<D>& y) -> D {
    if (of_values) return objective(name, options, in, y, out.q);
    return strength * difference(name, in, [&](const std::function<bool(std::int64_t)>& wanted) {
             std::vector<Row> rows;
             for (std::int64_t r = 0; r < in.rows; ++r)
               if (takes_part(in, r) && wanted(r))
                 rows.push_back({in.group[index(r)], weight_of(in, r), score_of(in, y, r)});
             return rows;
           });
  };
  std::vector<D> y(in.prediction.begin(), in.prediction.end());
  out.value = evaluate(y).value;
  const bool squares = !of_values && in.form == "squared",
             labels = name == "equal_opportunity" || name == "equalized_odds";
  double most = 0;
  for (std::int64_t r = 0; r < in.rows; ++r)
    if (takes_part(in, r)) most = std::max(most, std::abs(score_of(in, y, r).value));
  out.term = of_values ? std::abs(out.value) : strength * (squares ? most * most : most);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::int64_t r = static_cast<std::int64_t>(i) / in.cols;
    y[i] = D(in.prediction[i], 0);
    out.gradient.push_back(evaluate(y).slope[0] * in.upstream);
    double term = std::abs(out.gradient.back());
    if (squares && takes_part(in, r)) {
      double weight = 0;
      for (std::int64_t other = 0; other < in.rows; ++other)
        if (takes_part(in, other) && (!labels || is_positive(in, other) == is_positive(in, r)))
          weight += weight_of(in, other);
      const double slope = score_of(in, y, r).slope[0];
      term = std::max(term, std::abs(2 * strength * most * weight_of(in, r) / weight * slope * in.upstream));
    }
    if (name == "equal_opportunity" && out.gradient.back() == 0) term = 0;
    out.gradient_terms.push_back(term);
    y[i] = D(in.prediction[i]);
  }
  return out;
}

std::vector<std::string> penalty_names() {
  return {"demographic_parity", "equal_opportunity",  "equalized_odds",
          "mean_difference",    "bounded_group_loss", "group_dro"};
}

}  // namespace fuselage::reference
