// NAME=FILE options and shapes in messages, for the verbs that work on the user's own data.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "fuselage/core/error.h"

namespace fuselage::cli {

/// "[3, 4]".
std::string shape_text(const std::vector<std::int64_t>& shape);

/// "pred=a.npy" items to names and paths. A name that is not `known`, or one that comes twice, is an Error that names
/// it. An item without "=" belongs to `only_name`, if that is not empty.
std::map<std::string, std::string> parse_files(const std::vector<std::string>& items, const std::string& option,
                                               const std::vector<std::string>& known,
                                               const std::string& only_name = {});

}  // namespace fuselage::cli
