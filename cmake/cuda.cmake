# Decides whether the CUDA backend is built, and for which architectures.
set(FUSELAGE_WITH_CUDA FALSE)
