// Dataset: samples in their stored type, converted to float as batches are gathered.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "fuselage/data.h"
#include "host/data/elements.h"

namespace fuselage {

struct Dataset::Samples {
  Array features, targets, weights;
  std::int64_t classes = 0;
};

namespace {

[[noreturn]] void fail(Errc code, const std::string& message) { throw Error(code, "dataset: " + message); }

/// Whether float holds every value of T exactly; what it does not is converted through double.
template <class T>
constexpr bool kExact = sizeof(T) < 4 || std::is_same_v<T, float>;

template <class T>
auto wide(T x) {
  if constexpr (std::is_same_v<T, bf16> || std::is_same_v<T, f16>)
    return to_float(x);
  else if constexpr (kExact<T>)
    return static_cast<float>(x);
  else
    return static_cast<double>(x);
}

/// One shift and scale for the whole row. Blocks of fixed length, so that the compiler vectorises them.
template <class T, class S>
void convert(const T* __restrict from, float* __restrict to, std::int64_t n, S shift, S scale) {
  constexpr std::int64_t kBlock = 16;
  std::int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock)
    for (std::int64_t j = 0; j < kBlock; ++j) to[i + j] = static_cast<float>((wide(from[i + j]) - shift) * scale);
  for (; i < n; ++i) to[i] = static_cast<float>((wide(from[i]) - shift) * scale);
}

template <class T, class S>
void convert_each(const T* __restrict from, float* __restrict to, std::int64_t n, const S* shift, const S* scale) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<float>((wide(from[i]) - shift[i]) * scale[i]);
}

/// The largest label, -1 for none or only negative ones; throws for one that int32 cannot hold.
std::int64_t checked_largest_label(const Array& targets) {
  std::int64_t largest = -1;
  data::visit(targets.dtype(), [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      const std::span<const T> labels = targets.as<T>();
      for (std::size_t i = 0; i < labels.size(); ++i) {
        const std::int64_t label = labels[i];
        if (label > INT32_MAX || label < INT32_MIN)
          fail(Errc::bad_label, fmt::format("the label {} of row {} does not fit 32 bits", label, i));
        largest = std::max(largest, label);
      }
    }
  });
  return largest;
}

void check(const Scaling& scaling, std::int64_t features) {
  const auto fits = [&](const std::vector<double>& v) {
    return v.size() == 1 || static_cast<std::int64_t>(v.size()) == features;
  };
  if (scaling.shift.size() != scaling.scale.size() || !fits(scaling.shift))
    fail(Errc::bad_shape, fmt::format("scaling has {} shifts and {} scales; expected 1 or {} of both",
                                      scaling.shift.size(), scaling.scale.size(), features));
  for (std::size_t i = 0; i < scaling.shift.size(); ++i)
    if (!std::isfinite(scaling.shift[i]) || !std::isfinite(scaling.scale[i]))
      fail(Errc::bad_argument, fmt::format("scaling of feature {} is not finite: shift {}, scale {}", i,
                                           scaling.shift[i], scaling.scale[i]));
}

std::vector<float> in_float(const Scaling& scaling) {
  std::vector<float> result(scaling.shift.begin(), scaling.shift.end());
  result.insert(result.end(), scaling.scale.begin(), scaling.scale.end());
  return result;
}

}  // namespace

Dataset::Dataset(Array features, Array targets, Array weights, Scaling scaling, std::int64_t classes)
    : scaling_(std::move(scaling)) {
  if (features.rank() < 1) fail(Errc::bad_shape, "features need a first extent, the number of samples");
  const auto agree = [&](const Array& other, std::string_view name) {
    if (other.rank() < 1 || other.rows() != features.rows())
      fail(Errc::bad_shape,
           fmt::format("features have {} rows, {} {}", features.rows(), name, other.rank() < 1 ? 1 : other.rows()));
  };
  agree(targets, "targets");
  const bool weighted = weights.rank() != 1 || weights.rows() != 0 || features.rows() == 0;
  if (weighted) {
    agree(weights, "weights");
    if (weights.row_size() != 1 || !is_real(weights.dtype()))
      fail(Errc::bad_shape, fmt::format("weights must be [{}] of a real type, not [{}] of {}", features.rows(),
                                        fmt::join(weights.shape(), ", "), name_of(weights.dtype())));
  }
  if (is_label(targets.dtype())) {
    if (targets.row_size() != 1)
      fail(Errc::bad_shape, fmt::format("class labels must be [n], not [{}]", fmt::join(targets.shape(), ", ")));
    const std::int64_t largest = checked_largest_label(targets);
    if (classes < 0 || classes > INT32_MAX) fail(Errc::bad_argument, fmt::format("{} classes", classes));
    if (classes == 0) classes = largest + 1;
  } else if (classes != 0) {
    fail(Errc::bad_argument,
         fmt::format("{} classes, but the targets are {}, not labels", classes, name_of(targets.dtype())));
  }
  check(scaling_, features.row_size());
  scaling_f_ = in_float(scaling_);
  samples_ = std::make_shared<const Samples>(
      Samples{std::move(features), std::move(targets), weighted ? std::move(weights) : Array(), classes});
}

std::int64_t Dataset::size() const {
  return rows_ ? static_cast<std::int64_t>(rows_->size()) : samples_->features.rows();
}
std::int64_t Dataset::feature_size() const { return samples_->features.row_size(); }
std::vector<std::int64_t> Dataset::feature_shape() const {
  return {samples_->features.shape().begin() + 1, samples_->features.shape().end()};
}
bool Dataset::has_labels() const { return is_label(samples_->targets.dtype()); }
std::int64_t Dataset::target_size() const { return has_labels() ? 0 : samples_->targets.row_size(); }
std::int64_t Dataset::classes() const { return samples_->classes; }
bool Dataset::has_weights() const { return !samples_->weights.empty(); }
const Scaling& Dataset::scaling() const { return scaling_; }
const std::vector<std::string>& Dataset::class_names() const { return class_names_; }

void Dataset::set_class_names(std::vector<std::string> names) {
  if (has_labels() && static_cast<std::int64_t>(names.size()) > classes())
    fail(Errc::bad_argument, fmt::format("{} names for {} classes", names.size(), classes()));
  class_names_ = std::move(names);
}

Dataset Dataset::with_scaling(Scaling scaling) const {
  check(scaling, feature_size());
  Dataset result = *this;
  result.scaling_f_ = in_float(scaling);
  result.scaling_ = std::move(scaling);
  return result;
}

Dataset Dataset::subset(std::span<const std::int64_t> rows) const {
  auto chosen = std::make_shared<std::vector<std::int64_t>>();
  chosen->reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < 0 || rows[i] >= size())
      fail(Errc::bad_argument, fmt::format("subset: entry {} is row {}, outside [0, {})", i, rows[i], size()));
    chosen->push_back(rows_ ? (*rows_)[static_cast<std::size_t>(rows[i])] : rows[i]);
  }
  Dataset result = *this;
  result.rows_ = std::move(chosen);
  return result;
}

Scaling Dataset::standard_scaling() const {
  require(size() > 0, Errc::bad_argument, "dataset: no samples to compute a mean of");
  const auto features = static_cast<std::size_t>(feature_size());
  const auto n = static_cast<double>(size());
  std::vector<double> mean(features), variance(features);
  data::visit(samples_->features.dtype(), [&]<class T>() {
    const auto each = [&](auto&& f) {
      for (std::int64_t i = 0; i < size(); ++i) {
        const std::int64_t row = rows_ ? (*rows_)[static_cast<std::size_t>(i)] : i;
        const T* from = samples_->features.as<T>().data() + row * feature_size();
        for (std::size_t j = 0; j < features; ++j) f(j, static_cast<double>(wide(from[j])));
      }
    };
    each([&](std::size_t j, double x) { mean[j] += x; });
    for (double& m : mean) m /= n;
    each([&](std::size_t j, double x) { variance[j] += (x - mean[j]) * (x - mean[j]); });
  });
  for (double& v : variance) v = v > 0 ? 1 / std::sqrt(v / n) : 1.0;
  return {std::move(mean), std::move(variance)};
}

void Dataset::gather(std::span<const std::int64_t> rows, const BatchBuffers& out) const {
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (rows[i] < 0 || rows[i] >= size())
      fail(Errc::bad_argument, fmt::format("gather: entry {} is row {}, outside [0, {})", i, rows[i], size()));
  if (out.labels != nullptr && !has_labels()) fail(Errc::bad_argument, "gather: labels asked for, targets are real");
  if (out.targets != nullptr && has_labels())
    fail(Errc::bad_argument, "gather: real targets asked for, there are labels");

  const auto row_of = [&](std::size_t i) { return rows_ ? (*rows_)[static_cast<std::size_t>(rows[i])] : rows[i]; };
  if (out.x != nullptr) {
    const std::int64_t width = feature_size();
    const std::size_t entries = scaling_.shift.size();
    data::visit(samples_->features.dtype(), [&]<class T>() {
      const T* from = samples_->features.as<T>().data();
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const T* sample = from + row_of(i) * width;
        float* to = out.x + static_cast<std::int64_t>(i) * width;
        if constexpr (kExact<T>) {
          if (entries == 1)
            convert(sample, to, width, scaling_f_[0], scaling_f_[1]);
          else
            convert_each(sample, to, width, scaling_f_.data(), scaling_f_.data() + entries);
        } else {
          if (entries == 1)
            convert(sample, to, width, scaling_.shift[0], scaling_.scale[0]);
          else
            convert_each(sample, to, width, scaling_.shift.data(), scaling_.scale.data());
        }
      }
    });
  }
  if (out.labels != nullptr)
    data::visit(samples_->targets.dtype(), [&]<class T>() {
      if constexpr (std::is_integral_v<T>) {
        const T* from = samples_->targets.as<T>().data();
        for (std::size_t i = 0; i < rows.size(); ++i) out.labels[i] = static_cast<std::int32_t>(from[row_of(i)]);
      }
    });
  const auto copy_real = [&](const Array& array, float* to) {
    const std::int64_t width = array.row_size();
    data::visit(array.dtype(), [&]<class T>() {
      const T* from = array.as<T>().data();
      for (std::size_t i = 0; i < rows.size(); ++i)
        for (std::int64_t j = 0; j < width; ++j) *to++ = static_cast<float>(wide(from[row_of(i) * width + j]));
    });
  };
  if (out.targets != nullptr) copy_real(samples_->targets, out.targets);
  if (out.weights != nullptr) {
    if (has_weights())
      copy_real(samples_->weights, out.weights);
    else
      std::fill_n(out.weights, rows.size(), 1.0f);
  }
}

}  // namespace fuselage
