# The gradient of a mean is divided by the rows, not by the weights that count.
set(file include/fuselage/loss_pass.h)
set(before "static_cast<float>(numerator / weight_sum)")
set(after "static_cast<float>(numerator / static_cast<double>(rows))")
