// The JSON header of a safetensors file: names, types, shapes and the places of the data.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fuselage/core/dtype.h"
#include "host/data/input_file.h"

namespace fuselage::data {

struct TensorEntry {
  std::string name;
  DType type = DType::f32;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes, counted from the end of the header
};

struct SafetensorsHeader {
  std::vector<TensorEntry> tensors;  // by begin
  std::map<std::string, std::string> metadata;
};

/// Reads the length and the header and checks all of it: unique keys, known types, sizes that equal shape times type,
/// and offsets that cover the rest of the file without hole or overlap. Allocates in proportion to the header.
SafetensorsHeader read_safetensors_header(InputFile& file);

/// The name of a type in safetensors.
std::string_view safetensors_name(DType type);

}  // namespace fuselage::data
