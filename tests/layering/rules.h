// The rules of layering_test, on sources held in memory so that they can be tried on planted ones: who may include
// whom, where the preprocessor and kernel launches may appear, how long a file may be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fuselage::test {

struct Source {
  std::string path;  ///< relative to the project's root, with slashes
  std::string text;
};

struct Include {
  std::string name;
  bool quoted = false;
};

/// The text with comments, raw strings and (unless kept) strings and characters blanked; line breaks stay.
std::string code_of(std::string_view text, bool keep_strings = false);

std::vector<Include> includes_of(std::string_view text);

/// Whether a file at `path` may include the project's header `header` (both relative to the root).
bool may_include(std::string_view path, std::string_view header);

/// Every breach in the tree, one line each: the file and what it does.
std::vector<std::string> breaches(const std::vector<Source>& tree);

}  // namespace fuselage::test
