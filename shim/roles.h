// SPDX-License-Identifier: Apache-2.0
//
// Where each call of the one table has what decides about it. Positions count from 1; 0 = none.
#pragma once
#include <stdint.h>

#include "bpf/abi/syscalls.h"

struct fbx_roles {
  uint8_t fd, path, path2, dirfd, dirfd2, open_flags, rw_flags;
  uint8_t follows;  // the last component, when it is a symbolic link
};
extern __attribute__((visibility("hidden"))) const struct fbx_roles fbx_roles[FBX_NR_LIMIT];
