// SPDX-License-Identifier: Apache-2.0
#include "shim/wrap.h"

FBX_SYNC_ENTRIES(FBX_PLAIN, FBX_ALIAS, FBX_OWN)
