// How far a replayed step may be from the reference in double, in ulp of fp32.
//
// Loss: the value at the larger of itself and the terms behind it; an element of the gradient at the largest of itself,
// the target coefficient that its formula subtracts (p - q), and the terms that the reference names, times the row's
// weight over the divisor. Update: at the larger of a value before and after the step, plus what one ulp in each thing
// that the rule reads (gradient, states) makes of the result; so a cancellation inside a rule is not held against it,
// and a wrong rule is.
#pragma once

namespace fuselage::train {

inline constexpr double kLossUlp = 16;
inline constexpr double kUpdateUlp = 4;
/// The learning rate, in ulp of double of it or of the rule's, whichever is larger: what is left of a decay near its
/// end is a difference.
inline constexpr double kRateUlp = 64;

}  // namespace fuselage::train
