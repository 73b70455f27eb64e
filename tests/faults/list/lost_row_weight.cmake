# A long row's weight scales its value, but not its gradient.
set(file host/backend/cpu/softmax_long.h)
set(build target_portable.cpp)
set(before "in.scale = static_cast<double>(pass.scale) * static_cast<double>(in.weight);")
set(after "in.scale = static_cast<double>(pass.scale);")
