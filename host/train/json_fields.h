// JSON that is written by us and read with suspicion: numbers that may be infinite, fields that may be missing.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "fuselage/core/error.h"

namespace fuselage::train {

using Json = nlohmann::ordered_json;

/// A double that survives: JSON has no NaN and no infinity, so those become text.
inline Json exact(double x) {
  if (std::isfinite(x)) return x;
  return std::isnan(x) ? "nan" : x > 0 ? "inf" : "-inf";
}

/// Reads an object, and says in which file and field something is wrong.
class JsonReader {
 public:
  JsonReader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object_.is_object()) fail("an object");
  }

  const Json& at(const char* key) const {
    const auto found = object_.find(key);
    if (found == object_.end()) throw Error(Errc::format, where_ + ": field '" + key + "' is missing");
    return *found;
  }
  bool has(const char* key) const { return object_.contains(key); }
  std::string text(const char* key) const {
    if (!at(key).is_string()) fail(std::string(key) + " to be text");
    return at(key).get<std::string>();
  }
  std::int64_t integer(const char* key) const {
    if (!at(key).is_number_integer()) fail(std::string(key) + " to be an integer");
    return at(key).get<std::int64_t>();
  }
  std::uint64_t natural(const char* key) const {
    if (!at(key).is_number_unsigned()) fail(std::string(key) + " to be an integer of 0 or more");
    return at(key).get<std::uint64_t>();
  }
  bool boolean(const char* key) const {
    if (!at(key).is_boolean()) fail(std::string(key) + " to be true or false");
    return at(key).get<bool>();
  }
  double real(const char* key) const { return real_of(at(key), key); }
  double real_of(const Json& value, const char* key) const {
    if (value.is_number()) return value.get<double>();
    if (value == "inf") return HUGE_VAL;
    if (value == "-inf") return -HUGE_VAL;
    if (value == "nan") return std::nan("");
    fail(std::string(key) + " to be a number");
  }
  const Json& array(const char* key) const {
    if (!at(key).is_array()) fail(std::string(key) + " to be a list");
    return at(key);
  }
  const std::string& where() const { return where_; }
  [[noreturn]] void fail(const std::string& expected) const {
    throw Error(Errc::format, where_ + ": expected " + expected);
  }

 private:
  const Json& object_;
  std::string where_;
};

}  // namespace fuselage::train
