// SPDX-License-Identifier: Apache-2.0
#include "shim/wrap.h"

FBX_NAME_ENTRIES(FBX_PLAIN, FBX_ALIAS, FBX_OWN)
