// The safetensors header: parsed as a stream of events, so that duplicate keys are seen and no tree is built.
#include "host/data/safetensors_header.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "fuselage/array.h"

namespace fuselage::data {
namespace {

constexpr std::uint64_t kMostHeader = std::uint64_t{16} << 20;
constexpr std::uint64_t kLengthBytes = 8;

// In the order of DType.
constexpr std::string_view kNames[] = {"F32", "BF16", "F16", "F64", "U8", "I8", "I16", "I32", "I64"};

/// Receives the parser's events. The only shape allowed: an object of objects; in a tensor's object dtype is a string,
/// shape and data_offsets are arrays of whole numbers; in __metadata__ every value is a string.
class HeaderEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderEvents(const InputFile& file, SafetensorsHeader& header) : file_(file), header_(header) {}

  bool start_object(std::size_t) override {
    if (depth_ == 2 || list_ != nullptr) unexpected("an object");
    ++depth_;
    if (depth_ == 2) fields_ = 0;
    return true;
  }
  bool end_object() override {
    if (depth_-- == 2 && !in_metadata_ && fields_ != kAll)
      refuse(fmt::format("lacks {}", (fields_ & 1) == 0 ? "dtype" : (fields_ & 2) == 0 ? "shape" : "data_offsets"));
    return true;
  }
  bool key(string_t& name) override {
    if (depth_ == 1) return tensor_key(name);
    field_ = name;
    if (in_metadata_) return true;
    const unsigned bit = name == "dtype" ? 1u : name == "shape" ? 2u : name == "data_offsets" ? 4u : 0u;
    if (bit == 0) refuse(fmt::format("expected dtype, shape and data_offsets, found the key {}", printable(name)));
    if ((fields_ & bit) != 0) refuse(fmt::format("the key '{}' comes twice", name));
    fields_ |= bit;
    return true;
  }
  bool string(string_t& value) override {
    if (depth_ != 2 || list_ != nullptr) unexpected("a string");
    if (in_metadata_) {
      if (!header_.metadata.emplace(field_, value).second)
        refuse(fmt::format("the key {} comes twice", printable(field_)));
      return true;
    }
    if (field_ != "dtype") unexpected("a string");
    const auto* const found = std::find(std::begin(kNames), std::end(kNames), value);
    if (found == std::end(kNames))
      refuse(fmt::format("dtype {} is not supported; expected one of {}", printable(value), fmt::join(kNames, ", ")));
    header_.tensors.back().type = static_cast<DType>(found - std::begin(kNames));
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ != 2 || in_metadata_ || list_ != nullptr || field_ == "dtype") unexpected("an array");
    list_ = field_ == "shape" ? &shape_ : &offsets_;
    list_->clear();
    return true;
  }
  bool end_array() override {
    TensorEntry& tensor = header_.tensors.back();
    if (list_ == &shape_) {
      tensor.shape.assign(shape_.begin(), shape_.end());
    } else {
      if (offsets_.size() != 2) refuse(fmt::format("data_offsets: expected 2 numbers, found {}", offsets_.size()));
      tensor.begin = offsets_[0];
      tensor.end = offsets_[1];
    }
    list_ = nullptr;
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (list_ == nullptr) unexpected("a number");
    if (list_->size() == (list_ == &shape_ ? static_cast<std::size_t>(kMaxRank) : 2))
      refuse(fmt::format("{}: more than {} numbers", field_, list_->size()));
    if (value > static_cast<std::uint64_t>(INT64_MAX)) refuse(fmt::format("{}: {} exceeds 2^63 - 1", field_, value));
    list_->push_back(value);
    return true;
  }
  bool number_integer(number_integer_t value) override { unexpected(fmt::format("the number {}", value)); }
  bool number_float(number_float_t, const string_t& text) override {
    unexpected(fmt::format("the number {}", printable(text)));
  }
  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a boolean"); }
  bool binary(binary_t&) override { unexpected("binary data"); }
  bool parse_error(std::size_t position, const std::string& token, const nlohmann::detail::exception&) override {
    file_.refuse(kLengthBytes + position,
                 fmt::format("the header is not valid JSON (in UTF-8) at {}", printable(token)));
  }

 private:
  static constexpr unsigned kAll = 7;

  bool tensor_key(const std::string& name) {
    field_.clear();
    if (!names_.insert(name).second) file_.refuse(kLengthBytes, fmt::format("the key {} comes twice", printable(name)));
    in_metadata_ = name == "__metadata__";
    if (!in_metadata_) header_.tensors.emplace_back().name = name;
    return true;
  }
  [[noreturn]] void refuse(std::string_view message) const {
    const std::string where = in_metadata_              ? "__metadata__"
                              : header_.tensors.empty() ? "header"
                                                        : "tensor " + printable(header_.tensors.back().name);
    file_.refuse(kLengthBytes, fmt::format("{}: {}", where, message));
  }
  [[noreturn]] void unexpected(std::string_view what) const {
    const std::string_view expected = depth_ == 0         ? "an object of tensors"
                                      : depth_ == 1       ? "an object"
                                      : in_metadata_      ? "a string"
                                      : field_ == "dtype" ? "a string"
                                      : list_ == nullptr  ? "an array of whole numbers"
                                                          : "whole numbers that are not negative";
    refuse(fmt::format("{}{}expected {}, found {}", printable(field_), field_.empty() ? "" : ": ", expected, what));
  }

  const InputFile& file_;
  SafetensorsHeader& header_;
  std::unordered_set<std::string> names_;
  int depth_ = 0;
  bool in_metadata_ = false;
  unsigned fields_ = 0;
  std::string field_;
  std::vector<std::uint64_t> shape_, offsets_, *list_ = nullptr;
};

/// Sizes, order and coverage.
void check_layout(const InputFile& file, SafetensorsHeader& header) {
  std::stable_sort(header.tensors.begin(), header.tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::uint64_t at = 0;
  for (const TensorEntry& t : header.tensors) {
    const std::string who = fmt::format("tensor {}", printable(t.name));
    if (t.begin != at)
      file.refuse(file.offset() + std::min(at, file.left()),
                  fmt::format("{}: data_offsets begin at {}, expected {} ({})", who, t.begin, at,
                              t.begin < at ? "it overlaps the tensor before it" : "there is a hole before it"));
    if (t.end < t.begin)
      file.refuse(kLengthBytes, fmt::format("{}: data_offsets [{}, {}] end before they begin", who, t.begin, t.end));
    const std::int64_t bytes =
        checked_bytes(t.type, t.shape, fmt::format("{}, byte {}: {}", file.name(), kLengthBytes, who), Errc::format);
    if (static_cast<std::uint64_t>(bytes) != t.end - t.begin)
      file.refuse(kLengthBytes, fmt::format("{}: shape [{}] of {} takes {} bytes, but data_offsets [{}, {}] give {}",
                                            who, fmt::join(t.shape, ", "), safetensors_name(t.type), bytes, t.begin,
                                            t.end, t.end - t.begin));
    at = t.end;
  }
  if (at != file.left())
    file.refuse(file.offset(),
                fmt::format("the header describes {} bytes of data, but the file has {}", at, file.left()));
}

}  // namespace

std::string_view safetensors_name(DType type) { return kNames[static_cast<int>(type)]; }

SafetensorsHeader read_safetensors_header(InputFile& file) {
  std::uint64_t length = 0;
  file.read(&length, sizeof length, "header length");
  if (length > file.left() || length > kMostHeader)
    file.refuse(0, fmt::format("the header length is {}; expected at most {} and what the file has left, {}", length,
                               kMostHeader, file.left()));
  std::string text(length, '\0');
  file.read(text.data(), length, "header");
  if (text.empty() || text[0] != '{')
    file.refuse(kLengthBytes, fmt::format("expected a header that begins with '{{', found {}",
                                          text.empty() ? "nothing" : printable(text.substr(0, 1))));
  SafetensorsHeader header;
  HeaderEvents events(file, header);
  nlohmann::json::sax_parse(text, &events);
  check_layout(file, header);
  return header;
}

}  // namespace fuselage::data
