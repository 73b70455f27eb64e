// Reading C++ well enough to see its directives: comments, strings and raw strings are told apart, nothing else.
#include <algorithm>
#include <cctype>

#include "tests/layering/rules.h"

namespace fuselage::test {
namespace {

/// Copies text[from, to) as blanks that keep the lines.
void blank(std::string& out, std::string_view text, std::size_t from, std::size_t to) {
  for (std::size_t i = from; i < to; ++i) out += text[i] == '\n' ? '\n' : ' ';
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

std::size_t end_of(std::string_view text, std::size_t from, std::string_view mark) {
  const std::size_t at = text.find(mark, from);
  return at == std::string_view::npos ? text.size() : at + mark.size();
}

std::size_t end_of_literal(std::string_view text, std::size_t at) {
  const char quote = text[at];
  for (++at; at < text.size() && text[at] != quote && text[at] != '\n'; ++at)
    if (text[at] == '\\') ++at;
  return std::min(at + 1, text.size());
}

}  // namespace

std::string code_of(std::string_view text, bool keep_strings) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    const bool in_word = i > 0 && is_word(text[i - 1]);
    std::size_t end = i;
    bool keep = false;
    if (rest.starts_with("//")) {
      end = std::min(text.find('\n', i), text.size());
    } else if (rest.starts_with("/*")) {
      end = end_of(text, i + 2, "*/");
    } else if (rest.starts_with("R\"") && !in_word) {
      const std::size_t open = std::min(text.find('(', i), text.size());
      end = end_of(text, open, ")" + std::string(text.substr(i + 2, open - i - 2)) + "\"");
    } else if (text[i] == '"' || (text[i] == '\'' && !in_word)) {  // in a word it separates digits
      end = end_of_literal(text, i);
      keep = keep_strings;
    }
    if (end == i) {
      out += text[i++];
      continue;
    }
    if (keep) {
      out += text.substr(i, end - i);
    } else {
      blank(out, text, i, end);
    }
    i = end;
  }
  return out;
}

std::vector<Include> includes_of(std::string_view text) {
  const std::string code = code_of(text, true);
  std::vector<Include> found;
  for (std::size_t begin = 0; begin < code.size();) {
    const std::size_t end = std::min(code.find('\n', begin), code.size());
    const std::string_view line = std::string_view(code).substr(begin, end - begin);
    begin = end + 1;
    std::size_t at = line.find_first_not_of(" \t");
    if (at == std::string_view::npos || line[at] != '#') continue;
    at = line.find_first_not_of(" \t", at + 1);
    if (at == std::string_view::npos || !line.substr(at).starts_with("include")) continue;
    const std::size_t open = line.find_first_of("<\"", at);
    if (open == std::string_view::npos) continue;
    const std::size_t close = line.find(line[open] == '<' ? '>' : '"', open + 1);
    if (close == std::string_view::npos) continue;
    found.push_back({std::string(line.substr(open + 1, close - open - 1)), line[open] == '"'});
  }
  return found;
}

}  // namespace fuselage::test
