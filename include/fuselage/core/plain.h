// An entry of a list in plain memory, for devices: they have no std::visit.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <variant>

#include "fuselage/core/catalogue.h"
#include "fuselage/core/hd.h"

namespace fuselage {

template <class List>
class Plain;

template <class... Ts>
class Plain<Catalogue<Ts...>> {
  static_assert((std::is_trivially_copyable_v<Ts> && ...));

 public:
  Plain() = default;
  explicit Plain(const std::variant<Ts...>& any) : index_(static_cast<std::int32_t>(any.index())) {
    std::visit([&](const auto& value) { std::memcpy(bytes_, &value, sizeof value); }, any);
  }
  FUSELAGE_HD std::int32_t index() const { return index_; }
  /// Calls f(value).
  template <class F>
  FUSELAGE_HD void visit(F&& f) const {
    std::int32_t i = 0;
    ((i++ == index_ ? f(*reinterpret_cast<const Ts*>(bytes_)) : void()), ...);
  }

 private:
  alignas(8) unsigned char bytes_[std::max({sizeof(Ts)...})] = {};
  std::int32_t index_ = 0;
};

}  // namespace fuselage
