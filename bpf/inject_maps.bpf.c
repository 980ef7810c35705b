// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The one definition of each map of the injecting hands.
#define FBX_INJECT_MAP
#include "bpf/inject.h"

FBX_LICENSE;
