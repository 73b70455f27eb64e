// Reads run files.
#include "host/train/run_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "fuselage/compat.h"
#include "host/train/toml_section.h"

namespace fuselage::train {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kKinds{"auto", "idx", "npy", "csv"};
const std::vector<std::string> kNormalise{"none", "unit", "standard"};

toml::table parse_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in) throw Error(Errc::io, fmt::format("cannot read '{}': {}", path.string(), std::strerror(errno)));
  try {
    return toml::parse(text.view(), path.string());
  } catch (const toml::parse_error& error) {
    throw Error(Errc::format,
                fmt::format("{}:{}: {}", path.string(), error.source().begin.line, std::string(error.description())));
  }
}

/// "value" as TOML where it is TOML, else as text.
toml::table parse_value(const std::string& text) {
  try {
    return toml::parse("value = " + text);
  } catch (const toml::parse_error&) {
    std::string quoted = "value = \"";
    for (const char c : text) quoted += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    try {
      return toml::parse(quoted + "\"");
    } catch (const toml::parse_error&) {
      throw Error(Errc::bad_argument, "command line: '" + text + "' is not a value");
    }
  }
}

/// loss = "huber:delta=2" becomes {name = "huber", delta = "2"}, so that an override can set one field.
void expand_definition(toml::table& root, std::string_view key) {
  const toml::node* node = root.get(key);
  const auto* text = node ? node->as_string() : nullptr;
  if (!text) return;
  const std::string definition = text->get();
  if (definition.find_first_of("*|") != std::string::npos)
    fail_at(*node, Errc::bad_argument,
            fmt::format("{} '{}' is made of several; set it as a whole, not one field", key, definition));
  toml::table fields;
  fields.insert("name", definition.substr(0, definition.find(':')));
  if (const std::size_t colon = definition.find(':'); colon != std::string::npos) try {
      for (const auto& [field, value] : detail::settings_in(key, std::string_view(definition).substr(colon + 1)))
        fields.insert_or_assign(field, std::string(value));
    } catch (const Error& error) {
      fail_at(*node, error.code(), error.what());
    }
  root.insert_or_assign(key, std::move(fields));
}

void apply_override(toml::table& root, const std::string& setting) {
  const std::size_t equals = setting.find('=');
  if (equals == std::string::npos || equals == 0)
    throw Error(Errc::bad_argument, "command line: expected section.key=value, got '" + setting + "'");
  toml::table value = parse_value(setting.substr(equals + 1));
  toml::table* at = &root;
  std::string_view path = std::string_view(setting).substr(0, equals);
  for (std::size_t dot; (dot = path.find('.')) != std::string_view::npos; path.remove_prefix(dot + 1)) {
    const std::string_view key = path.substr(0, dot);
    if (at == &root && (key == "loss" || key == "optimizer" || key == "schedule")) expand_definition(root, key);
    toml::node* next = at->get(key);
    if (!next) next = &at->insert(key, toml::table{}).first->second;
    at = next->as_table();
    if (!at)
      throw Error(Errc::bad_argument,
                  fmt::format("command line: '{}' in '{}' is not a section", std::string(key), setting));
  }
  at->insert_or_assign(path, *value.get("value"));
}

/// The text form of a definition given as a table.
std::string definition_text(const toml::table& table, const std::string& name) {
  const toml::node* node = table.get("name");
  if (!node || !node->is_string()) fail_at(table, Errc::bad_argument, name + " needs a name");
  std::string text = node->as_string()->get(), separator = ":";
  for (const auto& [key, value] : table) {
    if (key.str() == "name") continue;
    std::ostringstream out;
    const auto put = [&](const toml::node& one) {
      if (!one.is_value()) fail_at(one, Errc::bad_argument, name + "." + std::string(key.str()) + " is not a value");
      one.visit([&](const auto& v) {
        if constexpr (toml::is_floating_point<decltype(v)>)
          out << fmt::format("{}", v.get());
        else if constexpr (toml::is_value<decltype(v)>)
          out << std::boolalpha << v.get();
      });
    };
    if (const auto* list = value.as_array()) {
      if (list->empty()) out << "none";
      for (const toml::node& one : *list) {
        if (&one != &list->front()) out << '/';
        put(one);
      }
    } else {
      put(value);
    }
    text += separator + std::string(key.str()) + "=" + out.str();
    separator = ",";
  }
  return text;
}

/// Parses a definition; what is wrong with it is said with its place.
template <class Parse>
auto read_definition(TomlSection& root, std::string_view key, std::string otherwise, Parse&& parse) {
  const toml::node* node = root.find(key);
  try {
    if (!node) return parse(otherwise);
    if (const auto* text = node->as_string()) return parse(text->get());
    if (!node->is_table()) fail_at(*node, Errc::bad_argument, std::string(key) + " is neither text nor a table");
    return parse(definition_text(*node->as_table(), std::string(key)));
  } catch (const Error& error) {
    const std::string message = error.what();
    if (!node || message.rfind(place_of(*node), 0) == 0) throw;
    fail_at(*node, error.code(), message);
  }
}

/// Relative to the run file's folder where that exists, else as given.
fs::path resolve(const fs::path& folder, const std::string& path) {
  if (path.empty() || fs::path(path).is_absolute() || !fs::exists(folder / path)) return path;
  return folder / path;
}

void read_normalise(TomlSection& in, DataSource& source) {
  source.normalise = static_cast<Normalise>(in.choice("normalise", kNormalise, 0));
  double mean = 0, deviation = 1;
  const toml::node* given = in.find("std") ? in.find("std") : in.find("mean");
  in.read("mean", mean);
  in.read("std", deviation);
  if (!given) return;
  if (source.normalise != Normalise::none || !(deviation > 0))
    fail_at(*given, Errc::bad_argument, "[data] mean and std (above 0) stand without normalise");
  source.normalise = Normalise::given;
  source.scaling = {{mean}, {1 / deviation}};
}

RunData read_data(const toml::table& table, const fs::path& folder) {
  TomlSection in(table, "[data]");
  RunData data;
  DataSource source;
  const int kind = in.choice("kind", kKinds, 0);
  source.kind = static_cast<FileKind>(kind);
  std::string train_features, train_targets, test_features, test_targets, weights, test_weights;
  const auto read_path = [&](const char* key, const char* alias, std::string& to) {
    in.read(key, to);
    if (alias) in.read(alias, to);
  };
  read_path("train_features", "train", train_features);
  read_path("train_labels", "train_targets", train_targets);
  read_path("train_weights", nullptr, weights);
  read_path("test_features", "test", test_features);
  read_path("test_labels", "test_targets", test_targets);
  read_path("test_weights", nullptr, test_weights);
  in.read("test_fraction", data.test_fraction);
  read_normalise(in, source);
  in.read("classes", source.classes, 0, std::int64_t{1} << 24);
  in.read("label_column", source.csv.label_column);
  in.read("target_columns", source.target_columns);
  in.read("weight_column", source.weight_column);
  in.read("ignore_columns", source.csv.ignore_columns);
  in.read("class_names", source.csv.classes);
  source.target_form = in.choice("target_form", TargetForm{});
  in.finish();
  if (train_features.empty()) fail_at(table, Errc::bad_argument, "[data] needs a key 'train_features'");
  if (source.kind == FileKind::idx || source.kind == FileKind::npy) {
    if (train_targets.empty())
      fail_at(table, Errc::bad_argument, "[data] needs a key 'train_labels' (or 'train_targets')");
    if (!test_features.empty() && test_targets.empty())
      fail_at(table, Errc::bad_argument, "[data] has test_features and needs 'test_labels' (or 'test_targets')");
  }
  if (!(data.test_fraction >= 0 && data.test_fraction < 1))
    fail_at(table, Errc::bad_argument, "[data] test_fraction is outside [0, 1)");
  if (!test_features.empty() && data.test_fraction > 0)
    fail_at(table, Errc::bad_argument, "[data] has both test_features and test_fraction");
  data.train = source;
  data.train.features = resolve(folder, train_features);
  data.train.targets = resolve(folder, train_targets);
  data.train.weights = resolve(folder, weights);
  if (!test_features.empty()) {
    data.test = source;
    data.test->features = resolve(folder, test_features);
    data.test->targets = resolve(folder, test_targets);
    data.test->weights = resolve(folder, test_weights);
  }
  return data;
}

std::vector<Dense> read_layers(TomlSection& model) {
  const toml::node& node = model.need("layers");
  const toml::array* list = node.as_array();
  if (!list || list->empty()) fail_at(node, Errc::bad_argument, "[model] layers is not a list of layers");
  std::vector<Dense> layers;
  for (const toml::node& item : *list) {
    if (!item.is_table())
      fail_at(item, Errc::bad_argument, "[model] layers: expected {dense = 64, activation = \"relu\"}");
    TomlSection layer(*item.as_table(), "[model] layer " + std::to_string(layers.size()));
    std::int64_t outputs = 0;
    std::string activation = "identity";
    layer.need("dense");
    layer.read("dense", outputs, 1, std::int64_t{1} << 24);
    layer.read("activation", activation);
    layer.finish();
    try {
      layers.emplace_back(outputs, activation);
    } catch (const Error& error) {
      fail_at(item, error.code(), error.what());
    }
  }
  return layers;
}

RunOptions read_train(const toml::table& table) {
  TomlSection in(table, "[train]");
  RunOptions o;
  std::int64_t seed = 0;
  in.read("epochs", o.epochs, 1);
  in.read("batch_size", o.batch_size, 1, std::int64_t{1} << 30);
  in.read("seed", seed, 0);
  o.seed = static_cast<std::uint64_t>(seed);
  in.read("device", o.device);
  in.read("threads", o.threads, 0, 4096);
  in.read("checkpoint_every", o.checkpoint_every, 0);
  in.read("validate_every", o.validate_every, 0);
  o.non_finite = static_cast<NonFinite>(in.choice("non_finite", {"raise", "skip", "stop"}, 0));
  in.read("log_every", o.log_every, 1);
  in.read("out", o.out);
  in.finish();
  return o;
}

GradientOptions read_gradient(const toml::table& table) {
  TomlSection in(table, "[gradient]");
  GradientOptions o;
  detail::for_each_field<GradientOptions>([&](const auto& field) {
    auto& member = o.*field.member;
    if constexpr (std::is_enum_v<std::remove_cvref_t<decltype(member)>>)
      member = in.choice(field.name, member);
    else if constexpr (std::is_same_v<std::remove_cvref_t<decltype(member)>, std::int64_t>)
      in.read(field.name, member, 0);
    else
      in.read(field.name, member);
  });
  in.finish();
  try {
    detail::check_fields(o);
  } catch (const Error& error) {
    fail_at(table, error.code(), error.what());
  }
  return o;
}

/// `compat` says whose name the loss has, and then whose divisor and form of targets it takes; `reduction` stands
/// before that.
void read_loss(TomlSection& in, bool has_form, RunFile& run) {
  const toml::node& loss = in.need("loss");
  std::optional<Peer> peer;
  if (const toml::node* node = in.find("compat")) {
    peer = in.choice("compat", Peer{});
    if (in.find("reduction")) fail_at(*node, Errc::bad_argument, "compat chooses the reduction: give one of the two");
  }
  run.reduction = in.choice("reduction", Reduction{});
  run.loss = read_definition(in, "loss", "", [&](const std::string& text) {
    if (!peer) return Losses::parse(text, "loss");
    const Convention found = convention(*peer, text);
    run.reduction = found.reduction;
    if (!has_form) run.data.train.target_form = found.form;
    if (run.data.test) run.data.test->target_form = run.data.train.target_form;
    return found.loss;
  });
  if (run.reduction == Reduction::none) fail_at(loss, Errc::bad_argument, "reduction=none is not one of a training");
}

}  // namespace

RunFile read_run_file(const fs::path& path, const std::vector<std::string>& overrides) {
  toml::table root = parse_file(path);
  for (const std::string& setting : overrides) apply_override(root, setting);

  TomlSection in(root, "the run file");
  const auto section = [&](const char* key) -> const toml::table& {
    const toml::node& node = in.need(key);
    if (!node.is_table()) fail_at(node, Errc::bad_argument, fmt::format("[{}] is not a section", key));
    return *node.as_table();
  };
  RunFile run;
  run.data = read_data(section("data"), path.parent_path());
  TomlSection model(section("model"), "[model]");
  run.layers = read_layers(model);
  run.init = static_cast<Init>(model.choice("init", {"he", "xavier"}, 0));
  model.finish();
  read_loss(in, section("data").contains("target_form"), run);
  in.need("optimizer");
  run.optimizer = read_definition(in, "optimizer", "", [](const std::string& t) { return OptimizerSpec::parse(t); });
  run.schedule =
      read_definition(in, "schedule", "constant", [](const std::string& t) { return ScheduleSpec::parse(t); });
  std::vector<std::string> metrics;
  in.read("metrics", metrics);
  for (const std::string& metric : metrics) {
    try {
      run.metrics.push_back(Metrics::parse(metric, "metric"));
    } catch (const Error& error) {
      fail_at(*root.get("metrics"), error.code(), error.what());
    }
  }
  if (in.find("gradient")) run.gradient = read_gradient(section("gradient"));
  if (in.find("train")) run.train = read_train(section("train"));
  in.finish();
  return run;
}

}  // namespace fuselage::train
