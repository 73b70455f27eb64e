// The text form of optimizers with the options of their updates.
#include "fuselage/optimizers.h"

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

double OptimizerSpec::lr() const {
  return std::visit([](const auto& r) { return r.lr; }, rule);
}

}  // namespace fuselage
