// Targets in the form that a loss takes.
#include <fmt/format.h>

#include <algorithm>

#include "fuselage/data.h"
#include "host/data/elements.h"

namespace fuselage {
namespace {

template <class T>
float number(T t) {
  if constexpr (requires { to_float(t); })
    return to_float(t);
  else
    return static_cast<float>(t);
}

Array as_signs(Array targets) {
  return data::visit(targets.dtype(), [&]<class T>() -> Array {
    const std::span<const T> given = std::as_const(targets).as<T>();
    const bool bits = std::all_of(given.begin(), given.end(), [](T t) { return number(t) == 0 || number(t) == 1; });
    if (is_real(targets.dtype()) && !bits) return std::move(targets);
    Array signs = Array::uninitialized(DType::f32, targets.shape());
    std::transform(given.begin(), given.end(), signs.as<float>().begin(),
                   [&](T t) { return bits ? 2 * number(t) - 1 : number(t); });
    return signs;
  });
}

Array as_labels(Array targets) {
  if (targets.rank() == 1 && is_label(targets.dtype())) return targets;
  if (targets.rank() != 2)
    throw Error(Errc::format, fmt::format("targets of {} axes; expected one-hot rows [rows, classes]", targets.rank()));
  const auto classes = static_cast<std::size_t>(targets.row_size());
  Array labels = Array::uninitialized(DType::i64, {targets.rows()});
  data::visit(targets.dtype(), [&]<class T>() {
    std::span<const T> rest = std::as_const(targets).as<T>();
    for (std::int64_t& label : labels.as<std::int64_t>()) {
      const auto row = rest.first(classes);
      rest = rest.subspan(classes);
      const auto one = std::find_if(row.begin(), row.end(), [](T t) { return number(t) == 1; });
      const auto zeros = std::count_if(row.begin(), row.end(), [](T t) { return number(t) == 0; });
      label = one - row.begin();
      if (one == row.end() || zeros + 1 != static_cast<std::ptrdiff_t>(classes))
        throw Error(Errc::format, fmt::format("row {} of the targets is not one 1 among zeros",
                                              &label - labels.as<std::int64_t>().data()));
    }
  });
  return labels;
}

}  // namespace

Array in_form(Array targets, TargetForm form) {
  switch (form) {
    case TargetForm::as_given: break;
    case TargetForm::signs: return as_signs(std::move(targets));
    case TargetForm::one_hot: return as_labels(std::move(targets));
  }
  return targets;
}

}  // namespace fuselage
