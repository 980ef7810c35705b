// SPDX-License-Identifier: Apache-2.0
#include "shim/roles.h"

#define AT(role, a, b, c, d, e, f)                                                           \
  ((a) == (role) ? 1 : (b) == (role) ? 2 : (c) == (role) ? 3 : (d) == (role) ? 4             \
   : (e) == (role) ? 5 : (f) == (role) ? 6 : 0)
#define NAMES                                                                                \
  (FBX_F_UNLINK | FBX_F_RENAME | FBX_F_RMDIR | FBX_F_MKDIR | FBX_F_SYMLINK | FBX_F_READLINK | \
   FBX_F_LINK | FBX_F_MKNOD)
#define ROLES(fam, some, ...)                                                                \
  {AT(FBX_ARG_FD, __VA_ARGS__), AT(FBX_ARG_PATH, __VA_ARGS__), AT(FBX_ARG_PATH2, __VA_ARGS__), \
   AT(FBX_ARG_DIRFD, __VA_ARGS__), AT(FBX_ARG_DIRFD2, __VA_ARGS__),                          \
   AT(FBX_ARG_OPEN_FLAGS, __VA_ARGS__), AT(FBX_ARG_RW_FLAGS, __VA_ARGS__),                   \
   !(((fam) | (some)) & NAMES)}
#if defined(__x86_64__)
#define NUMBER(x86, arm) x86
#else
#define NUMBER(x86, arm) arm
#endif
// A call that this architecture lacks has the number −1: it goes to the unused last row.
#define ROW(name, x86, arm, fam, some, traits, a, b, c, d, e, f, errs)               \
  [NUMBER(x86, arm) < 0 ? FBX_NR_LIMIT - 1 : NUMBER(x86, arm)] =                             \
      ROLES(fam, some, FBX_ARG_##a, FBX_ARG_##b, FBX_ARG_##c, FBX_ARG_##d, FBX_ARG_##e,      \
            FBX_ARG_##f),

#pragma GCC diagnostic ignored "-Woverride-init"
const struct fbx_roles fbx_roles[FBX_NR_LIMIT] = {FBX_SYSCALLS(ROW)};
