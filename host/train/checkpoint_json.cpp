#include "host/train/checkpoint_json.h"

#include <fmt/format.h>
#include <zlib.h>

#include "host/train/json_fields.h"

namespace fuselage::train {
namespace {

constexpr std::int64_t kFormat = 1;

Json json_of(const Scores& scores) {
  Json metrics = Json::array();
  for (const double metric : scores.metrics) metrics.push_back(exact(metric));
  return {{"loss", exact(scores.loss)}, {"metrics", metrics}, {"nonfinite", scores.nonfinite}};
}

Scores scores_from(const JsonReader& in) {
  Scores scores;
  scores.loss = in.real("loss");
  for (const Json& metric : in.array("metrics")) scores.metrics.push_back(in.real_of(metric, "metrics"));
  scores.nonfinite = in.integer("nonfinite");
  return scores;
}

Json json_of(const EpochRecord& r) {
  Json json{{"epoch", r.epoch},          {"step", r.step},
            {"skipped", r.skipped},      {"lr", exact(r.lr)},
            {"train", json_of(r.train)}, {"test", nullptr},
            {"seconds", r.seconds},      {"samples_per_second", exact(r.samples_per_second)}};
  if (r.test) json["test"] = json_of(*r.test);
  return json;
}

EpochRecord record_from(const JsonReader& in) {
  EpochRecord r;
  r.epoch = in.integer("epoch");
  r.step = in.integer("step");
  r.skipped = in.integer("skipped");
  r.lr = in.real("lr");
  r.train = scores_from({in.at("train"), in.where() + ", train"});
  if (!in.at("test").is_null()) r.test = scores_from({in.at("test"), in.where() + ", test"});
  r.seconds = in.real("seconds");
  r.samples_per_second = in.real("samples_per_second");
  return r;
}

Json json_of(const LossReport& t) {
  return {{"value_sum", exact(t.value_sum)},
          {"weight_sum", exact(t.weight_sum)},
          {"count", t.count},
          {"nonfinite", t.nonfinite},
          {"correct", t.correct},
          {"positives", t.positives},
          {"chosen", t.chosen},
          {"hits", t.hits},
          {"top_k_correct", t.top_k_correct},
          {"abs_error_sum", exact(t.abs_error_sum)},
          {"squared_error_sum", exact(t.squared_error_sum)}};
}

LossReport totals_from(const JsonReader& in) {
  LossReport t;
  t.value_sum = in.real("value_sum");
  t.weight_sum = in.real("weight_sum");
  t.count = in.integer("count");
  t.nonfinite = in.integer("nonfinite");
  t.correct = in.integer("correct");
  const auto decided = [&](const char* key) { return in.has(key) ? in.integer(key) : 0; };  // older files have none
  t.positives = decided("positives");
  t.chosen = decided("chosen");
  t.hits = decided("hits");
  t.top_k_correct = in.integer("top_k_correct");
  t.abs_error_sum = in.real("abs_error_sum");
  t.squared_error_sum = in.real("squared_error_sum");
  return t;
}

std::uint32_t crc_of(const Json& json) {
  const std::string text = json.dump();
  return crc32_of(text.data(), text.size());
}

}  // namespace

std::uint32_t crc32_of(const void* bytes, std::size_t count) {
  return static_cast<std::uint32_t>(::crc32_z(0, static_cast<const Bytef*>(bytes), count));
}

std::string to_json(const Checkpoint& c, const TensorsFile& file) {
  Json json{{"format", kFormat},
            {"model", c.model},
            {"loss", c.loss},
            {"optimizer", c.optimizer},
            {"schedule", c.schedule},
            {"metrics", c.metrics},
            {"samples", c.samples},
            {"batch_size", c.batch_size},
            {"seed", c.seed},
            {"shuffle", c.shuffle},
            {"step", c.step},
            {"skipped", c.skipped},
            {"lr", exact(c.lr)},
            {"epoch", c.at.epoch},
            {"position", c.at.position},
            {"totals", json_of(c.totals)},
            {"history", Json::array()},
            {"tensors", {{"file", file.name}, {"size", file.size}, {"crc32", file.crc32}}}};
  if (!c.gradient.empty()) json["gradient"] = c.gradient;
  for (const EpochRecord& record : c.history) json["history"].push_back(json_of(record));
  json["crc32"] = crc_of(json);
  return json.dump(1) + "\n";
}

Checkpoint from_json(const std::string& text, const std::string& where, TensorsFile& file) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) throw Error(Errc::format, where + ": it is not JSON");
  const JsonReader in(json, where);
  const std::uint64_t crc = in.natural("crc32");
  Json signed_part = json;
  signed_part.erase("crc32");
  if (crc_of(signed_part) != crc)
    throw Error(Errc::format,
                fmt::format("{}: its CRC-32 is {:08x}, and it says {:08x}", where, crc_of(signed_part), crc));
  if (in.integer("format") != kFormat)
    throw Error(Errc::format,
                fmt::format("{}: format {} is not known, expected {}", where, in.integer("format"), kFormat));
  Checkpoint c;
  c.model = in.text("model");
  c.loss = in.text("loss");
  c.optimizer = in.text("optimizer");
  c.schedule = in.text("schedule");
  if (json.contains("gradient")) c.gradient = in.text("gradient");
  for (const Json& metric : in.array("metrics"))
    c.metrics.push_back(metric.is_string() ? metric.get<std::string>() : "");
  c.samples = in.integer("samples");
  c.batch_size = in.integer("batch_size");
  c.seed = in.natural("seed");
  c.shuffle = in.boolean("shuffle");
  c.step = in.integer("step");
  c.skipped = in.integer("skipped");
  c.lr = in.real("lr");
  c.at = {in.integer("epoch"), in.integer("position")};
  c.totals = totals_from({in.at("totals"), where + ", totals"});
  for (const Json& record : in.array("history")) c.history.push_back(record_from({record, where + ", history"}));
  const JsonReader tensors(in.at("tensors"), where + ", tensors");
  file = {tensors.text("file"), tensors.natural("size"), static_cast<std::uint32_t>(tensors.natural("crc32"))};
  return c;
}

}  // namespace fuselage::train
