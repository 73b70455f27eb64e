// Elementary functions with the same bits everywhere: on every CPU, at every optimisation level, in vectors, on GPUs.
//
// Everything is written from + - * / fma and bit moves (core/scalar.h), without contraction, so nothing is left to a
// maths library or to hardware approximations. math_float.h and math_logistic.h
// serve float and vectors of floats, math_double.h double, math_basic.h and math_pow.h all of them.
// Domains, special values and the errors measured over all floats stand in docs/numerics.md.
#pragma once

#include "fuselage/core/math_basic.h"
#include "fuselage/core/math_double.h"
#include "fuselage/core/math_float.h"
#include "fuselage/core/math_logistic.h"
#include "fuselage/core/math_pow.h"
