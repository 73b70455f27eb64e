// CsvLexer: fields, quotes, LF, CRLF and CR.
#include "host/data/csv_lexer.h"

#include <fmt/format.h>

namespace fuselage::data {

void CsvLexer::refuse(std::string_view message) const { refuse(field_line_, column_, message); }

void CsvLexer::refuse(std::int64_t line, std::int64_t column, std::string_view message) const {
  throw Error(Errc::format, fmt::format("{}, line {}, column {}: {}", file_, line, column, message));
}

void CsvLexer::skip_line_end() {
  if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
  ++at_;
  ++line_;
}

bool CsvLexer::begin_row() {
  while (at_ < text_.size() && at_line_end()) skip_line_end();
  column_ = 0;
  field_line_ = line_;
  row_open_ = at_ < text_.size();
  return row_open_;
}

bool CsvLexer::next(std::string_view& field) {
  if (!row_open_) return false;
  ++column_;
  field_line_ = line_;
  quoted_ = at_ < text_.size() && text_[at_] == '"';
  field = quoted_ ? quoted_field() : plain_field();
  row_open_ = at_ < text_.size() && text_[at_] == separator_;  // so "1,2," has a third, empty field
  if (row_open_)
    ++at_;
  else if (at_ < text_.size())
    skip_line_end();
  return true;
}

std::string_view CsvLexer::plain_field() {
  const std::size_t start = at_;
  for (; at_ < text_.size() && text_[at_] != separator_ && !at_line_end(); ++at_) {
    if (text_[at_] == '"') refuse("a quote inside a field that does not begin with one");
    if (text_[at_] == '\0') refuse("a zero byte");
  }
  return text_.substr(start, at_ - start);
}

std::string_view CsvLexer::quoted_field() {
  unquoted_.clear();
  for (++at_;; ++at_) {
    if (at_ >= text_.size()) refuse("the quote that opens here is never closed");
    if (text_[at_] == '\0') refuse("a zero byte");
    if (text_[at_] == '"') {
      ++at_;
      if (at_ >= text_.size() || text_[at_] != '"') break;
    } else if (text_[at_] == '\n' || (text_[at_] == '\r' && (at_ + 1 >= text_.size() || text_[at_ + 1] != '\n'))) {
      ++line_;
    }
    unquoted_ += text_[at_];
  }
  if (at_ < text_.size() && text_[at_] != separator_ && !at_line_end())
    refuse(fmt::format("expected the separator or the line's end after the closing quote, found {}",
                       printable(text_.substr(at_, 1))));
  return unquoted_;
}

}  // namespace fuselage::data
