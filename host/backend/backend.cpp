// What every backend checks before it starts, and the choice of one.
#include "fuselage/backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

namespace fuselage {

namespace {

std::string shape_text(const ConstView& v) { return fmt::format("[{}, {}]", v.rows, v.cols); }

void require_shape(const ConstView& v, std::string_view name, std::int64_t rows, std::int64_t cols) {
  if (v.rows != rows || v.cols != cols)
    throw Error(Errc::bad_shape,
                fmt::format("{} has the shape {}, expected [{}, {}]", name, shape_text(v), rows, cols));
}

void require_type(const ConstView& v, std::string_view name, DType type) {
  if (v.dtype != type)
    throw Error(Errc::bad_dtype, fmt::format("{} is {}, expected {}", name, name_of(v.dtype), name_of(type)));
}

/// Either one value for each output, or one for each row.
void require_outputs(const ConstView& v, std::string_view name, const ConstView& prediction, bool pointwise) {
  const bool rows = v.rows == prediction.rows && v.cols == 1;
  const bool elements = pointwise && v.rows == prediction.rows && v.cols == prediction.cols;
  if (!rows && !elements)
    throw Error(Errc::bad_shape, fmt::format("{} has the shape {}, which does not fit the prediction's {}", name,
                                             shape_text(v), shape_text(prediction)));
}

/// The bytes that a view spans.
std::pair<std::uintptr_t, std::uintptr_t> extent(const ConstView& v) {
  const auto start = reinterpret_cast<std::uintptr_t>(v.data);
  if (v.size() == 0) return {start, start};
  const std::int64_t last = (v.rows - 1) * v.row_stride + (v.cols - 1) * v.col_stride + 1;
  return {start, start + static_cast<std::uintptr_t>(last) * size_of(v.dtype)};
}

void check_strides(const ConstView& v, std::string_view name) {
  if (v.rows < 0 || v.cols < 0) throw Error(Errc::bad_shape, fmt::format("{} has a negative size", name));
  if (v.row_stride < 0 || v.col_stride < 0)
    throw Error(Errc::bad_shape, fmt::format("{} has a negative stride, which is not supported", name));
  constexpr std::int64_t kMost = std::int64_t{1} << 60;
  if (v.rows > 0 && v.cols > 0 &&
      (v.rows > kMost / v.cols || v.row_stride > kMost / v.rows || v.col_stride > kMost / v.cols))
    throw Error(Errc::bad_shape, fmt::format("{} has too many elements: {}", name, shape_text(v)));
}

/// Elements that are written must each have a place.
void require_places(const ConstView& v, std::string_view name) {
  if (v.size() > 0 && ((v.cols > 1 && v.col_stride == 0) || (v.rows > 1 && v.row_stride == 0)))
    throw Error(Errc::bad_shape, fmt::format("{} has a stride of 0: elements would overwrite each other", name));
}

void check_gradient(const LossBatch& b) {
  const ConstView g = b.gradient, y = b.prediction;
  require_shape(g, "gradient", y.rows, y.cols);
  require_type(g, "gradient", y.dtype);
  if (g.size() == 0) return;
  require_places(g, "gradient");
  const auto [g0, g1] = extent(g);
  const auto [y0, y1] = extent(y);
  const bool same = g.data == y.data && (g.rows <= 1 || g.row_stride == y.row_stride) &&
                    (g.cols <= 1 || g.col_stride == y.col_stride);
  if (!same && g0 < y1 && y0 < g1)
    throw Error(Errc::bad_argument, "gradient overlaps the prediction in part; it may be the same memory, or another");
  const auto [t0, t1] = extent(b.target);
  if (g0 < t1 && t0 < g1) throw Error(Errc::bad_argument, "gradient overlaps the target");
}

void check_batch(const LossBatch& b, bool pointwise) {
  const ConstView& y = b.prediction;
  if (!y && y.size() != 0) throw Error(Errc::bad_argument, "prediction is missing");
  if (!b.target && y.size() != 0) throw Error(Errc::bad_argument, "target is missing");
  dispatch(y.dtype, []<class T>() {});
  for (const auto& [view, name] : {std::pair{y, "prediction"},
                                   {b.target, "target"},
                                   {b.weight, "weight"},
                                   {b.mask, "mask"},
                                   {b.class_weight, "class_weight"},
                                   {b.upstream, "upstream"},
                                   {ConstView(b.gradient), "gradient"},
                                   {ConstView(b.values), "values"}})
    check_strides(view, name);
  if (!pointwise && y.rows > 0 && y.cols == 0)
    throw Error(Errc::bad_shape,
                fmt::format("prediction has the shape {}: a row of logits has a class at least", shape_text(y)));
  if (is_label(b.target.dtype)) {
    if (pointwise)
      throw Error(Errc::bad_dtype, fmt::format("target is {}: a pointwise loss takes real targets of the prediction's "
                                               "shape",
                                               name_of(b.target.dtype)));
    require_shape(b.target, "target (class labels)", y.rows, 1);
  } else {
    require_shape(b.target, "target", y.rows, y.cols);
    if (b.target.dtype != y.dtype && b.target.dtype != DType::f32)
      throw Error(Errc::bad_dtype, fmt::format("target is {}, expected fp32 or the prediction's {}",
                                               name_of(b.target.dtype), name_of(y.dtype)));
  }
  if (b.weight) require_type(b.weight, "weight", DType::f32), require_outputs(b.weight, "weight", y, pointwise);
  if (b.mask) require_type(b.mask, "mask", DType::u8), require_outputs(b.mask, "mask", y, pointwise);
  if (b.class_weight) {
    if (pointwise) throw Error(Errc::bad_argument, "class_weight is for losses with classes");
    require_type(b.class_weight, "class_weight", DType::f32);
    require_shape(b.class_weight, "class_weight", 1, y.cols);
  }
  if (b.upstream) {
    require_type(b.upstream, "upstream", DType::f32);
    if (b.upstream.size() != 1) {
      require_outputs(b.upstream, "upstream", y, pointwise);
      require(b.reduction == Reduction::none, Errc::bad_shape,
              "upstream has a value for each output, but the reduction leaves one; give [1, 1]");
    }
  }
  if (b.gradient) check_gradient(b);
  if (b.values) {
    require_type(b.values, "values", DType::f32);
    require_shape(b.values, "values", y.rows, pointwise ? y.cols : 1);
    require_places(b.values, "values");
    const auto [v0, v1] = extent(b.values);
    for (const auto& [other, name] : {std::pair{y, "the prediction"},
                                      {b.target, "the target"},
                                      {b.weight, "the weight"},
                                      {ConstView(b.gradient), "the gradient"}}) {
      const auto [first, last] = extent(other);
      if (v0 < last && first < v1) throw Error(Errc::bad_argument, fmt::format("values overlap {}", name));
    }
  }
  require(b.metrics.top_k >= 0, Errc::bad_argument, "metrics.top_k is negative");
}

bool overlap(const void* a, std::size_t a_bytes, const void* b, std::size_t b_bytes) {
  const auto x = reinterpret_cast<std::uintptr_t>(a), y = reinterpret_cast<std::uintptr_t>(b);
  return x < y + b_bytes && y < x + a_bytes;
}

/// Every block of memory that an update writes or reads, checked against its neighbours in address order.
void check_overlaps(std::span<const Parameter> parameters, int slots) {
  struct Block {
    const void* data;
    std::size_t bytes;
    const Parameter* owner;
    std::string_view role;
  };
  std::vector<Block> blocks;
  for (const Parameter& p : parameters) {
    if (p.size == 0) continue;
    const auto n = static_cast<std::size_t>(p.size);
    blocks.push_back({p.value, n * size_of(p.dtype), &p, "value"});
    blocks.push_back({p.gradient, n * size_of(p.dtype), &p, "gradient"});
    for (int k = 0; k < slots; ++k) blocks.push_back({p.state[k], n * sizeof(float), &p, "state"});
  }
  std::sort(blocks.begin(), blocks.end(), [](const Block& a, const Block& b) { return a.data < b.data; });
  for (std::size_t i = 1; i < blocks.size(); ++i) {
    const Block &a = blocks[i - 1], &b = blocks[i];
    if (overlap(a.data, a.bytes, b.data, b.bytes))
      throw Error(Errc::bad_argument, fmt::format("the {} of '{}' and the {} of '{}' overlap in memory", a.role,
                                                  a.owner->name, b.role, b.owner->name));
  }
}

}  // namespace

Buffer::Buffer(Backend& backend, std::size_t bytes, Kind kind)
    : backend_(&backend), data_(backend.allocate(bytes, kind)), bytes_(bytes), kind_(kind) {}

Buffer::~Buffer() {
  if (backend_) backend_->release(data_, kind_);
}

void Backend::loss(const AnyLoss& loss, const LossBatch& batch, LossReport* report) {
  require(report != nullptr, Errc::bad_argument, "report is missing");
  Losses::check(loss);
  const bool pointwise =
      std::visit([](const auto& l) { return loss::Pointwise<std::remove_cvref_t<decltype(l)>>; }, loss);
  check_batch(batch, pointwise);
  run_loss(loss, batch, report);
}

std::unique_ptr<ParameterSet> Backend::bind(std::span<const Parameter> parameters, const AnyOptimizer& rule) {
  const int slots = std::visit([](const auto& r) { return r.slots; }, rule);
  std::set<std::string_view> names;
  for (const Parameter& p : parameters) {
    require(!p.name.empty(), Errc::bad_argument, "a parameter has no name");
    if (!names.insert(p.name).second)
      throw Error(Errc::bad_argument, fmt::format("two parameters are called '{}'", p.name));
    if (p.size < 0) throw Error(Errc::bad_shape, fmt::format("'{}' has the size {}", p.name, p.size));
    if (!is_real(p.dtype) || p.dtype == DType::f64)
      throw Error(Errc::bad_dtype, fmt::format("'{}' is {}, expected fp32, bf16 or fp16", p.name, name_of(p.dtype)));
    if (p.size == 0) continue;
    if (!p.value || !p.gradient)
      throw Error(Errc::bad_argument, fmt::format("'{}' has no {}", p.name, p.value ? "gradient" : "value"));
    for (int k = 0; k < slots; ++k)
      if (!p.state[k]) throw Error(Errc::bad_argument, fmt::format("'{}' has no state {}", p.name, k));
  }
  check_overlaps(parameters, slots);
  return run_bind(parameters, slots);
}

void Backend::update(ParameterSet& parameters, const OptimizerSpec& optimizer, const AnySchedule& schedule,
                     StepState* state, const LossReport* gate) {
  require(state != nullptr, Errc::bad_argument, "the step state is missing");
  optimizer.check();
  Schedules::check(schedule);
  run_update(parameters, optimizer, schedule, state, gate);
}

std::string known_devices() { return fmt::format("auto, cpu, {0}, {0}:N", cuda_device_name()); }

std::unique_ptr<Backend> make_backend(std::string_view device, std::string* why, int threads) {
  auto say = [&](std::string text) {
    if (why) *why = std::move(text);
  };
  if (device == "cpu") {
    auto backend = make_cpu_backend({threads, {}});
    say("device cpu as asked: " + backend->description());
    return backend;
  }
  if (device == "auto") {
    const CudaStatus status = cuda_status();
    if (status.usable) {
      auto backend = make_cuda_backend(0);
      say(fmt::format("device {}, the first that was found: {}", status.device, backend->description()));
      return backend;
    }
    auto backend = make_cpu_backend({threads, {}});
    say("device cpu (" + backend->description() + "), since CUDA is not usable: " + status.text);
    return backend;
  }
  int ordinal = 0;
  const std::string_view name = cuda_device_name();
  const bool numbered = device.starts_with(std::string(name) + ":");
  const std::string_view digits = numbered ? device.substr(name.size() + 1) : "0";
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), ordinal);
  const bool valid = status == std::errc() && end == digits.data() + digits.size() && ordinal >= 0;
  if (!valid || (!numbered && device != name))
    throw Error(Errc::unknown_name, fmt::format("unknown device '{}'; known: {}", device, known_devices()));
  auto backend = make_cuda_backend(ordinal);
  say(fmt::format("device {} as asked: {}", name, backend->description()));
  return backend;
}

void check_report(const LossReport& report, BadLabels policy, bool raise_non_finite) {
  if (policy == BadLabels::error && report.bad_labels > 0)
    throw Error(Errc::bad_label, std::isnan(report.first_bad_label)
                                     ? fmt::format("{} bad targets; the first is NaN, in row {}", report.bad_labels,
                                                   report.first_bad_row)
                                     : fmt::format("{} bad labels; the first is {}, in row {}", report.bad_labels,
                                                   report.first_bad_label, report.first_bad_row));
  if (raise_non_finite && report.nonfinite > 0)
    throw Error(Errc::non_finite, fmt::format("{} elements of the gradient are not finite", report.nonfinite));
}

}  // namespace fuselage
