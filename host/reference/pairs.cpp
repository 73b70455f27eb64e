// Losses over all pairs of rows, straight from their formulas.
#include "host/reference/pairs.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "host/reference/options.h"
#include "host/reference/tape.h"

namespace fuselage::reference {
namespace {

using Vector = std::vector<Var>;
using Matrix = std::vector<Vector>;

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }
bool is_kept(const PairInput& in, std::int64_t r) { return in.mask.empty() || in.mask[index(r)] != 0; }

/// The rows of an array on a tape.
Matrix rows_of(Tape& tape, const PairInput& in, const std::vector<double>& array) {
  Matrix rows(index(in.rows));
  for (std::int64_t i = 0; i < in.rows * in.cols; ++i) rows[index(i / in.cols)].push_back(tape.input(array[index(i)]));
  return rows;
}

Var dot(const Vector& x, const Vector& y) {
  Var sum(0);
  for (std::size_t c = 0; c < x.size(); ++c) sum = c == 0 ? x[c] * y[c] : sum + x[c] * y[c];
  return sum;
}

/// Sums in one go: value and divisor, and what is read off the tape.
void finish(Tape& tape, const PairInput& in, const Var& sum, const Matrix* const (&sets)[2], PairOutput& out) {
  const bool empty = !(out.weight_sum > 0);
  const Var value = empty ? Var(0) : sum / Var(out.weight_sum);
  out.value = value.number.value;
  out.term = std::max(std::abs(out.value), value.number.term);
  tape.differentiate(value);
  for (int k = 0; k < 2; ++k) {
    if (sets[k] == nullptr) continue;
    for (const Vector& row : *sets[k])
      for (const Var& v : row) {
        const Sized slope = empty ? Sized{} : tape.at(v);
        out.gradient[k].push_back(slope.value * in.upstream);
        out.gradient_terms[k].push_back(std::abs(slope.term * in.upstream));
      }
  }
}

// ---- info_nce -------------------------------------------------------------------------------------------------------

/// x over its length, which is at least eps and a constant up to it; zeros with eps = 0 stay zeros.
Vector normalised(Tape& tape, const Vector& x, double eps) {
  const Var square = dot(x, x);
  const bool short_one = std::sqrt(square.number.value) <= eps;
  Vector result;
  for (const Var& v : x) {
    if (short_one)
      result.push_back(eps > 0 ? v / Var(eps) : tape.input(0));
    else
      result.push_back(v / sqrt(square));
  }
  return result;
}

PairOutput info_nce(OptionReader& options, const PairInput& in) {
  const double temperature = options.get_positive("temperature", 0.07), eps = options.get("eps", 1e-8);
  const bool one_set = options.get("pairs", 0) == 1, symmetric = options.get_flag("symmetric", true) || one_set;
  const bool normalise = options.get_flag("normalise", true);
  options.finish();
  PairOutput out;
  Tape tape;
  const Matrix a = rows_of(tape, in, in.a), b = rows_of(tape, in, in.b);
  Matrix left, right;
  std::vector<double> weight;
  for (std::int64_t r = 0; r < in.rows; ++r) {
    if (!is_kept(in, r)) continue;
    const double w = in.weight.empty() ? 1 : in.weight[index(r)];
    const bool good = w >= 0 && std::isfinite(w);
    if (!good && out.bad_weights++ == 0) out.first_bad_weight_row = r;
    weight.push_back(good ? w : -1);
    left.push_back(normalise ? normalised(tape, a[index(r)], eps) : a[index(r)]);
    right.push_back(normalise ? normalised(tape, b[index(r)], eps) : b[index(r)]);
  }
  Var sum(0);
  const auto look = [&](const Matrix& from, const Matrix& to) {
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (weight[i] < 0) continue;
      Vector logits;
      for (const Vector& other : to) logits.push_back(dot(from[i], other) / Var(temperature));
      for (std::size_t j = 0; one_set && j < from.size(); ++j)
        if (j != i) logits.push_back(dot(from[i], from[j]) / Var(temperature));
      double most = -INFINITY, total = 0;
      for (const Var& l : logits)
        most = std::max(most, l.number.value), out.logit = std::max(out.logit, std::abs(l.number.value));
      for (const Var& l : logits) total += std::exp(l.number.value - most);
      std::vector<double> log_p;
      for (const Var& l : logits) log_p.push_back(l.number.value - most - std::log(total));
      const Var own = tape.softmax(logits, log_p, most + std::log(total))[i];
      sum = sum + Var(-weight[i]) * own;
      out.weight_sum += weight[i];
      ++out.count;
    }
  };
  look(left, right);
  if (symmetric) look(right, left);
  finish(tape, in, sum, {&a, &b}, out);
  return out;
}

// ---- batch_triplet --------------------------------------------------------------------------------------------------

PairOutput batch_triplet(OptionReader& options, const PairInput& in) {
  const bool all = options.get("mining", 0) == 1, nonzero = options.get("average", 0) == 1;
  const bool squared = options.get_flag("squared");
  const double margin = options.get("margin", 1), eps = options.get("eps", 0);
  options.finish();
  PairOutput out;
  Tape tape;
  const Matrix x = rows_of(tape, in, in.a);
  const auto n = x.size();
  // Distances of identical rows have no derivative.
  std::vector<Vector> distance(n, Vector(n));
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i + 1; j < n; ++j) {
      Vector d;
      for (std::size_t c = 0; c < x[i].size(); ++c) d.push_back(x[i][c] - x[j][c]);
      const Var square = dot(d, d);
      const bool zero = square.number.value + eps == 0;
      distance[i][j] = distance[j][i] = squared ? square : zero ? Var(0) : sqrt(square + Var(eps));
    }
  const auto further = [&](std::size_t anchor) {
    return [&, anchor](std::size_t i, std::size_t j) {
      return distance[anchor][i].number.value < distance[anchor][j].number.value;
    };
  };
  Var sum(0);
  for (std::size_t i = 0; i < n; ++i) {
    if (!is_kept(in, static_cast<std::int64_t>(i))) continue;
    std::vector<std::size_t> like, others;
    for (std::size_t j = 0; j < n; ++j)
      if (j != i && is_kept(in, static_cast<std::int64_t>(j)))
        (in.labels[j] == in.labels[i] ? like : others).push_back(j);
    if (!all && !like.empty() && !others.empty()) {
      like = {*std::max_element(like.begin(), like.end(), further(i))};
      others = {*std::min_element(others.begin(), others.end(), further(i))};
    }
    for (const std::size_t p : like)
      for (const std::size_t q : others) {
        const Var loss = (distance[i][p] - distance[i][q]) + Var(margin);
        ++out.count;
        if (loss.number.value <= 0)
          ++out.correct;
        else
          sum = sum + loss;
      }
  }
  out.weight_sum = static_cast<double>(nonzero ? out.count - out.correct : out.count);
  finish(tape, in, sum, {&x, nullptr}, out);
  return out;
}

}  // namespace

PairOutput pair_loss(std::string_view name, const Options& options, const PairInput& in) {
  const auto expect = [](bool condition, const char* what) {
    if (!condition) throw std::invalid_argument(std::string("reference: ") + what);
  };
  const std::size_t rows = index(in.rows), elements = index(in.rows * in.cols);
  expect(in.a.size() == elements, "a has another size than rows * cols");
  expect(in.mask.empty() || in.mask.size() == rows, "mask has another size than rows");
  OptionReader reader(name, options);
  if (name == "info_nce") {
    expect(in.b.size() == elements, "b has another size than rows * cols");
    expect(in.weight.empty() || in.weight.size() == rows, "weight has another size than rows");
    return info_nce(reader, in);
  }
  expect(name == "batch_triplet", "there is no such loss over pairs of rows");
  expect(in.labels.size() == rows, "labels has another size than rows");
  return batch_triplet(reader, in);
}

std::vector<std::string> pair_loss_names() { return {"info_nce", "batch_triplet"}; }

}  // namespace fuselage::reference
