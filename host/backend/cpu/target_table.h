// Fills the table of a target with the drivers for vector type V. The lists are walked here, so a new entry needs
// nothing in this folder.
#pragma once

#include "fuselage/tile_loss.h"
#include "host/backend/cpu/layers.h"
#include "host/backend/cpu/pointwise.h"
#include "host/backend/cpu/row_sums.h"
#include "host/backend/cpu/row_sums_pass.h"
#include "host/backend/cpu/softmax_short.h"
#include "host/backend/cpu/update.h"

namespace fuselage::cpu {

template <class V, class L>
consteval void add_loss(Target& table, std::size_t i) {
  if constexpr (loss::Elementwise<L>)
    table.tiles[i] = tile_functions<V, L>();
  else if constexpr (loss::RowSums<L>)
    table.row[i] = &row_sums_row<V, L>;
}

template <class V, class... L>
consteval void add_losses(Target& table, Catalogue<L...>) {
  std::size_t i = 0;
  (add_loss<V, L>(table, i++), ...);
}

template <class V, class R>
consteval void add_rule(Target& table, std::size_t i) {
  table.update[i] = &update_run<V, R>;
  if constexpr (optim::NormRule<R>) table.measure[i] = &measure_run<V, R>;
}

template <class V, class... R>
consteval void add_rules(Target& table, Catalogue<R...>) {
  std::size_t i = 0;
  (add_rule<V, R>(table, i++), ...);
}

template <class V, class... T>
consteval void add_types(Target& table) {
  std::size_t i = 0;
  ((table.floats_from[i] = &floats_from<V, T>, table.floats_to[i] = &floats_to<V, T>, ++i), ...);
}

template <class V, class... A>
consteval void add_activations(Target& table, Catalogue<A...>) {
  std::size_t i = 0;
  ((table.forward[i] = &forward_rows<V, A>, table.backward[i] = &backward_rows<V, A>, ++i), ...);
}

template <class V>
consteval Target make_target(const char* name) {
  Target table{};
  table.name = name;
  add_losses<V>(table, Losses{});
  table.pointwise = &pointwise_chunks<V>;
  table.weights = &weight_chunks<V>;
  table.softmax[0] = &softmax_rows<V, float>;
  table.softmax[1] = &softmax_rows<V, bf16>;
  table.softmax[2] = &softmax_rows<V, f16>;
  table.rows = &row_sums_rows<V>;
  add_rules<V>(table, Optimizers{});
  table.gradient = &gradient_chunk<V>;
  add_types<V, float, bf16, f16>(table);
  add_activations<V>(table, Activations{});
  return table;
}

}  // namespace fuselage::cpu
