// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The one definition of each shared map.
#define FBX_MAP
#include "bpf/maps.bpf.h"

FBX_LICENSE;
