// CSV and TSV tables: a header, numeric columns, and perhaps a column of class labels.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "fuselage/data.h"
#include "host/data/csv_lexer.h"
#include "host/data/input_file.h"

namespace fuselage {
namespace {

using data::CsvLexer;
using data::printable;

enum class Role : std::uint8_t { number, label, ignored };

std::string_view trimmed(std::string_view s) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
}

/// The whole of `s` as a T; nothing for anything else. from_chars knows no locale and never skips a line end. A value
/// too small for T becomes zero, one too large is no number.
template <class T>
std::optional<T> number(std::string_view s) {
  if (s.size() > 1 && s[0] == '+' && s[1] != '-' && s[1] != '+') s.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
  if (end != s.data() + s.size() || s.empty()) return std::nullopt;
  if (error == std::errc{}) return value;
  if constexpr (std::is_floating_point_v<T>) {
    if (error == std::errc::result_out_of_range) {
      long double wide{};
      if (std::from_chars(s.data(), s.data() + s.size(), wide).ec == std::errc{} && std::fabs(wide) < 1)
        return std::copysign(T{0}, static_cast<T>(wide));
    }
  }
  return std::nullopt;
}

bool stands_for_missing(std::string_view s) { return s.empty() || s == "NA" || s == "?"; }

char separator_of(std::string_view text) {
  const std::string_view header = text.substr(0, text.find_first_of("\r\n"));
  return header.find('\t') != std::string_view::npos ? '\t' : ',';
}

std::int64_t count_rows(std::string_view file, std::string_view text, char separator) {
  CsvLexer lexer(file, text, separator);
  std::int64_t rows = 0;
  for (std::string_view field; lexer.begin_row(); ++rows)
    while (lexer.next(field)) continue;
  return rows;
}

class Reader {
 public:
  Reader(std::string_view file, std::string_view text, const CsvOptions& options)
      : options_(options),
        separator_(options.separator != 0 ? options.separator : separator_of(text)),
        lexer_(file, text, separator_) {
    read_header();
    // A row of k fields takes at least k bytes, the last one perhaps k - 1; where the product exceeds that, some row is
    // short and will be refused before the memory is full.
    const std::int64_t rows = std::max<std::int64_t>(count_rows(file, text, separator_) - 1, 0);
    const auto columns = static_cast<std::int64_t>(table_.columns.size());
    std::int64_t cells = 0;
    if (__builtin_mul_overflow(rows, columns, &cells)) cells = std::numeric_limits<std::int64_t>::max();
    cells = std::min(cells, static_cast<std::int64_t>(text.size()) + 1);
    table_.values = Array::uninitialized(options.type, {cells});
    if (label_at_ >= 0) label_ids_.reserve(static_cast<std::size_t>(rows));
    for (const std::string& name : options.classes) add_class(name);
    options.type == DType::f32 ? read_rows<float>() : read_rows<double>();
    table_.values.reshape({row_count_, columns});
    if (label_at_ >= 0) make_labels();
  }

  CsvTable take() { return std::move(table_); }

 private:
  void read_header() {
    if (!lexer_.begin_row()) lexer_.refuse(1, 1, "expected a header line, found an empty file");
    std::set<std::string> names;
    std::set<std::string> unused(options_.ignore_columns.begin(), options_.ignore_columns.end());
    bool only_numbers = true;
    for (std::string_view field; lexer_.next(field);) {
      const std::string name(trimmed(field));
      only_numbers = only_numbers && number<double>(name).has_value();
      if (!names.insert(name).second) lexer_.refuse(fmt::format("the column name {} comes twice", printable(name)));
      Role role = Role::number;
      if (unused.erase(name) > 0) role = Role::ignored;
      if (!options_.label_column.empty() && name == options_.label_column) {
        role = Role::label;
        label_at_ = static_cast<std::int64_t>(roles_.size());
      }
      if (role == Role::number) table_.columns.push_back(name);
      roles_.push_back(role);
    }
    if (only_numbers) lexer_.refuse("the first line holds only numbers; a header with column names is required");
    if (!options_.label_column.empty() && label_at_ < 0) missing(options_.label_column, names);
    if (!unused.empty()) missing(*unused.begin(), names);
  }

  [[noreturn]] void missing(const std::string& wanted, const std::set<std::string>& names) const {
    throw Error(Errc::unknown_name, fmt::format("no column {}; the header has: {}", printable(wanted),
                                                fmt::join(names.begin(), names.end(), ", ")));
  }

  template <class T>
  void read_rows() {
    T* out = table_.values.as<T>().data();
    while (lexer_.begin_row()) {
      const std::int64_t row_line = lexer_.line();
      std::size_t column = 0;
      for (std::string_view field; lexer_.next(field); ++column) {
        if (column == roles_.size()) lexer_.refuse(fmt::format("the row has more than {} fields", roles_.size()));
        if (roles_[column] == Role::number) *out++ = cell<T>(field);
        if (roles_[column] == Role::label) add_label(field);
      }
      if (column < roles_.size())
        lexer_.refuse(row_line, static_cast<std::int64_t>(column) + 1,
                      fmt::format("the row has {} fields, the header {}", column, roles_.size()));
      ++row_count_;
    }
  }

  template <class T>
  T cell(std::string_view field) const {
    const std::string_view s = trimmed(field);
    const std::optional<T> value = number<T>(s);
    if (value && (options_.allow_missing || std::isfinite(*value))) return *value;
    if (options_.allow_missing && stands_for_missing(s)) return std::numeric_limits<T>::quiet_NaN();
    lexer_.refuse(fmt::format("expected a finite number within the range of {}, found {}", name_of(options_.type),
                              s.empty() ? "nothing" : printable(s)));
  }

  std::int64_t add_class(std::string_view name) {
    const auto [it, fresh] = class_ids_.try_emplace(std::string(name), static_cast<std::int64_t>(class_ids_.size()));
    if (fresh) table_.classes.emplace_back(name);
    return it->second;
  }

  void add_label(std::string_view field) {
    const std::string_view s = trimmed(field);
    if (s.empty()) lexer_.refuse("expected a class label, found nothing");
    if (!options_.classes.empty() && class_ids_.find(s) == class_ids_.end())
      lexer_.refuse(fmt::format("the class {} is not among those given", printable(s)));
    all_integers_ = all_integers_ && options_.classes.empty() && number<std::int64_t>(s).has_value();
    label_ids_.push_back(add_class(s));
  }

  void make_labels() {
    table_.labels = Array::uninitialized(DType::i64, {row_count_});
    const std::span<std::int64_t> labels = table_.labels.as<std::int64_t>();
    std::vector<std::int64_t> final_id(table_.classes.size());
    if (all_integers_) {
      for (std::size_t i = 0; i < final_id.size(); ++i) final_id[i] = *number<std::int64_t>(table_.classes[i]);
      table_.classes.clear();
    } else if (options_.classes.empty() && options_.class_order == ClassOrder::sorted) {
      table_.classes.clear();
      for (const auto& [name, id] : class_ids_) {  // a map: sorted by the bytes of the names
        final_id[static_cast<std::size_t>(id)] = static_cast<std::int64_t>(table_.classes.size());
        table_.classes.push_back(name);
      }
    } else {
      for (std::size_t i = 0; i < final_id.size(); ++i) final_id[i] = static_cast<std::int64_t>(i);
    }
    for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = final_id[static_cast<std::size_t>(label_ids_[i])];
  }

  const CsvOptions& options_;
  char separator_;
  CsvLexer lexer_;
  CsvTable table_;
  std::vector<Role> roles_;
  std::int64_t label_at_ = -1, row_count_ = 0;
  bool all_integers_ = true;
  std::vector<std::int64_t> label_ids_;  // by order of first appearance until all are known
  std::map<std::string, std::int64_t, std::less<>> class_ids_;
};

void check(const CsvOptions& options) {
  if (options.type != DType::f32 && options.type != DType::f64)
    throw Error(Errc::bad_dtype, fmt::format("CsvOptions::type: expected fp32 or fp64, got {}", name_of(options.type)));
  const char s = options.separator;
  if (s == '"' || s == '\n' || s == '\r' || s == '.' || s == '-' || s == '+' || (s >= '0' && s <= '9'))
    throw Error(Errc::bad_argument,
                fmt::format("CsvOptions::separator: {} cannot separate numbers", printable({&s, 1})));
  const std::set<std::string> names(options.classes.begin(), options.classes.end());
  require(names.size() == options.classes.size(), Errc::bad_argument, "CsvOptions::classes: a name comes twice");
}

}  // namespace

std::int64_t CsvTable::column(std::string_view name) const {
  const auto it = std::find(columns.begin(), columns.end(), name);
  if (it == columns.end())
    throw Error(Errc::unknown_name,
                fmt::format("no numeric column {}; there are: {}", printable(name), fmt::join(columns, ", ")));
  return it - columns.begin();
}

CsvTable read_csv(const std::filesystem::path& path, const CsvOptions& options) {
  check(options);
  data::InputFile file(path);
  const std::string contents = read_text(file);
  std::string_view text = contents;
  if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);
  if (text.substr(0, 2) == "\xff\xfe" || text.substr(0, 2) == "\xfe\xff")
    file.refuse(0, "expected UTF-8 text, found the byte order mark of UTF-16");
  return Reader(file.name(), text, options).take();
}

}  // namespace fuselage
