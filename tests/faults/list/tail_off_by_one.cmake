# The last element of a tail is left out of the loss and of its gradient.
set(file host/backend/cpu/pointwise.h)
set(before "length - i < kLanes ? length - i : kLanes")
set(after "length - i < kLanes ? length - i - 1 : kLanes")
