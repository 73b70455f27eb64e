// Loss passes: lays out arguments and scratch, runs the weight pass where the divisor needs one, then the pass itself.
#include <algorithm>

#include "kernels/loss_pointwise.cuh"
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

PointwiseArgs pointwise_args(const LossBatch& b, Scratch& scratch) {
  const std::int64_t rows = b.prediction.rows, cols = b.prediction.cols, chunks = chunks_of(rows * cols);
  PointwiseArgs a{};
  a.prediction = plane_of(b.prediction, rows, cols);
  a.target = plane_of(b.target, rows, cols);
  a.weight = plane_of(b.weight, rows, cols);
  a.mask = plane_of(b.mask, rows, cols);
  if (upstream_of_each(b)) a.upstream = plane_of(b.upstream, rows, cols);
  a.gradient = plane_of(b.gradient, rows, cols);
  a.values = plane_of(b.values, rows, cols);
  a.rows = rows;
  a.cols = cols;
  a.size = rows * cols;
  a.metrics = b.metrics.accuracy || b.metrics.errors;
  a.options = pass_options(b, needs_weight_sum(b, false), a.size, chunks);
  a.value = scratch.take<double>(chunks);
  if (b.metrics.errors) {
    a.abs_error = scratch.take<double>(chunks);
    a.squared_error = scratch.take<double>(chunks);
  }
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
  a.soft = a.dense || loss.label_smoothing > 0;
  const auto row_bytes = a.target.row_stride * static_cast<std::int64_t>(size_of(b.target.dtype));
  a.target_vectors =
      a.target.col_stride == 1 && row_bytes % 16 == 0 && reinterpret_cast<std::uintptr_t>(a.target.data) % 16 == 0;
  a.has_ignore_index = loss.ignore_index.has_value();
  a.ignore_index = loss.ignore_index.value_or(0);
  a.label_smoothing = loss.label_smoothing;
  a.ranks = b.metrics.accuracy || b.metrics.top_k > 0;
  a.top_k = b.metrics.top_k;
  a.options = pass_options(b, needs_weight_sum(b, a.has_ignore_index), rows, rows);
  a.value = scratch.take<double>(rows);
  if (far_chunks(cols)) a.chunks = scratch.take<ChunkStore>(chunks_of(cols) * std::min(rows, limits().blocks));
  return a;
}

}  // namespace

std::size_t loss_scratch(const AnyLoss& any, const LossBatch& batch) {
  Scratch scratch(nullptr);
  std::visit(
      [&]<class L>(const L& loss) {
        if constexpr (loss::Pointwise<L>)
          pointwise_args(batch, scratch);
        else
          softmax_args(loss, batch, scratch);
      },
      any);
  return scratch.used();
}

void loss(const AnyLoss& any, const LossBatch& batch, LossReport* report, const PassMemory& memory,
          CUstream_st* stream) {
  Scratch scratch(memory.scratch);
  const auto run = [&](auto& args, auto&& weigh, auto&& pass) {
    args.counters = static_cast<Counters*>(memory.counters);
    args.report = report;
    if (args.options.weighted) weigh();
    dispatch(batch.prediction.dtype, pass);
    end_loss(args, stream);
  };
  std::visit(
      [&]<class L>(const L& loss) {
        if constexpr (loss::Pointwise<L>) {
          PointwiseArgs args = pointwise_args(batch, scratch);
          run(
              args, [&] { launch_element_weights(args, stream); },
              [&]<class T>() { launch_pointwise<T>(any, args, stream); });
        } else {
          SoftmaxArgs args = softmax_args(loss, batch, scratch);
          const bool is_short = args.cols <= kShortRow;
          run(
              args, [&] { launch_row_weights(args, stream); },
              [&]<class T>() {
                is_short ? launch_softmax_short<T>(args, stream) : launch_softmax_long<T>(args, stream);
              });
        }
      },
      any);
}

}  // namespace fuselage::kernels
