// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What the programs need of the table, by native number: where the arguments of interest stand.
#pragma once

#include "bpf/arch.h"
#include "bpf/abi/syscalls.h"

// Positions count from 1; 0 = the call has no such argument.
struct fbx_shape {
  uint8_t fd, path, dirfd, path2, dirfd2, sockaddr, open_flags, rw_flags;
  uint8_t traits;  // FBX_TRAIT_*
  uint8_t known;
  uint8_t pad[6];
};

#define FBX_AT(role, a, b, c, d, e, f)                                            \
  ((FBX_ARG_##a) == (role)   ? 1                                                  \
   : (FBX_ARG_##b) == (role) ? 2                                                  \
   : (FBX_ARG_##c) == (role) ? 3                                                  \
   : (FBX_ARG_##d) == (role) ? 4                                                  \
   : (FBX_ARG_##e) == (role) ? 5                                                  \
   : (FBX_ARG_##f) == (role) ? 6                                                  \
                             : 0)

#define FBX_SHAPE(name, x86, arm, fam, some, bits, a, b, c, d, e, f, errs)        \
  [FBX_NR(x86, arm)] = {.fd = FBX_AT(FBX_ARG_FD, a, b, c, d, e, f),               \
                        .path = FBX_AT(FBX_ARG_PATH, a, b, c, d, e, f),           \
                        .dirfd = FBX_AT(FBX_ARG_DIRFD, a, b, c, d, e, f),         \
                        .path2 = FBX_AT(FBX_ARG_PATH2, a, b, c, d, e, f),         \
                        .dirfd2 = FBX_AT(FBX_ARG_DIRFD2, a, b, c, d, e, f),       \
                        .sockaddr = FBX_AT(FBX_ARG_SOCKADDR, a, b, c, d, e, f),   \
                        .open_flags = FBX_AT(FBX_ARG_OPEN_FLAGS, a, b, c, d, e, f), \
                        .rw_flags = FBX_AT(FBX_ARG_RW_FLAGS, a, b, c, d, e, f),   \
                        .traits = (bits),                                         \
                        .known = 1},

static const volatile struct fbx_shape fbx_shapes[FBX_NR_LIMIT] = {FBX_SYSCALLS(FBX_SHAPE)};
