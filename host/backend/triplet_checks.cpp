// What is checked of a batch of triplets before a backend runs it.
#include <fmt/format.h>

#include "fuselage/backend.h"
#include "fuselage/core/catalogue.h"
#include "host/backend/view_checks.h"

namespace fuselage {

void Backend::batch_triplet(const BatchTriplet& spec, const TripletBatch& b, LossReport* report) {
  require_report(report);
  detail::check_fields(spec);
  for (const Named& v :
       {Named{b.x, "x"}, {b.label, "label"}, {b.mask, "mask"}, {b.upstream, "upstream"}, {b.gradient, "gradient"}})
    check_strides(v.view, v.name);
  const std::int64_t rows = b.x.rows, cols = b.x.cols;
  constexpr std::int64_t kMost = 1 << 20;
  if (rows > kMost) throw Error(Errc::bad_shape, fmt::format("x has {} rows; {} are the most", rows, kMost));
  if (b.x.size() > 0 && !b.x) throw Error(Errc::bad_argument, "x is missing");
  if (!is_real(b.x.dtype) || b.x.dtype == DType::f64)
    throw Error(Errc::bad_dtype, fmt::format("x is {}, expected fp32, bf16 or fp16", name_of(b.x.dtype)));
  require(b.label || rows == 0, Errc::bad_argument, "label is missing");
  if (b.label) {
    require_shape(b.label, "label", rows, 1);
    if (!is_label(b.label.dtype))
      throw Error(Errc::bad_dtype, fmt::format("label is {}, expected an integer type", name_of(b.label.dtype)));
  }
  if (b.mask) require_shape(b.mask, "mask", rows, 1), require_type(b.mask, "mask", DType::u8);
  if (b.upstream) require_shape(b.upstream, "upstream", 1, 1), require_type(b.upstream, "upstream", DType::f32);
  if (b.gradient) {
    const ConstView g = b.gradient;
    require_shape(g, "gradient", rows, cols);
    require_type(g, "gradient", b.x.dtype);
    require_places(g, "gradient");
    if (overlap(g, b.x) && !same_places(g, b.x))
      throw Error(Errc::bad_argument, "gradient overlaps x in part; it may be the same memory, or another");
    for (const Named& in : {Named{b.label, "label"}, {b.mask, "mask"}, {b.upstream, "upstream"}})
      if (overlap(g, in.view)) throw Error(Errc::bad_argument, fmt::format("gradient overlaps {}", in.name));
  }
  require_report(
      report, {{b.x, "x"}, {b.label, "label"}, {b.mask, "mask"}, {b.upstream, "upstream"}, {b.gradient, "gradient"}});
  run_batch_triplet(spec, b, report);
}

}  // namespace fuselage
