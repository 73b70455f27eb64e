// JSON as every verb prints it: numbers that are not finite are null, keys stay in the order of writing.
#pragma once

#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

namespace fuselage::cli {

using Json = nlohmann::ordered_json;

/// JSON has no NaN and no infinity.
inline Json number(double x) { return std::isfinite(x) ? Json(x) : Json(nullptr); }

/// File names need not be UTF-8; what is not is replaced.
inline void print(const Json& json) { std::cout << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n'; }

}  // namespace fuselage::cli
