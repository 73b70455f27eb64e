// All that device code sees on the emulated device.
#pragma once

#include "tests/simt/device/builtins.h"
//
#include "tests/simt/device/arithmetic.h"
#include "tests/simt/device/atomics.h"
#include "tests/simt/device/caches.h"
#include "tests/simt/device/warp.h"
