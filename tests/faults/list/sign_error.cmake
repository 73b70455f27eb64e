# The gradient of the Huber loss climbs instead of descending.
set(file include/fuselage/loss/huber.h)
set(before "copysign(q, d)")
set(after "-copysign(q, d)")
