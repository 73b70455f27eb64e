# The gradient of a mean is divided by the rows, not by the weights that count.
set(file include/fuselage/loss_pass.h)
set(build loss_runner.cpp)
set(before "return weight_sum;")
set(after "return weight_sum > 0 ? static_cast<double>(rows) : 0;")
