// The learning-rate schedules: a factor for each step.
#include <cmath>
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

double step_schedule(OptionReader& reader, double step) {
  const double every = get_steps(reader, "every", reader.get_required("every"), 1);
  const double gamma = reader.get("gamma", 0.1);
  return std::pow(gamma, std::floor(step / every));
}

double cosine_schedule(OptionReader& reader, double step) {
  const double total = get_steps(reader, "total", reader.get_required("total"), 1);
  const double warmup = get_steps(reader, "warmup", reader.get("warmup", 0), 0);
  const double floor = reader.get("floor", 0);
  if (step >= total) return floor;
  if (step < warmup) return (step + 1) / warmup;
  return floor + (1 - floor) * 0.5 * (1 + std::cos(std::numbers::pi * (step - warmup) / (total - warmup)));
}

}  // namespace

std::vector<std::string> schedule_names() { return {"constant", "step", "cosine"}; }

double schedule(std::string_view name, const Options& options, std::int64_t step) {
  if (step < 0) throw std::invalid_argument("reference: step is " + std::to_string(step) + ", expected 0 or more");
  OptionReader reader(name, options);
  double factor = 1;
  if (name == "step") {
    factor = step_schedule(reader, static_cast<double>(step));
  } else if (name == "cosine") {
    factor = cosine_schedule(reader, static_cast<double>(step));
  } else if (name != "constant") {
    throw std::invalid_argument("reference: there is no schedule '" + std::string(name) + "'");
  }
  reader.finish();
  return factor;
}

}  // namespace fuselage::reference
