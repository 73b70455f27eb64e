// The text form of optimizers with the options of their updates.
#include "fuselage/optimizers.h"

#include "fuselage/gradient_pass.h"

namespace fuselage {

template struct detail::ListEntries<Optimizers>;

OptimizerSpec OptimizerSpec::parse(std::string_view text) {
  const std::size_t colon = text.find(':');
  OptimizerSpec spec{Optimizers::make(text.substr(0, colon), "optimizer"), {}};
  if (colon != std::string_view::npos)
    for (const auto& [key, value] : detail::settings_in(Optimizers::name_of(spec.rule), text.substr(colon + 1)))
      spec.set(key, value);
  spec.check();
  return spec;
}

void OptimizerSpec::set(std::string_view key, std::string_view text) {
  for (const detail::AnyField& field : detail::entry_of<UpdateOptions>().fields)
    if (field.name == key) return detail::set_field(options, key, text);
  Optimizers::set(rule, key, text);
}

void OptimizerSpec::check() const {
  Optimizers::check(rule);
  detail::check_fields(options);
}

std::string OptimizerSpec::to_string() const {
  std::string text = Optimizers::to_string(rule), more = detail::fields_text(options);
  if (!more.empty() && text.find(':') != std::string::npos) more[0] = ',';
  return text + more;
}

void GradientOptions::check() const {
  if (loss_scale > 0 && (loss_scale < least_scale || loss_scale > greatest_scale))
    throw Error(Errc::bad_argument, "gradient: loss_scale is outside [least_scale, greatest_scale]");
  if (least_scale > greatest_scale) throw Error(Errc::bad_argument, "gradient: least_scale is above greatest_scale");
  if (clip_value > 0 && static_cast<float>(clip_value) == 0)
    throw Error(Errc::bad_argument, "gradient: clip_value is 0 in float");
}

GradientOptions parse_gradient_options(std::string_view text) {
  GradientOptions options;
  if (text.empty() || text == "none") return options;
  for (const auto& [key, value] : detail::settings_in(GradientOptions::name, text))
    detail::set_field(options, key, value);
  detail::check_fields(options);
  return options;
}

std::string to_string(const GradientOptions& options) {
  const std::string text = detail::fields_text(options);
  return text.empty() ? text : text.substr(1);
}

double OptimizerSpec::lr() const {
  return std::visit([](const auto& r) { return r.lr; }, rule);
}

}  // namespace fuselage
