// The textbook formulas of losses on the angle and the distance between rows.
#pragma once

#include <algorithm>
#include <cmath>

#include "host/reference/element.h"
#include "host/reference/row.h"

namespace fuselage::reference {

namespace vectors {
template <class T>
T dot(const std::vector<T>& a, const std::vector<T>& b) {
  T sum(0);
  for (std::size_t i = 0; i < a.size(); ++i) sum = sum + a[i] * b[i];
  return sum;
}

/// (sum |a_i - b_i + eps|^p)^(1/p); derivative 0 where it is 0.
template <class T>
T distance(const std::vector<T>& a, const std::vector<T>& b, double p, double eps) {
  using std::abs, std::pow, std::sqrt;
  T sum(0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const T d = abs((a[i] - b[i]) + eps);
    if (value_of(d) == 0) continue;
    sum = sum + (p == 1 ? d : p == 2 ? d * d : pow(d, p));
  }
  if (value_of(sum) == 0) return T(0);
  return p == 1 ? sum : p == 2 ? sqrt(sum) : pow(sum, 1 / p);
}
}  // namespace vectors

/// The cosine of the angle between prediction and target, each norm at least eps (with derivative 0 up to it): 1 - cos
/// (form 0), or -cos (form 1). Where a norm is 0 and eps too, it is 0 with derivative 0; so below.
struct CosineSimilarity {
  static constexpr std::string_view name = "cosine_similarity";
  static constexpr RowTraits traits{.target = RowKind::dense};
  bool negative;
  double eps;
  explicit CosineSimilarity(OptionReader& reader)
      : negative(reader.get_flag("form")), eps(reader.get_between("eps", 1e-8, 0, kUnbounded)) {}
  template <class T>
  T operator()(const Row<T>& row) const {
    using std::sqrt;
    double of_target = 0;
    T product(0);
    for (std::size_t i = 0; i < row.size(); ++i) {
      of_target += row.target[i] * row.target[i];
      product = product + row.x[i] * row.target[i];
    }
    const T square = vectors::dot(row.x, row.x);
    const T norm = std::sqrt(value_of(square)) <= eps ? T(eps) : sqrt(square);
    const double other = std::max(std::sqrt(of_target), eps);
    const bool zero = (value_of(norm) == 0 || other == 0) && !std::isnan(value_of(product));
    const T cosine = zero ? T(0) : product / (norm * other);
    return negative ? -cosine : 1.0 - cosine;
  }
};

/// 1 - cos where t = 1, max(0, cos - margin) where t = -1, derivative 0 at the kink; cos = a.b / sqrt((|a|^2 + eps)
/// (|b|^2 + eps)).
struct CosineEmbedding : SignTarget {
  static constexpr std::string_view name = "cosine_embedding";
  static constexpr RowTraits traits{.target = RowKind::single, .inputs = 2};
  double margin, eps;
  explicit CosineEmbedding(OptionReader& reader)
      : margin(reader.get_between("margin", 0, -1, 1)), eps(reader.get_between("eps", 1e-12, 0, kUnbounded)) {}
  template <class T>
  T operator()(const Row<T>& row) const {
    using std::sqrt;
    const T a = vectors::dot(row.x, row.x) + eps, b = vectors::dot(row.second, row.second) + eps;
    const T product = vectors::dot(row.x, row.second);
    const bool zero = (value_of(a) == 0 || value_of(b) == 0) && !std::isnan(value_of(product));
    const T cosine = zero ? T(0) : product / (sqrt(a) * sqrt(b));
    if (row.single > 0) return 1.0 - cosine;
    return positive_part(T(cosine - margin));
  }
};

/// With the distance d of the rows (eps is added to each difference): s d^2 + (1 - s) max(0, margin - d)^2, halved
/// (half), where s says how similar they are: the target (labels 0), or what is left of it to 1 (labels 1).
struct Contrastive : ProbabilityTarget {
  static constexpr std::string_view name = "contrastive";
  static constexpr RowTraits traits{.target = RowKind::single, .inputs = 2};
  double margin, eps;
  bool similar_is_zero, half;
  explicit Contrastive(OptionReader& reader)
      : margin(reader.get_between("margin", 1, 0, kUnbounded)),
        eps(reader.get_between("eps", 1e-6, 0, kUnbounded)),
        similar_is_zero(reader.get_flag("labels")),
        half(reader.get_flag("half", true)) {}
  template <class T>
  T operator()(const Row<T>& row) const {
    const T d = vectors::distance(row.x, row.second, 2, eps);
    const double alike = similar_is_zero ? 1 - row.single : row.single, unlike = 1 - alike;
    const T rest = positive_part(T(margin - d));
    T sum(0);
    if (alike > 0) sum = sum + alike * (d * d);
    if (unlike > 0 && value_of(rest) != 0) sum = sum + unlike * (rest * rest);
    return half ? sum / 2.0 : sum;
  }
};

/// max(0, d(anchor, positive) - d(anchor, negative) + margin), derivatives 0 at the kink, with the distance of the norm
/// p. The negative's distance is that from the anchor (swap 0), from the positive (2), or the smaller of both (1).
struct Triplet {
  static constexpr std::string_view name = "triplet";
  static constexpr RowTraits traits{.target = RowKind::none, .inputs = 3};
  double margin, p, eps;
  double swap;
  explicit Triplet(OptionReader& reader)
      : margin(reader.get_between("margin", 1, 0, kUnbounded)),
        p(reader.get_between("p", 2, 1, kUnbounded)),
        eps(reader.get_between("eps", 1e-6, 0, kUnbounded)),
        swap(reader.get_between("swap", 0, 0, 2)) {}
  template <class T>
  T operator()(const Row<T>& row) const {
    const T near = vectors::distance(row.x, row.second, p, eps);
    T far = vectors::distance(row.x, row.third, p, eps);
    if (swap > 0) {
      const T other = vectors::distance(row.second, row.third, p, eps);
      if (swap == 2 || value_of(other) < value_of(far)) far = other;
    }
    return positive_part(T(near - far + margin));
  }
};

}  // namespace fuselage::reference
