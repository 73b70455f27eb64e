// The learning-rate schedules: a factor for each step, as the textbook has it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>
#include <stdexcept>

#include "host/reference/options.h"
#include "host/reference/reference.h"

namespace fuselage::reference {
namespace {

double get_steps(OptionReader& reader, const std::string& key, double value, double low) {
  if (!(value >= low) || std::trunc(value) != value) reader.fail(key, "is not a whole number of steps in range");
  return value;
}
double steps_or(OptionReader& reader, const std::string& key, double otherwise, double low = 0) {
  return get_steps(reader, key, reader.get(key, otherwise), low);
}
double required_steps(OptionReader& reader, const std::string& key, double low) {
  return get_steps(reader, key, reader.get_required(key), low);
}

/// The options "KEY.0", "KEY.1" ...
std::vector<double> get_list(OptionReader& reader, const std::string& key) {
  std::vector<double> list;
  while (reader.has(key + "." + std::to_string(list.size())))
    list.push_back(reader.get_required(key + "." + std::to_string(list.size())));
  return list;
}
std::vector<double> get_milestones(OptionReader& reader) {
  const std::vector<double> at = get_list(reader, "at");
  for (std::size_t i = 0; i < at.size(); ++i)
    get_steps(reader, "at." + std::to_string(i), at[i], i == 0 ? 1 : at[i - 1] + 1);
  return at;
}

double cosine_from_one(double x) { return (1 + std::cos(std::numbers::pi * x)) / 2; }

double step_factor(OptionReader& reader, double step) {
  const double every = required_steps(reader, "every", 1), gamma = reader.get("gamma", 0.1);
  return std::pow(gamma, std::floor(step / every));
}

double multistep_factor(OptionReader& reader, double step) {
  const std::vector<double> at = get_milestones(reader);
  const double gamma = reader.get("gamma", 0.1);
  return std::pow(gamma, static_cast<double>(std::count_if(at.begin(), at.end(), [&](double m) { return m <= step; })));
}

double exponential_factor(OptionReader& reader, double step) {
  const double gamma = reader.get_required("gamma"), every = steps_or(reader, "every", 1, 1);
  const double begin = steps_or(reader, "begin", 0), limit = reader.get("limit", 0);
  const bool staircase = reader.get_flag("staircase");
  double exponent = std::max(0.0, step - begin) / every;
  if (staircase) exponent = std::floor(exponent);
  const double factor = std::pow(gamma, exponent);
  if (gamma >= 1) return limit > 0 ? std::min(factor, limit) : factor;
  return std::max(factor, limit);
}

double polynomial_factor(OptionReader& reader, double step) {
  const double total = required_steps(reader, "total", 0), begin = steps_or(reader, "begin", 0);
  const double power = reader.get_positive("power", 1), end = reader.get("end", 0);
  const bool cycle = reader.get_flag("cycle");
  const double done = std::max(0.0, step - begin);
  if (total == 0) return 1;
  const double span = cycle ? total * std::max(1.0, std::ceil(done / total)) : total;
  return (1 - end) * std::pow(1 - std::min(done, span) / span, power) + end;
}

double linear_factor(OptionReader& reader, double step) {
  const double total = required_steps(reader, "total", 0), begin = steps_or(reader, "begin", 0);
  const double start = reader.get("start", 1), end = reader.get("end", 0);
  const double x = total > 0 ? std::clamp((step - begin) / total, 0.0, 1.0) : 0;
  return (1 - x) * start + x * end;
}

double cosine_factor(OptionReader& reader, double step) {
  const double total = required_steps(reader, "total", 0), warmup = steps_or(reader, "warmup", 0);
  const double floor = reader.get("floor", 0), power = reader.get_positive("power", 1);
  const double first = steps_or(reader, "first", 0), growth = reader.get_between("growth", 1, 1, kUnbounded);
  const double shrink = reader.get_positive("shrink", 1);
  const bool swing = reader.get_flag("swing");
  if (total > 0 && step >= total && !swing) return floor;
  if (step < warmup) return (step + 1) / warmup;
  double at = step - warmup, length = total - warmup, height = 1;
  if (first > 0) {
    double begin = 0, period = 0;
    if (growth == 1) period = std::floor(at / first), begin = period * first;
    length = first;
    while (growth > 1 && begin + length <= at) {
      begin += length;
      length *= growth;
      period += 1;
    }
    at -= begin;
    height = std::pow(shrink, period);
  } else if (total == 0) {
    return 1;
  } else {
    at = std::fmod(at, 2 * length);  // a whole swing
  }
  return floor + (1 - floor) * height * std::pow(cosine_from_one(at / length), power);
}

double one_cycle_factor(OptionReader& reader, double step) {
  const double total = required_steps(reader, "total", 0), pct_start = reader.get_between("pct_start", 0.3, 0, 1);
  const double first = 1 / reader.get_positive("div_factor", 25);
  const double last = first / reader.get_positive("final_div_factor", 1e4);
  const bool linear = reader.get_flag("anneal"), three_phase = reader.get_flag("three_phase");
  struct Phase {
    double from, to, end;
  };
  const double top = pct_start * total - 1;
  std::vector<Phase> phases{{first, 1, top}};
  if (three_phase) phases.push_back({1, first, 2 * pct_start * total - 2});
  phases.push_back({phases.back().to, last, total - 1});
  if (total == 0) return first;
  step = std::min(step, total - 1);
  double begin = 0;
  for (std::size_t i = 0; i + 1 < phases.size() && step > phases[i].end; ++i) begin = phases[i].end;
  const Phase phase = *std::find_if(phases.begin(), phases.end() - 1, [&](const Phase& p) { return step <= p.end; });
  if (phase.end <= begin) return phase.to;
  const double x = (step - begin) / (phase.end - begin);
  return phase.to + (phase.from - phase.to) * (linear ? 1 - x : cosine_from_one(x));
}

double warmup_factor(OptionReader& reader, double step) {
  const double steps = required_steps(reader, "steps", 0), start = reader.get_between("start", 0, 0, 1);
  const double offset = steps_or(reader, "offset", 1);
  if (steps == 0) return 1;
  const double x = std::min(1.0, (step + offset) / steps);
  return start + x * (1 - start);
}

double wsd_factor(OptionReader& reader, double step) {
  const double total = required_steps(reader, "total", 0), warmup = steps_or(reader, "warmup", 0);
  double decay = steps_or(reader, "decay", 0);
  const double floor = reader.get_between("floor", 0, 0, 1), shape = reader.get_between("shape", 0, 0, 2);
  if (decay == 0) decay = std::floor(total / 10);
  if (total > 0 && step >= total) return floor;
  if (step < warmup) return (step + 1) / warmup;
  if (total == 0 || step < total - decay) return 1;
  const double x = (step - (total - decay)) / decay;
  return floor + (1 - floor) * (shape == 0 ? 1 - x : shape == 1 ? cosine_from_one(x) : 1 - std::sqrt(x));
}

double piecewise_factor(OptionReader& reader, double step) {
  const std::vector<double> at = get_milestones(reader), values = get_list(reader, "values");
  const double interpolate = reader.get_between("interpolate", 0, 0, 2);
  if (values.size() != at.size() + 1) reader.fail("values", "must be one more than the steps");
  std::size_t i = 0;
  while (i < at.size() && step >= at[i]) ++i;
  if (interpolate == 0 || i == at.size()) return values[i];
  const double begin = i == 0 ? 0 : at[i - 1], x = (step - begin) / (at[i] - begin);
  const double share = interpolate == 1 ? 1 - x : cosine_from_one(x);
  return share * values[i] + (1 - share) * values[i + 1];
}

double inverse_time_factor(OptionReader& reader, double step) {
  const double rate = reader.get_required("rate"), every = required_steps(reader, "every", 1);
  const double periods = step / every;
  return 1 / (1 + rate * (reader.get_flag("staircase") ? std::floor(periods) : periods));
}

double inverse_sqrt_factor(OptionReader& reader, double step) {
  return 1 / std::sqrt(1 + step / required_steps(reader, "timescale", 1));
}

double constant_factor(OptionReader&, double) { return 1; }

struct PlateauOptions {
  double gamma, patience, threshold, cooldown, floor, eps;
  bool absolute, max;

  explicit PlateauOptions(OptionReader& reader)
      : gamma(reader.get_inside("gamma", 0.1, 0, 1)),
        patience(steps_or(reader, "patience", 10)),
        threshold(reader.get_between("threshold", 1e-4, 0, kUnbounded)),
        cooldown(steps_or(reader, "cooldown", 0)),
        floor(reader.get_between("floor", 0, 0, 1)),
        eps(reader.get_between("eps", 0, 0, kUnbounded)),
        absolute(reader.get_flag("threshold_mode")),
        max(reader.get_flag("mode")) {}

  bool better(double value, double best) const {
    const double margin = absolute ? threshold : best * threshold;
    return max ? value > best + margin : value < best - margin;
  }
};

double plateau_factor(OptionReader& reader, double) {
  PlateauOptions{reader};
  return 1;
}

using Factor = double (*)(OptionReader&, double);
const std::map<std::string, Factor, std::less<>>& factors() {
  static const std::map<std::string, Factor, std::less<>> table = {{"constant", constant_factor},
                                                                   {"step", step_factor},
                                                                   {"multistep", multistep_factor},
                                                                   {"exponential", exponential_factor},
                                                                   {"polynomial", polynomial_factor},
                                                                   {"linear", linear_factor},
                                                                   {"cosine", cosine_factor},
                                                                   {"one_cycle", one_cycle_factor},
                                                                   {"warmup", warmup_factor},
                                                                   {"wsd", wsd_factor},
                                                                   {"piecewise", piecewise_factor},
                                                                   {"inverse_time", inverse_time_factor},
                                                                   {"inverse_sqrt", inverse_sqrt_factor},
                                                                   {"plateau", plateau_factor}};
  return table;
}

}  // namespace

std::vector<std::string> schedule_names() {
  std::vector<std::string> names;
  for (const auto& [name, factor] : factors()) names.push_back(name);
  return names;
}

double schedule(std::string_view name, const Options& options, std::int64_t step) {
  if (step < 0) throw std::invalid_argument("reference: step is " + std::to_string(step) + ", expected 0 or more");
  const auto found = factors().find(name);
  if (found == factors().end())
    throw std::invalid_argument("reference: there is no schedule '" + std::string(name) + "'");
  OptionReader reader(name, options);
  const double factor = found->second(reader, static_cast<double>(step));
  reader.finish();
  return factor;
}

std::vector<double> plateau(const Options& options, const std::vector<double>& observed) {
  OptionReader reader("plateau", options);
  const PlateauOptions o(reader);
  reader.finish();
  double factor = 1;
  double best = (o.max ? -1 : 1) * std::numeric_limits<double>::infinity();
  double bad = 0, cooling = 0;
  bool first = true;
  std::vector<double> factors;
  for (const double value : observed) {
    // Everything that can be compared is better than nothing.
    const bool better = first ? value < best || value > best : o.better(value, best);
    if (better) {
      best = value;
      first = false;
    }
    bad = better ? 0 : bad + 1;
    if (cooling > 0) {
      --cooling;
      bad = 0;
    }
    if (bad > o.patience) {
      const double next = std::max(factor * o.gamma, o.floor);
      if (next < factor - o.eps) factor = next;
      bad = 0;
      cooling = o.cooldown;
    }
    factors.push_back(factor);
  }
  return factors;
}

}  // namespace fuselage::reference
