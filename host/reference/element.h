// One pointwise loss of the reference, whatever its formula: the interface, and what makes an entry of a formula.
#pragma once

#include <memory>
#include <string_view>

#include "host/reference/dual.h"
#include "host/reference/options.h"

namespace fuselage::reference {

/// How large the terms are whose sum or difference the value and the derivatives of an element are: rounding is
/// measured by them where they cancel. 0: there is no such sum.
struct Terms {
  double value = 0;
  double derivative = 0;
  double second = 0;  ///< of the derivative by the second prediction
};

/// A pointwise loss with its options read: of a prediction y, of a second one z where it takes two, and of a target t.
class Element {
 public:
  virtual ~Element() = default;
  virtual double at(double y, double z, double t) const = 0;
  virtual long double at(long double y, long double z, double t) const = 0;
  virtual Dual<2> at(const Dual<2>& y, const Dual<2>& z, double t) const = 0;
  virtual Terms terms(double y, double z, double t) const = 0;
  /// Whether the loss decides, and a prediction, or a target, is a yes.
  virtual bool decides() const = 0;
  virtual bool is_chosen(double y) const = 0;
  virtual bool is_positive(double t) const = 0;
  /// Whether a number is a target of this loss.
  virtual bool takes(double t) const = 0;
};

/// A Formula is a struct with
///   static constexpr std::string_view name
///   a constructor from OptionReader&, when it has options: it reads them all, and refuses what is out of range
///   T operator()(const T& y, double t) const, or (const T& y, const T& z, double t), a template on the scalar: the
///   value alone
///   Terms terms(double y, double t) const, or (y, z, t), when terms may cancel
///   static bool is_chosen(double y) and is_positive(double t), when the loss decides
///   bool takes(double t), when not every number may be a target
///   static constexpr bool root, when the value is the root of the reduced sum
///   static constexpr bool second_constant, when there is no derivative by z
template <class Formula>
class ElementOf final : public Element {
 public:
  explicit ElementOf(Formula formula) : formula_(formula) {}
  double at(double y, double z, double t) const override { return apply(y, z, t); }
  long double at(long double y, long double z, double t) const override { return apply(y, z, t); }
  Dual<2> at(const Dual<2>& y, const Dual<2>& z, double t) const override { return apply(y, z, t); }
  Terms terms(double y, double z, double t) const override {
    if constexpr (requires { formula_.terms(y, z, t); })
      return formula_.terms(y, z, t);
    else if constexpr (requires { formula_.terms(y, t); })
      return formula_.terms(y, t);
    else
      return {};
  }
  bool decides() const override { return kDecides; }
  bool is_chosen(double y) const override {
    if constexpr (kDecides)
      return Formula::is_chosen(y);
    else
      return false;
  }
  bool is_positive(double t) const override {
    if constexpr (kDecides)
      return Formula::is_positive(t);
    else
      return false;
  }
  bool takes(double t) const override {
    if constexpr (requires { formula_.takes(t); })
      return formula_.takes(t);
    else
      return t == t;
  }

 private:
  static constexpr bool kDecides = requires(double x) {
    Formula::is_chosen(x);
    Formula::is_positive(x);
  };
  template <class T>
  T apply(const T& y, const T& z, double t) const {
    if constexpr (requires { formula_(y, z, t); })
      return formula_(y, z, t);
    else
      return formula_(y, t);
  }
  Formula formula_;
};

template <class Formula>
std::shared_ptr<const Element> make_element(OptionReader& reader) {
  if constexpr (requires { Formula(reader); })
    return std::make_shared<ElementOf<Formula>>(Formula(reader));
  else
    return std::make_shared<ElementOf<Formula>>(Formula());
}

/// Whether Formula takes two predictions.
template <class Formula>
constexpr bool is_pair() {
  return requires(const Formula f, double x) { f(x, x, x); };
}

// ---- what targets may be --------------------------------------------------------------------------------------------

struct ProbabilityTarget {
  static bool takes(double t) { return t >= 0 && t <= 1; }
};
struct SignTarget {
  static bool takes(double t) { return t == 1 || t == -1; }
};
struct PositiveTarget {
  static bool takes(double t) { return t > 0; }
};
struct NonNegativeTarget {
  static bool takes(double t) { return t >= 0; }
};

}  // namespace fuselage::reference
