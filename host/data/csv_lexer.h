// Splits CSV text into fields: separators, line ends, quotes and places for messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "host/data/input_file.h"

namespace fuselage::data {

/// Walks the fields of a text row by row. Lines count from 1 and are physical lines, those within quotes included;
/// columns count fields from 1.
class CsvLexer {
 public:
  CsvLexer(std::string_view file_name, std::string_view text, char separator)
      : file_(file_name), text_(text), separator_(separator) {}

  /// Skips empty lines; false at the end of the text.
  bool begin_row();
  /// The next field of the row, valid until the next call; false when the row has no more.
  bool next(std::string_view& field);

  std::int64_t line() const { return field_line_; }
  std::int64_t column() const { return column_; }
  /// Whether the field stood in quotes.
  bool quoted() const { return quoted_; }

  /// Throws Error(format) with the place of the current field.
  [[noreturn]] void refuse(std::string_view message) const;
  [[noreturn]] void refuse(std::int64_t line, std::int64_t column, std::string_view message) const;

 private:
  bool at_line_end() const { return text_[at_] == '\n' || text_[at_] == '\r'; }
  void skip_line_end();
  std::string_view plain_field();
  std::string_view quoted_field();

  std::string_view file_, text_;
  char separator_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1, field_line_ = 1, column_ = 0;
  bool row_open_ = false, quoted_ = false;
  std::string unquoted_;
};

}  // namespace fuselage::data
