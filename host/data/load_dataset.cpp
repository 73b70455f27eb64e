// load_dataset: files to a Dataset.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fuselage/data.h"

namespace fuselage {
namespace {

FileKind kind_of(const DataSource& source) {
  if (source.kind != FileKind::automatic) return source.kind;
  const std::string extension = source.features.extension().string();
  if (extension == ".npy") return FileKind::npy;
  if (extension == ".csv" || extension == ".tsv" || extension == ".txt") return FileKind::csv;
  return FileKind::idx;
}

/// Columns of a table as an array [rows, columns].
template <class T>
Array columns_as(const CsvTable& table, const std::vector<std::int64_t>& columns) {
  const std::int64_t rows = table.values.rows(), stride = table.values.row_size();
  Array result = Array::uninitialized(dtype_of<T>(), {rows, static_cast<std::int64_t>(columns.size())});
  const T* from = table.values.as<T>().data();
  T* to = result.as<T>().data();
  for (std::int64_t i = 0; i < rows; ++i)
    for (const std::int64_t c : columns) *to++ = from[i * stride + c];
  return result;
}

Array columns_of(const CsvTable& table, const std::vector<std::int64_t>& columns) {
  return table.values.dtype() == DType::f64 ? columns_as<double>(table, columns) : columns_as<float>(table, columns);
}

/// The samples, the targets as the source's form says. `classes`: of labels, where the source does not say.
Dataset dataset_of(const DataSource& source, const std::string& name, Array features, Array targets, Array weights,
                   std::int64_t classes) {
  if (source.target_form == TargetForm::one_hot && targets.rank() == 2) classes = targets.row_size();
  try {
    targets = in_form(std::move(targets), source.target_form);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("'{}': {}", name, error.what()));
  }
  if (source.classes != 0 || is_real(targets.dtype())) classes = source.classes;
  return Dataset(std::move(features), std::move(targets), std::move(weights), {}, classes);
}

Dataset from_csv(const DataSource& source) {
  const std::string name = source.features.string();
  const bool labelled = !source.csv.label_column.empty();
  if (labelled != source.target_columns.empty())
    throw Error(Errc::bad_argument, fmt::format("'{}': name either a label column or target columns", name));
  CsvTable table = read_csv(source.features, source.csv);
  std::vector<std::int64_t> targets, weights, features;
  for (const std::string& column : source.target_columns) targets.push_back(table.column(column));
  if (!source.weight_column.empty()) weights.push_back(table.column(source.weight_column));
  for (std::int64_t c = 0; c < static_cast<std::int64_t>(table.columns.size()); ++c)
    if (std::find(targets.begin(), targets.end(), c) == targets.end() && (weights.empty() || weights[0] != c))
      features.push_back(c);
  if (features.empty()) throw Error(Errc::bad_argument, fmt::format("'{}': no column is left for features", name));

  const auto named = static_cast<std::int64_t>(table.classes.size());
  Dataset result = dataset_of(source, name, columns_of(table, features),
                              labelled ? std::move(table.labels) : columns_of(table, targets),
                              weights.empty() ? Array() : columns_of(table, weights), named);
  if (labelled) result.set_class_names(std::move(table.classes));
  return result;
}

}  // namespace

Dataset load_dataset(const DataSource& source) {
  const FileKind kind = kind_of(source);
  const auto read = [&](const std::filesystem::path& path) {
    return kind == FileKind::npy ? read_npy(path) : read_idx(path);
  };
  Dataset result = kind == FileKind::csv ? from_csv(source) : [&] {
    Array features = read(source.features), targets = read(source.targets);
    if (features.rank() < 1 || targets.rank() < 1 || features.rows() != targets.rows())
      throw Error(Errc::bad_shape, fmt::format("'{}' has {} rows, '{}' has {}", source.features.string(),
                                               features.rows(), source.targets.string(), targets.rows()));
    Array weights = source.weights.empty() ? Array() : read_npy(source.weights);
    return dataset_of(source, source.targets.string(), std::move(features), std::move(targets), std::move(weights), 0);
  }();
  switch (source.normalise) {
    case Normalise::none: return result;
    case Normalise::unit: return result.with_scaling({{0.0}, {1.0 / 255}});
    case Normalise::standard: return result.with_scaling(result.standard_scaling());
    case Normalise::given: return result.with_scaling(source.scaling);
  }
  return result;
}

}  // namespace fuselage
