# The gradient of the Huber loss climbs instead of descending.
set(file include/fuselage/loss/huber.h)
set(build target_portable.cpp)
set(before "copysign(q, d)")
set(after "-copysign(q, d)")
