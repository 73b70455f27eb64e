// Loss passes: lays out arguments and scratch, runs the weight pass where the divisor needs one, then the pass itself.
#include <algorithm>

#include "kernels/loss_pointwise.cuh"
#include "kernels/loss_rows.cuh"
#include "kernels/loss_weights.cuh"

namespace fuselage::kernels {

namespace {

constexpr std::size_t kAlignment = 256;

/// Cuts arrays from scratch memory; without memory it only measures.
class Scratch {
 public:
  explicit Scratch(void* memory) : memory_(static_cast<char*>(memory)) {}

  template <class T>
  T* take(std::int64_t count) {
    char* start = memory_ ? memory_ + used_ : nullptr;
    used_ += (static_cast<std::size_t>(count) * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    return reinterpret_cast<T*>(start);
  }
  std::size_t used() const { return used_; }

 private:
  char* memory_;
  std::size_t used_ = 0;
};

/// in_domain() as an interval, of magnitudes where it is the sign that decides.
struct Interval {
  float least, most;
};
constexpr Interval targets_of(Domain domain) {
  constexpr float kInfinity = __builtin_inff(), kLeastPositive = 0x1p-149f;
  switch (domain) {
    case Domain::probability: return {0, 1};
    case Domain::sign: return {1, 1};
    case Domain::positive: return {kLeastPositive, kInfinity};
    case Domain::non_negative:
    case Domain::count: return {0, kInfinity};
    default: return {-kInfinity, kInfinity};
  }
}

PointwiseArgs pointwise_args(const LossTraits& loss, const LossBatch& b, Scratch& scratch) {
  const std::int64_t rows = b.prediction.rows, cols = b.prediction.cols, chunks = chunks_of(rows * cols);
  PointwiseArgs a{};
  const ConstView inputs[kPointwiseInputs] = {b.prediction, b.second, b.target,
                                              b.weight,     b.mask,   upstream_of_each(b) ? b.upstream : ConstView{}};
  const View outputs[kPointwiseOutputs] = {b.gradient, b.second_gradient, b.values};
  a.direct = b.target.dtype == b.prediction.dtype;
  for (int i = 0; i < kPointwiseInputs; ++i) {
    a.input[i] = plane_of(inputs[i], rows, cols);
    if (!inputs[i]) continue;
    a.inputs |= 1u << i;
    a.direct = a.direct && a.input[i].vectors && i <= kTarget;
  }
  for (int o = 0; o < kPointwiseOutputs; ++o) {
    a.output[o] = plane_of(outputs[o], rows, cols);
    a.direct = a.direct && (!outputs[o] || a.output[o].vectors);
  }
  a.rows = rows;
  a.cols = cols;
  a.size = rows * cols;
  a.step_rows = cols > 0 ? kWarp / cols : 0;
  a.step_cols = cols > 0 ? kWarp % cols : 0;
  a.wide = size_of(b.prediction.dtype) == 2;
  a.finite_limit = finite_limit(b.prediction.dtype);
  a.decides = loss.binary() && (b.metrics.accuracy || b.metrics.decisions || b.metrics.errors);
  a.metrics = a.decides || b.metrics.errors || b.metrics.targets;
  a.middle_y = static_cast<float>(middle_of_predictions(loss.decision));
  a.middle_t = static_cast<float>(middle_of_targets(loss.decision));
  a.signs = loss.target_domain == Domain::sign;
  const Interval targets = targets_of(loss.target_domain);
  a.least_target = targets.least;
  a.most_target = targets.most;
  a.options = pass_options(b, needs_weight_sum(b, false), a.size, chunks);
  a.options.root = loss.root;
  a.value = scratch.take<double>(chunks);
  const auto take = [&](PointwiseMetric m) {
    a.metric[m] = scratch.take<double>(chunks);
    a.metric_sums = m + 1;
  };
  if (b.metrics.errors) take(kAbsError), take(kSquaredError);
  if (b.metrics.targets) take(kTargetSum), take(kSquaredTargetSum);
  return a;
}

/// The pass before one whose value is a root: value alone, of which it leaves the slope.
PointwiseArgs value_pass(const PointwiseArgs& gradient_pass) {
  PointwiseArgs a = gradient_pass;
  for (MutablePlane& output : a.output) output = {};
  a.metrics = a.decides = false;
  a.metric_sums = 0;
  for (double*& sums : a.metric) sums = nullptr;
  a.options.root = false;
  a.leaves_slope = true;
  return a;
}

SoftmaxArgs softmax_args(const loss::SoftmaxCrossEntropy& loss, const LossBatch& b, Scratch& scratch) {
  const std::int64_t rows = b.prediction.rows, cols = b.prediction.cols;
  SoftmaxArgs a{};
  a.prediction = plane_of(b.prediction, rows, cols);
  a.target = plane_of(b.target, rows, cols);
  a.weight = plane_of(b.weight, rows, 1);
  a.mask = plane_of(b.mask, rows, 1);
  if (upstream_of_each(b)) a.upstream = plane_of(b.upstream, rows, 1);
  a.class_weight = plane_of(b.class_weight, 1, cols);
  a.gradient = plane_of(b.gradient, rows, cols);
  a.values = plane_of(b.values, rows, 1);
  a.rows = rows;
  a.cols = cols;
  a.dense = !is_label(b.target.dtype);
  a.shape = SoftmaxShape(loss.temperature, loss.softcap);
  a.form = softmax_form(a.dense || loss.label_smoothing > 0, loss.z_loss, a.shape);
  a.z_loss = static_cast<float>(loss.z_loss);
  const auto row_bytes = a.target.row_stride * static_cast<std::int64_t>(size_of(b.target.dtype));
  a.target_vectors = a.target.col_stride == 1 && a.target.block == 0 && row_bytes % 16 == 0 &&
                     reinterpret_cast<std::uintptr_t>(a.target.data) % 16 == 0;
  a.has_ignore_index = loss.ignore_index.has_value();
  a.ignore_index = loss.ignore_index.value_or(0);
  a.label_smoothing = loss.label_smoothing;
  a.lengths = plane_of(b.lengths, rows, 1);
  a.steps = b.lengths.rows > 0 ? rows / b.lengths.rows : 1;
  a.ranks = b.metrics.ranks();
  a.tallies = tallies_of(b.metrics, cols);
  a.top_k = b.metrics.top_k;
  a.options = pass_options(b, needs_weight_sum(b, a.has_ignore_index), rows, rows);
  a.options.scale = a.shape.scale_of(a.options.scale);
  a.value = scratch.take<double>(rows);
  if (far_chunks(cols)) a.chunks = scratch.take<ChunkStore>(chunks_of(cols) * std::min(rows, limits().blocks));
  return a;
}

template <class L>
RowSumsArgs row_sums_args(const L& loss, const LossBatch& b, Scratch& scratch) {
  const std::int64_t rows = b.prediction.rows, cols = b.prediction.cols;
  RowSumsArgs a{};
  const ConstView* const inputs[kRowInputs] = {&b.prediction, &b.second, &b.third};
  const View* const gradients[kRowInputs] = {&b.gradient, &b.second_gradient, &b.third_gradient};
  for (int i = 0; i < kRowInputs; ++i) {
    a.input[i] = plane_of(*inputs[i], rows, cols);
    a.gradient[i] = plane_of(*gradients[i], rows, cols);
  }
  a.target = plane_of(b.target, rows, cols);
  a.weight = plane_of(b.weight, rows, 1);
  a.mask = plane_of(b.mask, rows, 1);
  if (upstream_of_each(b)) a.upstream = plane_of(b.upstream, rows, 1);
  a.lengths = plane_of(b.lengths, rows, 1);
  a.steps = b.lengths.rows > 0 ? rows / b.lengths.rows : 1;
  a.class_weight = plane_of(b.class_weight, 1, cols);
  a.values = plane_of(b.values, rows, 1);
  a.rows = rows;
  a.cols = cols;
  a.type = b.prediction.dtype;
  const bool classes = takes_labels<L>();
  a.labels = classes && is_label(b.target.dtype);
  a.dense = takes_dense<L>() && !a.labels;
  a.single = L::row.target == RowTarget::single;
  a.domain = target_domain<L>();
  a.has_ignore_index = has_ignore_index(loss);
  if constexpr (requires { loss.ignore_index; }) a.ignore_index = loss.ignore_index.value_or(0);
  a.ranks = classes && b.metrics.ranks();
  a.tallies = tallies_of(b.metrics, cols);
  a.top_k = b.metrics.top_k;
  a.warp_team = cols <= kChunk;
  a.options = pass_options(b, needs_weight_sum(b, a.has_ignore_index), rows, rows);
  a.value = scratch.take<double>(rows);
  return a;
}

template <int... kParts>
void launch_row_parts(const AnyLoss& any, const RowSumsArgs& a, CUstream_st* stream,
                      std::integer_sequence<int, kParts...>) {
  (launch_rows<kParts>(any, a, stream), ...);
}

}  // namespace

std::size_t loss_scratch(const AnyLoss& any, const LossBatch& batch) {
  Scratch scratch(nullptr);
  std::visit(
      [&]<class L>(const L& loss) {
        if constexpr (loss::Elementwise<L>)
          pointwise_args(traits_of(loss), batch, scratch);
        else if constexpr (loss::RowSums<L>)
          row_sums_args(loss, batch, scratch);
        else
          softmax_args(loss, batch, scratch);
      },
      any);
  return scratch.used();
}

namespace {

/// Queues a pass: of the weights where the divisor needs them, then `pass`, then what is left to add up.
template <class Args, class Weigh, class Pass>
void run_pass(Args& args, LossReport* report, const PassMemory& memory, CUstream_st* stream, Weigh&& weigh,
              Pass&& pass) {
  args.counters = static_cast<Counters*>(memory.counters);
  args.report = report;
  if (args.options.weighted) weigh();
  pass();
  end_loss(args, stream);
}

/// A pointwise pass; launch(args) queues the kernel.
template <class Launch>
void run_pointwise(const LossTraits& loss, const LossBatch& batch, LossReport* report, const PassMemory& memory,
                   CUstream_st* stream, Launch&& launch) {
  Scratch scratch(memory.scratch);
  PointwiseArgs args = pointwise_args(loss, batch, scratch);
  run_pass(
      args, report, memory, stream, [&] { launch_element_weights(args, stream); },
      [&] {
        if (args.options.root && batch.gradient) {
          PointwiseArgs value = value_pass(args);
          launch(value);
          end_loss(value, stream);
        }
        launch(args);
      });
}

}  // namespace

void loss(const AnyLoss& any, const LossBatch& batch, LossReport* report, const PassMemory& memory,
          CUstream_st* stream) {
  Scratch scratch(memory.scratch);
  std::visit(
      [&]<class L>(const L& loss) {
        if constexpr (loss::Elementwise<L>) {
          run_pointwise(traits_of(loss), batch, report, memory, stream,
                        [&](const PointwiseArgs& args) { launch_pointwise(any, args, stream); });
        } else if constexpr (loss::RowSums<L>) {
          RowSumsArgs args = row_sums_args(loss, batch, scratch);
          run_pass(
              args, report, memory, stream, [&] { launch_row_weights(args, stream); },
              [&] { launch_row_parts(any, args, stream, std::make_integer_sequence<int, kRowParts>{}); });
        } else {
          SoftmaxArgs args = softmax_args(loss, batch, scratch);
          const bool is_short = args.cols <= kShortRow;
          run_pass(
              args, report, memory, stream, [&] { launch_row_weights(args, stream); },
              [&] {
                dispatch(batch.prediction.dtype, [&]<class T>() {
                  is_short ? launch_softmax_short<T>(args, stream) : launch_softmax_long<T>(args, stream);
                });
              });
        }
      },
      any);
}

std::size_t loss_scratch(const OwnLossView& own, const LossBatch& batch) {
  Scratch scratch(nullptr);
  pointwise_args(own.traits, batch, scratch);
  return scratch.used();
}

void loss(const OwnLossView& own, const LossBatch& batch, LossReport* report, const PassMemory& memory,
          CUstream_st* stream) {
  run_pointwise(own.traits, batch, report, memory, stream,
                [&](const PointwiseArgs& args) { own.launch(own.loss, args, stream); });
}

}  // namespace fuselage::kernels
