// The datasets of a run, and the run as text.
#include <fmt/format.h>

#include <sstream>

#include "host/train/run_file.h"
#include "host/train/toml_section.h"

namespace fuselage::train {
namespace {

namespace fs = std::filesystem;

/// " (Debian: apt-get install dataset-...)" for a file that a package of data sets would bring.
std::string package_of(const fs::path& path) {
  constexpr std::string_view kFolder = "/usr/share/datasets/";
  const std::string text = path.string();
  if (text.rfind(kFolder, 0) != 0) return {};
  const std::string rest = text.substr(kFolder.size());
  return "; install the package that brings it: apt-get install dataset-" + rest.substr(0, rest.find('/'));
}

void check_exists(const fs::path& path) {
  std::error_code error;
  if (path.empty() || fs::exists(path, error)) return;
  throw Error(Errc::io, fmt::format("no file '{}'{}", path.string(), package_of(path)));
}

Dataset load(const DataSource& source) {
  for (const fs::path* path : {&source.features, &source.targets, &source.weights}) check_exists(*path);
  return load_dataset(source);
}

/// Whether labels are class names that the file collected: then another file must use the same indices.
bool named_classes(const Dataset& data) { return !data.class_names().empty(); }

template <class T>
void insert_fields(const T& value, toml::table& table) {
  detail::for_each_field<T>([&](const auto& field) {
    const auto& member = value.*field.member;
    if constexpr (requires { member.has_value(); }) {
      if (member) table.insert(field.name, *member);
    } else if constexpr (detail::Choice<std::remove_cvref_t<decltype(member)>>) {
      table.insert(field.name, detail::value_text(member));
    } else if constexpr (is_numbers<std::remove_cvref_t<decltype(member)>>) {
      toml::array list;
      for (const auto number : member) list.push_back(number);
      table.insert(field.name, std::move(list));
    } else {
      table.insert(field.name, member);
    }
  });
}

template <class List, class Any>
toml::table definition_table(const Any& any) {
  toml::table table;
  table.insert("name", std::string(List::name_of(any)));
  std::visit([&](const auto& value) { insert_fields(value, table); }, any);
  return table;
}

toml::array list_of(const std::vector<std::string>& texts) {
  toml::array list;
  for (const std::string& text : texts) list.push_back(text);
  return list;
}

toml::table data_table(const RunData& data) {
  constexpr const char* kinds[] = {"auto", "idx", "npy", "csv"};
  constexpr const char* normalise[] = {"none", "unit", "standard"};
  const DataSource& source = data.train;
  toml::table table;
  table.insert("kind", kinds[static_cast<int>(source.kind)]);
  const auto path = [&](const char* key, const fs::path& value) {
    if (!value.empty()) table.insert(key, fs::absolute(value).string());
  };
  path("train_features", source.features);
  path("train_labels", source.targets);
  path("train_weights", source.weights);
  if (data.test) {
    path("test_features", data.test->features);
    path("test_labels", data.test->targets);
    path("test_weights", data.test->weights);
  } else {
    table.insert("test_fraction", data.test_fraction);
  }
  if (source.normalise == Normalise::given) {
    table.insert("mean", source.scaling.shift[0]);
    table.insert("std", 1 / source.scaling.scale[0]);
  } else {
    table.insert("normalise", normalise[static_cast<int>(source.normalise)]);
  }
  table.insert("classes", source.classes);
  const auto text = [&](const char* key, const std::string& value) {
    if (!value.empty()) table.insert(key, value);
  };
  text("label_column", source.csv.label_column);
  text("weight_column", source.weight_column);
  const auto texts = [&](const char* key, const std::vector<std::string>& values) {
    if (!values.empty()) table.insert(key, list_of(values));
  };
  texts("target_columns", source.target_columns);
  texts("ignore_columns", source.csv.ignore_columns);
  texts("class_names", source.csv.classes);
  table.insert("target_form", detail::value_text(source.target_form));
  return table;
}

toml::table train_table(const RunOptions& o) {
  return toml::table{{"epochs", o.epochs},
                     {"batch_size", o.batch_size},
                     {"seed", static_cast<std::int64_t>(o.seed)},
                     {"device", o.device},
                     {"threads", o.threads},
                     {"checkpoint_every", o.checkpoint_every},
                     {"validate_every", o.validate_every},
                     {"non_finite", std::string(name_of(o.non_finite))},
                     {"log_every", o.log_every},
                     {"out", o.out}};
}

}  // namespace

std::string RunFile::to_toml() const {
  toml::array layer_list;
  for (const Dense& layer : layers)
    layer_list.push_back(
        toml::table{{"dense", layer.outputs}, {"activation", Activations::to_string(layer.activation)}});
  toml::table optimizer_table = definition_table<Optimizers>(optimizer.rule);
  insert_fields(optimizer.options, optimizer_table);
  toml::table gradient_table;
  insert_fields(gradient, gradient_table);
  std::vector<std::string> metric_texts;
  for (const AnyMetric& metric : metrics) metric_texts.push_back(Metrics::to_string(metric));
  toml::table root{{"data", data_table(data)},
                   {"model", toml::table{{"layers", layer_list}, {"init", std::string(name_of(init))}}},
                   {"loss", definition_table<Losses>(loss)},
                   {"reduction", std::string(name_of(reduction))},
                   {"optimizer", optimizer_table},
                   {"metrics", list_of(metric_texts)},
                   {"gradient", gradient_table},
                   {"train", train_table(train)}};
  if (const AnySchedule* entry = schedule.entry())
    root.insert("schedule", definition_table<Schedules>(*entry));
  else
    root.insert("schedule", schedule.to_string());
  std::ostringstream text;
  text << root << '\n';
  return text.str();
}

RunDatasets load_run_data(const RunFile& run) {
  Dataset data = load(run.data.train);
  if (run.data.test) {
    DataSource source = *run.data.test;
    if (named_classes(data)) source.csv.classes = data.class_names();
    if (source.normalise == Normalise::standard) source.normalise = Normalise::none;
    Dataset test = load(source).with_scaling(data.scaling());
    return {std::move(data), std::move(test)};
  }
  if (run.data.test_fraction == 0) return {std::move(data), std::nullopt};
  auto [test, train] = split(data, run.data.test_fraction, run.train.seed);
  if (run.data.train.normalise == Normalise::standard) {
    const Scaling scaling = train.standard_scaling();
    return {train.with_scaling(scaling), test.with_scaling(scaling)};
  }
  return {std::move(train), std::move(test)};
}

}  // namespace fuselage::train
