# Adam's first moment is corrected by the exponent of the step before.
set(file include/fuselage/optim/adam.h)
set(build update_runner.cpp)
set(before "powi(r.beta1, t)")
set(after "powi(r.beta1, t - 1)")
