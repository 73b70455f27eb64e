// safetensors: a 64-bit length, a JSON header of that length, and the tensors' bytes one after the other.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "fuselage/data.h"
#include "host/data/atomic_file.h"
#include "host/data/input_file.h"
#include "host/data/safetensors_header.h"

namespace fuselage {
namespace {

constexpr std::size_t kAlign = 8;  // of the data: the header is padded with blanks

std::string quoted(const std::filesystem::path& path, std::string_view text) {
  try {
    return nlohmann::json(std::string(text)).dump();
  } catch (const nlohmann::json::exception&) {
    throw Error(Errc::bad_argument, fmt::format("'{}': {} is not valid UTF-8", path.string(), data::printable(text)));
  }
}

std::string header_of(const std::filesystem::path& path, const TensorFile& file,
                      const std::vector<const std::pair<std::string, Array>*>& order) {
  std::string text = "{";
  const auto comma = [&] {
    if (text.size() > 1) text += ',';
  };
  if (!file.metadata.empty()) {
    text += "\"__metadata__\":{";
    for (const auto& [key, value] : file.metadata)
      text += fmt::format("{}{}:{}", text.back() == '{' ? "" : ",", quoted(path, key), quoted(path, value));
    text += '}';
  }
  std::int64_t at = 0;
  std::set<std::string_view> names;
  for (const auto* tensor : order) {
    const auto& [name, array] = *tensor;
    if (name == "__metadata__" || !names.insert(name).second)
      throw Error(Errc::bad_argument, fmt::format("'{}': the tensor name {} {}", path.string(), data::printable(name),
                                                  name == "__metadata__" ? "is reserved" : "comes twice"));
    comma();
    text += fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":[", quoted(path, name), data::safetensors_name(array.dtype()));
    for (std::size_t i = 0; i < array.shape().size(); ++i)
      text += fmt::format("{}{}", i == 0 ? "" : ",", array.shape()[i]);
    text += fmt::format("],\"data_offsets\":[{},{}]}}", at, at + array.bytes());
    at += array.bytes();
  }
  text += '}';
  text.append((kAlign - text.size() % kAlign) % kAlign, ' ');
  return text;
}

}  // namespace

const Array* TensorFile::find(std::string_view name) const {
  for (const auto& [key, array] : tensors)
    if (key == name) return &array;
  return nullptr;
}

const Array& TensorFile::at(std::string_view name) const {
  const Array* array = find(name);
  if (array == nullptr)
    throw Error(Errc::unknown_name,
                fmt::format("no tensor {} among the {} of the file", data::printable(name), tensors.size()));
  return *array;
}

TensorFile read_safetensors(const std::filesystem::path& path) {
  data::InputFile file(path);
  data::SafetensorsHeader header = data::read_safetensors_header(file);
  TensorFile result;
  result.metadata = std::move(header.metadata);
  result.tensors.reserve(header.tensors.size());
  for (data::TensorEntry& t : header.tensors) {
    Array array = Array::uninitialized(t.type, std::move(t.shape));
    file.read(array.data(), t.end - t.begin, "tensor data");
    result.tensors.emplace_back(std::move(t.name), std::move(array));
  }
  return result;
}

void write_safetensors(const std::filesystem::path& path, const TensorFile& file) {
  std::vector<const std::pair<std::string, Array>*> order;
  for (const auto& tensor : file.tensors) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return size_of(a->second.dtype()) > size_of(b->second.dtype());
  });
  const std::string header = header_of(path, file, order);
  // What a reader would refuse is not written.
  if (header.size() > std::size_t{16} << 20)
    throw Error(Errc::bad_argument,
                fmt::format("'{}': names and metadata take {} bytes, more than the 16 MiB of a header", path.string(),
                            header.size()));
  const std::uint64_t length = header.size();
  data::AtomicFile out(path);
  out.write(&length, sizeof length);
  out.write(header);
  for (const auto* tensor : order)
    if (!tensor->second.empty()) out.write(tensor->second.data(), static_cast<std::size_t>(tensor->second.bytes()));
  out.commit();
}

}  // namespace fuselage
