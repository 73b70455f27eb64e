// Reading NAME=FILE options.
#include "host/cli/array_files.h"

#include <algorithm>

#include "fuselage/core/suggest.h"

namespace fuselage::cli {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

std::map<std::string, std::string> parse_files(const std::vector<std::string>& items, const std::string& option,
                                               const std::vector<std::string>& known, const std::string& only_name) {
  std::map<std::string, std::string> files;
  for (const std::string& item : items) {
    const std::size_t equals = item.find('=');
    const bool bare = equals == std::string::npos;
    if ((bare && only_name.empty()) || equals == 0 || equals + 1 == item.size())
      throw Error(Errc::bad_argument, option + ": expected NAME=FILE, got '" + item + "'");
    const std::string name = bare ? only_name : item.substr(0, equals);
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw Error(Errc::unknown_name, option + ": there is no '" + name + "'" + suggest(name, known));
    if (!files.emplace(name, bare ? item : item.substr(equals + 1)).second)
      throw Error(Errc::bad_argument, option + ": '" + name + "' is given twice");
  }
  return files;
}

}  // namespace fuselage::cli
