# Adam's first moment is corrected by the exponent of the step before.
set(file include/fuselage/optim/adam.h)
set(before "powi(b1, t)")
set(after "powi(b1, t - 1)")
