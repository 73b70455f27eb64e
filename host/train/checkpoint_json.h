// The commit record of a checkpoint as text.
#pragma once

#include <cstdint>
#include <string>

#include "fuselage/checkpoint.h"

namespace fuselage::train {

/// The file with the tensors, as the record names it.
struct TensorsFile {
  std::string name;
  std::uint64_t size = 0;
  std::uint32_t crc32 = 0;
};

/// The record without the tensors themselves; its last field is the CRC-32 of all before it.
std::string to_json(const Checkpoint& checkpoint, const TensorsFile& file);
/// The inverse. `where` goes into the message of Error(format).
Checkpoint from_json(const std::string& text, const std::string& where, TensorsFile& file);

std::uint32_t crc32_of(const void* bytes, std::size_t count);

}  // namespace fuselage::train
