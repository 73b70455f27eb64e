# The last element of a tail is left out of the loss and of its gradient.
set(file host/backend/cpu/pointwise.h)
set(build target_portable.cpp)
set(before "begin + i, length - i < kLanes ? length - i : kLanes, buffer, sums")
set(after "begin + i, length - i < kLanes ? length - i - 1 : kLanes, buffer, sums")
