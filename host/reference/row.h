// One loss of rows of the reference, whatever its formula: what a row is, the interface, and what makes an entry of a
// formula.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "host/reference/options.h"
#include "host/reference/tape.h"

namespace fuselage::reference {

/// What the target of a row is.
enum class RowKind {
  classes,  ///< a label, or a coefficient for each class
  label,    ///< a label alone
  dense,    ///< a number for each column
  single,   ///< one number
  none,     ///< nothing
};

/// A row as its formula sees it; T is the scalar.
template <class T>
struct Row {
  std::vector<T> x, second, third;  ///< the inputs; empty where the loss has none
  std::vector<double> target;       ///< classes: the coefficients, 1 for the label and 0 else; dense: the numbers
  std::vector<double> weight;       ///< of the classes; ones where none are given
  std::int64_t label = -1;          ///< -1 where there is none
  double single = 0;                ///< the row's own target
  double constant = 0;              ///< the row's own second input

  std::size_t size() const { return x.size(); }
  /// w_c ((1 - s) t_c + s/C), label smoothing s.
  std::vector<double> coefficients(double s) const {
    std::vector<double> k(size());
    for (std::size_t c = 0; c < size(); ++c) k[c] = weight[c] * ((1 - s) * target[c] + s / static_cast<double>(size()));
    return k;
  }
};

/// max(0, x), derivative 0 at the kink; NaN passes on, into the derivative as well.
template <class T>
T positive_part(const T& x) {
  if (std::isnan(value_of(x))) return value_of(x) * x;
  return value_of(x) <= 0 ? T(0) : x;
}

/// What a loss of rows takes.
struct RowTraits {
  RowKind target = RowKind::classes;
  int inputs = 1;             ///< rows of the batch that it looks at
  bool row_constant = false;  ///< a second input of one number for each row
  bool softmax = false;       ///< NaN, +inf, or nothing but -inf make the row NaN
  bool ignores = false;       ///< takes an ignore_index
};

/// A loss of rows with its options read.
class RowLoss {
 public:
  virtual ~RowLoss() = default;
  virtual double at(const Row<double>& row) const = 0;
  virtual long double at(const Row<long double>& row) const = 0;
  virtual Var at(const Row<Var>& row) const = 0;
  /// Of the classes, for calibration; empty where the loss knows of none.
  virtual std::vector<double> probabilities(const Row<double>& row) const = 0;
  virtual RowTraits traits() const = 0;
  /// Whether a number is a target of this loss.
  virtual bool takes(double t) const = 0;
};

/// A Formula is a struct with
///   static constexpr std::string_view name
///   static constexpr RowTraits traits, or RowTraits own_traits() const where they depend on its options
///   a constructor from OptionReader&, when it has options
///   T operator()(const Row<T>& row) const, a template on the scalar: the value alone
///   std::vector<double> probabilities(const Row<double>& row), when rows have them
///   bool takes(double t), when not every number may be a target
template <class Formula>
class RowLossOf final : public RowLoss {
 public:
  explicit RowLossOf(Formula formula) : formula_(formula) {}
  double at(const Row<double>& row) const override { return formula_(row); }
  long double at(const Row<long double>& row) const override { return formula_(row); }
  Var at(const Row<Var>& row) const override { return formula_(row); }
  std::vector<double> probabilities(const Row<double>& row) const override {
    if constexpr (requires { formula_.probabilities(row); })
      return formula_.probabilities(row);
    else
      return {};
  }
  RowTraits traits() const override {
    if constexpr (requires { formula_.own_traits(); })
      return formula_.own_traits();
    else
      return Formula::traits;
  }
  bool takes(double t) const override {
    if constexpr (requires { formula_.takes(t); })
      return formula_.takes(t);
    else
      return t == t;
  }

 private:
  Formula formula_;
};

template <class Formula>
std::shared_ptr<const RowLoss> make_row_loss(OptionReader& reader) {
  if constexpr (requires { Formula(reader); })
    return std::make_shared<RowLossOf<Formula>>(Formula(reader));
  else
    return std::make_shared<RowLossOf<Formula>>(Formula());
}

}  // namespace fuselage::reference
